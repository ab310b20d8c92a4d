package faulttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// gate is where instances ask before and after each operation of their store
// whether to go on. So a test can stop one at a named point, or have the
// operation fail.
//
// The points are before and after each of lease, load, create, update, delete
// and release: "before lease", "after lease" and so on.
type gate struct {
	server *httptest.Server

	mu    sync.Mutex
	rules map[string]*rule // by instance and point
	delay time.Duration    // at each point
}

// rule says what happens to those who come to a point.
type rule struct {
	reached chan struct{} // has room for many
	pass    chan struct{} // closed to let them pass
	fail    bool
}

func (c *cluster) openGate() *gate {
	g := &gate{rules: make(map[string]*rule)}
	g.server = httptest.NewServer(g)
	c.t.Cleanup(func() {
		g.clear()
		g.server.Close()
	})
	c.gate = g
	return g
}

// ServeHTTP answers an instance that asks.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	rule, delay := g.rules[r.URL.Path], g.delay
	g.mu.Unlock()
	time.Sleep(delay)
	if rule == nil {
		return
	}
	select {
	case rule.reached <- struct{}{}:
	default: // the test has lost interest
	}
	select {
	case <-rule.pass:
	case <-r.Context().Done():
	}
	if rule.fail {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (g *gate) set(in *instance, point string, r *rule) *rule {
	r.reached, r.pass = make(chan struct{}, 1024), make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rules["/"+in.name+"/"+point] = r
	return r
}

// stopAt stops an instance at a point. The channel yields when it gets there.
func (g *gate) stopAt(in *instance, point string) (reached <-chan struct{}, pass func()) {
	r := g.set(in, point, &rule{})
	return r.reached, sync.OnceFunc(func() { close(r.pass) })
}

// failAt has an operation fail. At a point after it, it was done all the same.
func (g *gate) failAt(in *instance, point string) (reached <-chan struct{}) {
	r := g.set(in, point, &rule{fail: true})
	close(r.pass)
	return r.reached
}

// slow has each operation take so much longer.
func (g *gate) slow(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = by / 2 // at two points
}

// forget lets those pass who come to a point from now on. Those who wait there
// go on waiting.
func (g *gate) forget(in *instance, point string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.rules, "/"+in.name+"/"+point)
}

// clear removes all rules; those who wait pass.
func (g *gate) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rules {
		select {
		case <-r.pass:
		default:
			close(r.pass)
		}
	}
	clear(g.rules)
}

func init() { caddy.RegisterModule(faultyProvider{}) }

// faultyProvider is the store "faulty": another store, with a gate before and
// after everything it does.
//
//	store faulty <url> <store> …
type faultyProvider struct {
	URL      string          `json:"url"`
	StoreRaw json.RawMessage `json:"store" caddy:"namespace=http.handlers.spotify_auth.stores inline_key=module"`

	provider tokenstore.Provider
}

// CaddyModule returns the Caddy module information.
func (faultyProvider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth.stores.faulty",
		New: func() caddy.Module { return new(faultyProvider) },
	}
}

// UnmarshalCaddyfile implements caddyfile.Unmarshaler.
func (p *faultyProvider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&p.URL) || !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "http.handlers.spotify_auth.stores."+name)
	if err != nil {
		return err
	}
	p.StoreRaw = caddyconfig.JSONModuleObject(module, "module", name, nil)
	return nil
}

// Provision sets up the store within.
func (p *faultyProvider) Provision(ctx caddy.Context) error {
	module, err := ctx.LoadModule(p, "StoreRaw")
	if err != nil {
		return err
	}
	p.provider = module.(tokenstore.Provider)
	return nil
}

// UsageKey implements tokenstore.Provider.
func (p *faultyProvider) UsageKey() string { return "faulty " + p.URL + " " + p.provider.UsageKey() }

// Store implements tokenstore.Provider.
func (p *faultyProvider) Store() (tokenstore.Store, error) {
	store, err := p.provider.Store()
	if err != nil {
		return nil, err
	}
	faulty := faultyStore{Store: store, url: p.URL}
	if w, ok := store.(tokenstore.Watcher); ok {
		return struct {
			faultyStore
			tokenstore.Watcher
		}{faulty, w}, nil
	}
	return faulty, nil
}

// faultyStore is a store with a gate.
type faultyStore struct {
	tokenstore.Store
	url string
}

var errFaulty = errors.New("the store fails, as the test wants it to")

// at asks the test at a point whether to go on.
func (s faultyStore) at(ctx context.Context, point string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+strings.ReplaceAll(point, " ", "%20"), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return errFaulty
	}
	return nil
}

// through does something with a gate before and after it. Having been done, it
// is not undone because the gate says that it failed.
func (s faultyStore) through(ctx context.Context, what string, do func() error) error {
	if err := s.at(ctx, "before "+what); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return s.at(ctx, "after "+what)
}

// Load implements tokenstore.Store.
func (s faultyStore) Load(ctx context.Context, key string) (rec *tokenstore.Record, err error) {
	err = s.through(ctx, "load", func() error {
		rec, err = s.Store.Load(ctx, key)
		return err
	})
	return rec, err
}

// Create implements tokenstore.Store.
func (s faultyStore) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	return s.through(ctx, "create", func() error { return s.Store.Create(ctx, key, rec) })
}

// Update implements tokenstore.Store.
func (s faultyStore) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	// An Update that fails must leave the record alone.
	copied := *rec
	err := s.through(ctx, "update", func() error { return s.Store.Update(ctx, key, &copied) })
	if err == nil {
		*rec = copied
	}
	return err
}

// Delete implements tokenstore.Store.
func (s faultyStore) Delete(ctx context.Context, key string) error {
	return s.through(ctx, "delete", func() error { return s.Store.Delete(ctx, key) })
}

// Lease implements tokenstore.Store.
func (s faultyStore) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := s.at(ctx, "before lease"); err != nil {
		return nil, err
	}
	lease, err := s.Store.Lease(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := s.at(ctx, "after lease"); err != nil {
		return nil, errors.Join(err, lease.Release(ctx))
	}
	return faultyLease{lease, s}, nil
}

// faultyLease is a lease of a faultyStore.
type faultyLease struct {
	tokenstore.Lease
	store faultyStore
}

// AfterExpiry tells what the lease within does, if it does.
func (l faultyLease) AfterExpiry() bool {
	within, ok := l.Lease.(interface{ AfterExpiry() bool })
	return ok && within.AfterExpiry()
}

// Release implements tokenstore.Lease.
func (l faultyLease) Release(ctx context.Context) error {
	return l.store.through(ctx, "release", func() error { return l.Lease.Release(ctx) })
}

// Close implements io.Closer.
func (s faultyStore) Close() error {
	if c, ok := s.Store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

var (
	_ caddyfile.Unmarshaler = (*faultyProvider)(nil)
	_ tokenstore.Provider   = (*faultyProvider)(nil)
	_ tokenstore.Store      = faultyStore{}
)
