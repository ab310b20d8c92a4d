package accesskeys

import (
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/notify"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// E02: a notice leads to where its key is renewed, and there is none while a renewal waits
// for the key. A key that cannot be renewed leads to where another is created.
func TestNoticesLeadToTheRenewal(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	endpoint, url := newGrants(t)
	k := newInstance(t, memory.New(memory.Config{Now: fake.Now}), fake, t.Name(), url)
	k.site.Origin, k.site.Prefix = "https://app.example.com", "/spotify"
	s := k.newRenewableKey(t)
	describe := func() *notify.Subject {
		t.Helper()
		subject, err := k.Notices().Describe(t.Context(), tokenstore.Entry{Key: s.Key(), Meta: tokenstore.Meta{Kind: tokenstore.KindKey, AccountID: "account"}})
		if err != nil {
			t.Fatal(err)
		}
		return subject
	}
	want := notify.Subject{
		Kind: tokenstore.KindKey, Name: "key", Account: "account", Session: s.Ref(),
		RenewURL: "https://app.example.com/spotify/keys/renew?key=" + s.Ref(),
	}
	if got := describe(); got == nil || *got != want {
		t.Errorf("told %+v, want %+v", got, want)
	}
	fake.Advance(life - 1)
	if got := describe(); got == nil || *got != want {
		t.Errorf("at its end told %+v, want %+v", got, want)
	}
	if _, err := k.renew(t.Context(), first("new", fake.Now()), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	if got := describe(); got != nil {
		t.Errorf("while a renewal waits: told %+v", got)
	}
	k.grantOf(t, s.ID)
	if got := describe(); got == nil || *got != want {
		t.Errorf("renewed: told %+v, want %+v", got, want)
	}
	// A renewal that does not work is as if there was none.
	if _, err := k.renew(t.Context(), first("third", fake.Now().Add(-life)), "account", s.Ref()); err != nil {
		t.Fatal(err)
	}
	endpoint.mu.Lock()
	endpoint.next["third"] = -1
	endpoint.mu.Unlock()
	k.grantOf(t, s.ID)
	if got := describe(); got == nil || *got != want {
		t.Errorf("after a renewal that failed: told %+v, want %+v", got, want)
	}

	if err := k.lists.Change(t.Context(), "account", func(index *keyIndex) error {
		index.Keys[0].Public, index.Keys[0].Life = nil, 0
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want.RenewURL, want.AgainURL = "https://app.example.com/spotify/keys", "https://app.example.com/spotify/keys"
	if got := describe(); got == nil || *got != want {
		t.Errorf("of an earlier version: told %+v, want %+v", got, want)
	}
}
