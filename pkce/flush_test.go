package pkce_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// R42
func TestFlush(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ended, end := context.WithCancel(t.Context())
			end()
			if err := newRig().authenticator().Flush(ended); err != nil {
				t.Errorf("Flush: %v", err)
			}
		})
	})
	t.Run("waits for a refresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			a := r.authenticator()
			r.clock.Advance(56 * time.Minute)
			release := r.endpoint.hold()
			mustGet(t, a, "access-0")
			flushed := make(chan error, 1)
			go func() { flushed <- a.Flush(t.Context()) }()
			synctest.Wait()
			select {
			case err := <-flushed:
				t.Fatalf("Flush did not wait: %v", err)
			default:
			}
			release()
			if err := <-flushed; err != nil {
				t.Errorf("Flush: %v", err)
			}
			r.store.mustHold(t, "access-1")
			r.store.mustBeIdle(t)
		})
	})
	t.Run("waits for OnRefresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			told := make(chan struct{})
			r.cfg.OnRefresh = func(*pkce.Authenticator, pkce.RefreshEvent) { <-told }
			a := r.authenticator()
			r.clock.Advance(56 * time.Minute)
			mustGet(t, a, "access-0")
			synctest.Wait()
			flushed := make(chan error, 1)
			go func() { flushed <- a.Flush(t.Context()) }()
			synctest.Wait()
			select {
			case err := <-flushed:
				t.Errorf("Flush did not wait: %v", err)
				flushed <- err
			default:
			}
			close(told)
			if err := <-flushed; err != nil {
				t.Errorf("Flush: %v", err)
			}
		})
	})
	t.Run("saves at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			r.store.change(func(s *store) { s.readOnly = false })
			if err := a.Flush(t.Context()); err != nil {
				t.Errorf("Flush: %v", err)
			}
			r.store.mustHold(t, "access-1")
			r.store.mustBeIdle(t)
		})
	})
	t.Run("keeps trying", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			flushed := make(chan error, 1)
			go func() { flushed <- a.Flush(t.Context()) }()
			for range 10 {
				synctest.Wait()
				r.clock.Advance(200 * time.Millisecond)
			}
			r.store.change(func(s *store) { s.readOnly = false })
			synctest.Wait()
			r.clock.Advance(200 * time.Millisecond)
			if err := <-flushed; err != nil {
				t.Errorf("Flush: %v", err)
			}
			r.store.mustHold(t, "access-1")
		})
	})
	t.Run("ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			ctx, cancel := context.WithCancel(t.Context())
			flushed := make(chan error, 1)
			go func() { flushed <- a.Flush(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-flushed; !errors.Is(err, context.Canceled) {
				t.Errorf("Flush: %v, want the context's error", err)
			}
			// What could not be saved in time is not given up.
			r.store.change(func(s *store) { s.readOnly = false })
			r.clock.Advance(15 * time.Second)
			synctest.Wait()
			r.store.mustHold(t, "access-1")
		})
	})
	t.Run("waits for the end of an ended session", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, a := readOnly(t)
			a.End()
			if err := a.Flush(t.Context()); err != nil {
				t.Errorf("Flush: %v", err)
			}
			r.store.mustBeIdle(t)
		})
	})
}
