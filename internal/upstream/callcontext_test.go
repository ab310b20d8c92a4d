package upstream

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

type contextKey struct{}

// detached returns a detached context, and what cancels the one that it has values of.
func detached(t *testing.T) (*callContext, context.CancelFunc) {
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
	t.Cleanup(cancel)
	c := &callContext{Context: parent}
	c.detach()
	return c, cancel
}

// Q05: a detached context goes on when the client's ends, and ends with end.
func TestDetachedContext(t *testing.T) {
	c, cancel := detached(t)
	child, cancelChild := context.WithCancel(c)
	defer cancelChild()
	cancel()
	if c.Err() != nil || child.Err() != nil {
		t.Fatalf("ended with the client's: %v, %v", c.Err(), child.Err())
	}
	if c.Value(contextKey{}) != "value" || child.Value(contextKey{}) != "value" {
		t.Error("the client's values are lost")
	}
	if _, ok := c.Deadline(); ok {
		t.Error("a detached context has a deadline")
	}
	c.end()
	c.end()
	<-c.Done()
	<-child.Done()
	if c.Err() != context.Canceled || child.Err() != context.Canceled {
		t.Errorf("errors %v, %v", c.Err(), child.Err())
	}
	late, cancelLate := context.WithCancel(c)
	defer cancelLate()
	<-late.Done()
}

// What is derived of a context and has ended itself is not told of the context's end.
func TestDetachedContextStop(t *testing.T) {
	c, _ := detached(t)
	called := make(chan int, 4)
	stops := make([]func() bool, 3)
	for i := range stops {
		stops[i] = c.AfterFunc(func() { called <- i })
	}
	if !stops[1]() || stops[1]() {
		t.Error("the second function was to be stopped once")
	}
	c.end()
	if sum := <-called + <-called; sum != 0+2 {
		t.Errorf("the functions called have the sum %d, want 2", sum)
	}
	if stops[0]() || stops[1]() {
		t.Error("a function was stopped after the end")
	}
	stop := c.AfterFunc(func() { called <- 3 })
	if n := <-called; n != 3 {
		t.Errorf("function %d was called after the end, want 3", n)
	}
	if stop() {
		t.Error("a function that was called was stopped")
	}
}

// A context that is not detached is as the client's.
func TestCallContextOfClient(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &callContext{Context: parent}
	child, cancelChild := context.WithCancel(c)
	defer cancelChild()
	called := make(chan struct{})
	context.AfterFunc(c, func() { close(called) })
	cancel()
	<-child.Done()
	<-called
	<-c.Done()
	if c.Err() != context.Canceled {
		t.Errorf("error %v", c.Err())
	}
}

// hanging is an API that does not respond.
type hanging struct{ entered chan struct{} }

func (h hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	h.entered <- struct{}{}
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// Q05: a request that nobody waits for any more is not waited for either.
func TestLoneCallerHangsUp(t *testing.T) {
	origin, err := ParseOrigin("https://api.spotify.com")
	if err != nil {
		t.Fatal(err)
	}
	clock := pkce.SystemClock{}
	api := hanging{make(chan struct{})}
	transport := New(Options{Next: api, API: origin, Logger: zap.NewNop(), Clock: clock})
	site := &Site{
		Gate:     ratelimit.New(clock),
		LoginFor: func([]string) string { return "" },
		Cache:    cache.New(cache.NewAccounts(), cache.Options{Size: 1 << 20, Clock: clock}),
	}
	defer site.Cache.Close()
	auth := new(pkce.Config).NewAuthenticator(pkce.NewToken(pkce.TokenFields{AccessToken: "token", RefreshToken: "r", Lifetime: time.Hour, Expiry: time.Now().Add(time.Hour)}), nil)
	server := context.WithValue(t.Context(), caddyhttp.ServerCtxKey, new(caddyhttp.Server))
	ctx, hangUp := context.WithCancel(server)
	go func() {
		<-api.entered
		hangUp()
	}()
	if _, err := asAccount(ctx, transport, site, auth, http.MethodGet, "one"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of a client that hung up", err)
	}
}
