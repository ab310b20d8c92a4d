package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// withLease returns the configuration for a server with leases that last life.
func withLease(server *redistest.Server, life time.Duration) redis.Provider {
	p := at(server)
	p.Lease = caddy.Duration(life)
	return p
}

func acquire(t *testing.T, store *redis.Store, key string) tokenstore.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lease, err := store.Lease(ctx, key)
	if err != nil {
		t.Fatalf("Lease: %v", err)
	}
	return lease
}

func mustRelease(t *testing.T, lease tokenstore.Lease) {
	t.Helper()
	if err := lease.Release(context.Background()); err != nil {
		t.Errorf("Release: %v", err)
	}
}

func leaseName(key string) string { return "caddy-spotify:{" + key + "}:lease" }

// awaitLost waits until a lease says that it is lost.
func awaitLost(t *testing.T, lease tokenstore.Lease) {
	t.Helper()
	select {
	case <-lease.Lost():
	case <-time.After(20 * time.Second):
		t.Fatal("the lease is not lost")
	}
}

// R29: a lease is held for several times as long as it lasts, and nobody else
// gets it meanwhile.
func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const life = 600 * time.Millisecond
	a, b := open(t, withLease(server, life)), open(t, withLease(server, life))
	key := newKey()
	held := acquire(t, a, key)
	waiting, cancel := context.WithTimeout(t.Context(), 4*life)
	defer cancel()
	if lease, err := b.Lease(waiting, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Lease: %v, %v, want context.DeadlineExceeded", lease, err)
	}
	select {
	case <-held.Lost():
		t.Fatal("the lease was lost")
	default:
	}
	mustRelease(t, held)
	mustRelease(t, acquire(t, b, key))
}

// R29: without renewing, as after the crash of the holder, a lease goes by itself.
func TestLeaseOfCrashedHolderExpires(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, withLease(server, 300*time.Millisecond))
	b := open(t, withLease(server, 300*time.Millisecond))
	key := newKey()
	held := acquire(t, a, key)
	a.Close() // nothing renews any more, and nothing is released
	awaitLost(t, held)
	if server.Do("EXISTS", leaseName(key)) != int64(1) {
		t.Fatal("closing the store released the lease: this shows nothing")
	}
	mustRelease(t, acquire(t, b, key))
}

// R29: a holder whose lease was taken away learns of it at the next renewal, and
// its release does not harm the new holder.
func TestLeaseLostToAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const life = 300 * time.Millisecond
	a, b := open(t, withLease(server, life)), open(t, withLease(server, life))
	key := newKey()
	held := acquire(t, a, key)
	server.Do("DEL", leaseName(key))
	next := acquire(t, b, key)
	awaitLost(t, held)
	mustRelease(t, held)
	if server.Do("EXISTS", leaseName(key)) != int64(1) {
		t.Error("releasing a lost lease took it from its new holder")
	}
	select {
	case <-next.Lost():
		t.Error("the new holder lost the lease")
	default:
	}
	mustRelease(t, next)
}

// R29: a holder that cannot reach the server gives the lease up no later than
// the server does, and keeps it through a shorter outage.
func TestLeaseThroughOutage(t *testing.T) {
	t.Parallel()
	t.Run("long", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		store := open(t, withLease(server, 300*time.Millisecond))
		key := newKey()
		held := acquire(t, store, key)
		server.Pause()
		awaitLost(t, held)
		server.Resume()
		mustRelease(t, held)
		mustRelease(t, acquire(t, store, key))
	})
	t.Run("short", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t, redistest.Persistent())
		store := open(t, withLease(server, 5*time.Second))
		key := newKey()
		held := acquire(t, store, key)
		server.Kill()
		server.Restart()
		// The renewal of a lease sets its time to live again.
		server.Do("PEXPIRE", leaseName(key), "60000")
		eventually(t, "lease renewed after the outage", func() bool {
			return server.Do("PTTL", leaseName(key)).(int64) <= 5000
		})
		select {
		case <-held.Lost():
			t.Error("the lease was lost")
		default:
		}
		mustRelease(t, held)
		if server.Do("EXISTS", leaseName(key)) != int64(0) {
			t.Error("the lease was not released")
		}
	})
}

// R29: each holder's fencing number is greater than the one before, even when
// the server has forgotten them all.
func TestLeaseFence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, at(server)), open(t, at(server))
	key := newKey()
	last := int64(0)
	for i := range 50 {
		lease := acquire(t, []*redis.Store{a, b}[i%2], key)
		fence := lease.(*redis.Lease).Fence()
		if fence <= last {
			t.Fatalf("fencing number %d after %d", fence, last)
		}
		last = fence
		mustRelease(t, lease)
		if i%10 == 9 {
			server.Do("FLUSHALL")
		}
	}
}

// O56: what is over leaves no keys behind but the counter, which expires.
func TestLeaseLeavesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, at(server))
	key := newKey()
	mustRelease(t, acquire(t, store, key))
	names := server.Do("KEYS", "*").([]any)
	if len(names) != 1 {
		t.Fatalf("left behind: %v", names)
	}
	if ttl := server.Do("PTTL", names[0].(string)).(int64); ttl <= 0 || ttl > (2*time.Hour).Milliseconds() {
		t.Errorf("%s expires in %d ms", names[0], ttl)
	}
}

// Whoever hangs up while the server is slow leaves no lease behind.
func TestLeaseAbandonedIsGivenBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, withLease(server, time.Minute)), open(t, withLease(server, time.Minute))
	key := newKey()
	mustRelease(t, acquire(t, a, newKey())) // connects
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Lease(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lease: %v, want context.DeadlineExceeded", err)
	}
	server.Resume()
	mustRelease(t, acquire(t, b, key))
}

// R31: a lease tells whether the one before it was released. One that expired
// may belong to somebody who has yet to save.
func TestLeaseTellsOfExpiry(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, withLease(server, 300*time.Millisecond))
	b := open(t, withLease(server, 300*time.Millisecond))
	key := newKey()
	wantExpiry := func(lease tokenstore.Lease, want bool) {
		t.Helper()
		if got := lease.(*redis.Lease).AfterExpiry(); got != want {
			t.Errorf("AfterExpiry: %v, want %v", got, want)
		}
	}
	first := acquire(t, a, key)
	wantExpiry(first, false)
	mustRelease(t, first)
	second := acquire(t, a, key)
	wantExpiry(second, false)
	a.Close() // nothing renews any more, and nothing is released
	awaitLost(t, second)
	third := acquire(t, b, key)
	wantExpiry(third, true)
	mustRelease(t, third)
	fourth := acquire(t, b, key)
	wantExpiry(fourth, false)
	mustRelease(t, fourth)
}
