package memory_test

import (
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
	"github.com/caddyspotify/caddy-spotify/tokenstore/storetest"
)

var epoch = time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)

// R28 R38: as the suite says.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Instances {
		clock := fakeclock.New(epoch)
		store := memory.New(memory.Config{Now: clock.Now})
		return storetest.Instances{
			Stores:  []tokenstore.Store{store, store.Peer(), store.Peer()},
			Now:     clock.Now,
			Advance: clock.Advance,
		}
	})
}
