package caddystorage

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore/internal/keylock"
)

// backend is what all users of one configured storage in this process share.
// It outlives a reload of the configuration; the storage itself does not, since
// each configuration brings its own and may close it in the end. So operations
// go to the storage of the newest configuration in force.
type backend struct {
	prefix  string
	now     func() time.Time
	changes keylock.Locks // who changes a record
	leases  keylock.Locks // who holds or awaits the lease of a session

	current atomic.Pointer[use]

	mu       sync.Mutex
	uses     []*use // of the configurations in force, the newest last
	reported map[string]struct{}
	cursor   int // the folder to be swept next
}

// use is the use of a backend by one configuration.
type use struct {
	storage certmagic.Storage
	logger  *zap.Logger
}

func newBackend(prefix string, now func() time.Time) *backend {
	return &backend{
		prefix:   prefix,
		now:      now,
		reported: make(map[string]struct{}),
		// Instances that were started together are not to sweep in step.
		cursor: rand.IntN(folders),
	}
}

// add makes u's storage the one in use.
func (b *backend) add(u *use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uses = append(b.uses, u)
	b.current.Store(u)
}

// remove ends the use that a configuration makes. If it was the last one, its
// storage stays in use for whoever has yet to finish.
func (b *backend) remove(u *use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uses = slices.DeleteFunc(b.uses, func(other *use) bool { return other == u })
	if n := len(b.uses); n > 0 {
		b.current.Store(b.uses[n-1])
	}
}

func (b *backend) storage() certmagic.Storage { return b.current.Load().storage }
