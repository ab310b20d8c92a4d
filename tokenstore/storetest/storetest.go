// Package storetest is the conformance suite of tokenstore.Store. Every store
// passes it, faults included, and a store written elsewhere can run it too:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Instances {
//			dir := t.TempDir()
//			return storetest.Instances{Stores: []tokenstore.Store{open(dir), open(dir)}}
//		})
//	}
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Instances is one store, empty at first, as several processes would use it.
type Instances struct {
	// Stores are at least two instances over the same data that share nothing
	// else. Required.
	Stores []tokenstore.Store

	// Now and Advance are the clock of all instances. Without them the suite
	// uses real time and waits.
	Now     func() time.Time
	Advance func(d time.Duration)

	// Down makes the data unreachable to these instances, and to no others, until
	// restore is called. Without it outages are not tested.
	Down func(t *testing.T) (restore func())

	// ReadOnly makes the data readable but not writable, for these instances at
	// least, until restore is called. Without it that is not tested.
	ReadOnly func(t *testing.T) (restore func())

	// Dump returns all that the store keeps, as a thief would find it. Without
	// it the secrecy of what is stored is not tested.
	Dump func(t *testing.T) []byte
}

// patience bounds whatever must happen soon but cannot be timed: it is reached
// only by a store that fails.
const patience = 20 * time.Second

// Run tests a store. It calls open for each test, each time for a new store, and
// once more to see what the store is able to do: what it does not implement is
// not tested. What open acquires it releases with t.Cleanup. The tests run in
// parallel.
func Run(t *testing.T, open func(t *testing.T) Instances) {
	t.Helper()
	probe := open(t)
	if len(probe.Stores) < 2 {
		t.Fatalf("the suite needs two instances at least, got %d", len(probe.Stores))
	}
	_, watches := probe.Stores[0].(tokenstore.Watcher)
	_, sweeps := probe.Stores[0].(tokenstore.Sweeper)
	groups := []struct {
		applies bool
		tests   map[string]func(*testing.T, *suite)
	}{
		{true, recordTests},
		{true, versionTests},
		{true, secrecyTests},
		{probe.Dump != nil, dumpTests},
		{true, concurrencyTests},
		{true, leaseTests},
		{true, walkTests},
		{true, expiryTests},
		{sweeps, sweepTests},
		{watches, watchTests},
		{probe.Down != nil, outageTests},
		{probe.ReadOnly != nil, readOnlyTests},
	}
	t.Run("conformance", func(t *testing.T) {
		for _, group := range groups {
			if !group.applies {
				continue
			}
			for name, test := range group.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					in := open(t)
					test(t, &suite{Instances: in, a: in.Stores[0], b: in.Stores[1]})
				})
			}
		}
	})
}

// suite is what a single test works on: a and b are the first two instances.
type suite struct {
	Instances
	a, b tokenstore.Store
}

// context returns a context that ends when the test has taken far too long.
func (s *suite) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s *suite) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// shortLife is how long a record lives that is to expire in a test.
func (s *suite) shortLife() time.Duration {
	if s.Advance != nil {
		return time.Minute
	}
	return time.Second
}

// pass lets d go by.
func (s *suite) pass(d time.Duration) {
	if s.Advance != nil {
		s.Advance(d)
		return
	}
	<-time.After(d + 100*time.Millisecond) // clocks of two machines differ
}

// key returns a key not used before.
func key() string { return tokenstore.NewSessionID().Key("storetest") }

// record returns a record that lives for the given time. Stores need keep
// times to the millisecond only.
func (s *suite) record(life time.Duration) *tokenstore.Record {
	now := s.now().UTC().Truncate(time.Millisecond)
	return &tokenstore.Record{
		Meta: tokenstore.Meta{
			AccountID:    "account-" + rand.Text(),
			UserID:       "user-" + rand.Text(),
			CreatedAt:    now.Add(-time.Hour),
			AuthorizedAt: now.Add(-2 * time.Hour),
			ExpiresAt:    now.Add(life),
		},
		Sealed: payload(100),
	}
}

// payload returns n random bytes.
func payload(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// create stores a new record through a and returns its key.
func (s *suite) create(t *testing.T, ctx context.Context, rec *tokenstore.Record) string {
	t.Helper()
	k := key()
	if err := s.a.Create(ctx, k, rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	if rec.Version == "" {
		t.Fatal("Create set no version")
	}
	return k
}

// load loads a record that must be there.
func load(t *testing.T, ctx context.Context, store tokenstore.Store, k string) *tokenstore.Record {
	t.Helper()
	rec, err := store.Load(ctx, k)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return rec
}

// clone returns a deep copy.
func clone(rec *tokenstore.Record) *tokenstore.Record {
	c := *rec
	c.Sealed = bytes.Clone(rec.Sealed)
	return &c
}

func sameMeta(a, b tokenstore.Meta) bool {
	return a.Kind == b.Kind &&
		a.AccountID == b.AccountID &&
		a.UserID == b.UserID &&
		a.CreatedAt.Equal(b.CreatedAt) &&
		a.AuthorizedAt.Equal(b.AuthorizedAt) &&
		a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.UsedAt.Equal(b.UsedAt)
}

// wantRecord fails the test unless every instance holds want under k.
func (s *suite) wantRecord(t *testing.T, ctx context.Context, k string, want *tokenstore.Record) {
	t.Helper()
	for i, store := range s.Stores {
		got := load(t, ctx, store, k)
		if !sameMeta(got.Meta, want.Meta) {
			t.Errorf("instance %d: metadata %+v, want %+v", i, got.Meta, want.Meta)
		}
		if !bytes.Equal(got.Sealed, want.Sealed) {
			t.Errorf("instance %d: payload of %d bytes differs from the %d stored", i, len(got.Sealed), len(want.Sealed))
		}
		if got.Version != want.Version {
			t.Errorf("instance %d: version %q, want %q", i, got.Version, want.Version)
		}
	}
}
