package pkce_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R33: nobody sees a rotated token before it is stored.
func TestTokenIsSavedBeforeItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.clock.Advance(56 * time.Minute)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.saveGate = gate })
		mustGet(t, a, "access-0")
		synctest.Wait()
		r.endpoint.mustCount(t, 1)
		mustGet(t, a, "access-0")
		r.store.mustHold(t, "access-0")
		close(gate)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		mustGet(t, a, "access-1")
	})
}

// readOnly returns a rig whose refreshed token could not be saved yet.
func readOnly(t *testing.T) (*rig, *pkce.Authenticator) {
	t.Helper()
	r := newRig()
	a := r.authenticator()
	r.store.change(func(s *store) { s.readOnly = true })
	r.clock.Advance(time.Hour)
	mustGet(t, a, "access-1")
	ev := r.mustTell(t, pkce.RefreshRefreshed)
	if !errors.Is(ev.Err, errDown) {
		t.Fatalf("OnRefresh was told %v", ev.Err)
	}
	return r, a
}

// R33: a token that could not be saved is used all the same, and saved as soon
// as the store lets it. Until then no other process may redeem the old one.
func TestSaveIsRetriedUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		for range 20 {
			if !r.store.leased() || r.store.pinned() != 1 || r.clock.Timers() != 1 {
				t.Fatalf("leased %v, pinned %d times, %d timers", r.store.leased(), r.store.pinned(), r.clock.Timers())
			}
			mustGet(t, a, "access-1")
			r.clock.Advance(15 * time.Second)
			synctest.Wait()
		}
		if n := r.store.did("save access-1"); n != 21 {
			t.Errorf("%d saves were tried, want 21", n)
		}
		r.store.mustHold(t, "access-0")

		r.store.change(func(s *store) { s.readOnly = false })
		r.clock.Advance(15 * time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		r.store.mustBeIdle(t)
		if n := r.clock.Timers(); n != 0 {
			t.Errorf("%d timers are left", n)
		}
		r.endpoint.mustCount(t, 1)
	})
}

// R33: the pauses between saves grow from a fifth of a second to half of one.
func TestSaveBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := readOnly(t)
		tries := func() int { synctest.Wait(); return r.store.did("save access-1") }
		most := 200 * time.Millisecond
		for range 10 {
			before := tries()
			r.clock.Advance(most/2 - 1)
			if tries() != before {
				t.Fatalf("the next save came before %v", most/2)
			}
			r.clock.Advance(most/2 + 1)
			if tries() != before+1 {
				t.Fatalf("the next save did not come within %v", most)
			}
			most = min(2*most, 500*time.Millisecond)
		}
	})
}

// R33: a save that worked and was reported as failed is not in its own way.
func TestSaveWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.store.change(func(s *store) { s.lossy = true })
		r.clock.Advance(time.Hour)
		mustGet(t, a, "access-1")
		synctest.Wait()
		r.clock.Advance(time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		r.store.mustBeIdle(t)
	})
}

// R33: the token expires while its save is pending. It is refreshed under the
// same lease, and the newest one is what gets stored.
func TestRefreshWhileSaveIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		for _, want := range []string{"access-2", "access-3"} {
			r.clock.Advance(time.Hour)
			synctest.Wait()
			mustGet(t, a, want)
		}
		if n := r.store.did("acquire"); n != 1 {
			t.Errorf("the lease was acquired %d times", n)
		}
		if got := r.endpoint.calls[2].Get("refresh_token"); got != "refresh-2" {
			t.Errorf("the last refresh used %s", got)
		}
		r.store.change(func(s *store) { s.readOnly = false })
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.store.mustHold(t, "access-3")
		r.store.mustBeIdle(t)
	})
}

// R33: the token is refreshed again at the moment when its save gets through.
func TestRefreshDuringSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.readOnly, s.saveGate = false, gate })
		r.clock.Advance(time.Second)
		synctest.Wait() // the save of access-1 is under way
		if _, err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustGet(t, a, "access-2")
		close(gate)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		r.clock.Advance(time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-2")
		r.store.mustBeIdle(t)
	})
}

// R33: a save worked without anybody knowing, and the token was refreshed again
// before that came out. What the store holds is no newer token of somebody
// else's.
func TestRefreshAfterSaveWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		a := r.authenticator()
		r.store.change(func(s *store) { s.lossy = true })
		if _, err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.store.mustHold(t, "access-1")
		r.store.change(func(s *store) { s.lossy = false })
		if _, err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustGet(t, a, "access-2")
		r.store.mustHold(t, "access-2")
		r.store.mustBeIdle(t)
	})
}

// R33: the pending save gets through while a refresh that relies on its lease
// is under way. The lease stays until that one has saved as well.
func TestLeaseOutlastsPendingSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		release := r.endpoint.hold()
		waiting := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		synctest.Wait()
		r.store.change(func(s *store) { s.readOnly = false })
		r.clock.Advance(time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		if !r.store.leased() || r.store.pinned() != 1 {
			t.Fatalf("leased is %v, pinned %d times during the refresh", r.store.leased(), r.store.pinned())
		}
		release()
		if got := <-waiting; got.err != nil {
			t.Fatal(got.err)
		}
		synctest.Wait()
		r.store.mustHold(t, "access-2")
		r.store.mustBeIdle(t)
	})
}

// While the lease of a pending save is on its way back, a refresh takes a new
// one and does not lean on the old.
func TestRefreshWhileLeaseGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.readOnly, s.releaseGate = false, gate })
		r.clock.Advance(time.Second)
		synctest.Wait()
		r.store.mustHold(t, "access-1")
		waiting := ask(func() (*pkce.Token, error) { return a.Refresh(t.Context()) })
		synctest.Wait()
		r.endpoint.mustCount(t, 1)
		close(gate)
		if got := <-waiting; got.err != nil || got.token.AccessToken() != "access-2" {
			t.Fatalf("Refresh = %v, %v", got.token, got.err)
		}
		synctest.Wait()
		r.store.mustHold(t, "access-2")
		r.store.mustBeIdle(t)
	})
}

// R35: the grant ends while the store still holds an earlier token: the record
// goes all the same.
func TestGrantEndsWhileSaveIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		r.endpoint.says(always(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`))
		if _, err := a.Refresh(t.Context()); !errors.Is(err, pkce.ErrReauthorize) {
			t.Fatalf("Refresh: %v, want ErrReauthorize", err)
		}
		if err := a.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.store.mustHold(t, "")
		r.store.mustBeIdle(t)
	})
}

// An adopted token does not get between a refresh and its save.
func TestAdoptWhileSaveIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		a.Adopt(r.grant("newer", "refresh-n", 2*time.Hour))
		mustGet(t, a, "access-1")
		a.End()
	})
}

// Two tries of one save do not run at once: Flush waits for the one under way.
func TestFlushDuringSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := readOnly(t)
		gate := make(chan struct{})
		r.store.change(func(s *store) { s.readOnly, s.saveGate = false, gate })
		r.clock.Advance(time.Second)
		synctest.Wait()
		flushed := make(chan error, 1)
		go func() { flushed <- a.Flush(t.Context()) }()
		synctest.Wait()
		r.store.change(func(s *store) {
			if s.saving != 1 {
				t.Errorf("%d saves are under way, want 1", s.saving)
			}
		})
		close(gate)
		if err := <-flushed; err != nil {
			t.Errorf("Flush: %v", err)
		}
		r.store.mustHold(t, "access-1")
		r.store.mustBeIdle(t)
	})
}
