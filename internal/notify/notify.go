// Package notify tells a webhook that an access key or a shared account is about to lose its
// access, and that it has.
package notify

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// firstScan is when a configuration first looks for what is due. One that is only
	// validated, or that does not start, is gone by then.
	firstScan = time.Minute
	// scanEvery is how often the store is walked, by whichever instance comes first.
	scanEvery = time.Hour
	// walkTimeout bounds a walk of the store, and storeTimeout any other use of it.
	walkTimeout  = 5 * time.Minute
	storeTimeout = 5 * time.Second
	// leasePatience is how long to wait for another instance that is sending.
	leasePatience = 10 * time.Second
	// retryFirst and retryMost bound the pause after an attempt that failed.
	retryFirst = time.Minute
	retryMost  = time.Hour
)

// Source knows the records of one kind that a site has in the token store. Its methods are safe
// for concurrent use.
type Source interface {
	// Kind is that of the records: tokenstore.KindKey or tokenstore.KindShared.
	Kind() string
	// Ends returns when a record's access ends, whatever happens. It does no I/O.
	Ends(tokenstore.Meta) time.Time
	// Describe returns what a record is to a person, or nil if it is not this site's or does
	// not count.
	Describe(context.Context, tokenstore.Entry) (*Subject, error)
	// SealingID returns the ID under which the marks about the records are sealed. It derives
	// from a secret of the site, and is the same on every instance.
	SealingID(context.Context) (tokenstore.SessionID, error)
}

// Subject is what a notice is about.
type Subject struct {
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"` // that its owner gave it
	Account string `json:"account"`
	// Session is the reference, as logs and the admin API have it.
	Session  string `json:"session"`
	RenewURL string `json:"renew_url"`
	// AgainURL is where another key can be created, once access has ended or, if it is RenewURL,
	// before. It is empty for what can be renewed at any time.
	AgainURL string `json:"again_url,omitempty"`
}

// notifier tells the webhook of one site. Its goroutine is the only one that uses it.
type notifier struct {
	target   *target
	sources  []Source
	clientID string
	base     string // the site's origin and prefix
	site     string // the site's name in metrics and events
	store    tokenstore.Store
	clock    pkce.Clock
	logger   *zap.Logger

	pending  []item    // due when the store was walked, and not accepted by the webhook yet
	scanned  time.Time // when the store was walked
	turn     bool      // it is this instance's turn to walk the store, which has not succeeded yet
	failures int       // attempts in a row that failed
}

// Start tells a webhook of a site's records until stop is called. Sources that are nil are left out,
// and one at least must not be. The webhook may have placeholders. Stop waits for a notice that is being sent, so
// that it is not sent again after a reload.
func Start(s *site.Site, w Webhook, sources ...Source) (stop func() error, err error) {
	sources = slices.DeleteFunc(sources, func(s Source) bool { return s == nil })
	if len(sources) == 0 {
		return nil, errors.New("notify has nothing to tell of: turn on access_keys or share, or remove it")
	}
	target, err := newTarget(w)
	if err != nil {
		return nil, err
	}
	return start(&notifier{
		target: target, sources: sources, clientID: s.ClientID, base: s.Base(), site: s.Metrics.Site,
		store: s.Store, clock: s.Clock, logger: s.Logger,
	}), nil
}

func start(n *notifier) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.run(ctx)
	}()
	return func() error {
		cancel()
		<-done
		n.target.client.CloseIdleConnections()
		return nil
	}
}

func (n *notifier) run(ctx context.Context) {
	for wait := firstScan; pkce.Sleep(ctx, n.clock, wait) == nil; {
		wait = n.round(ctx)
	}
}

// round looks for what is due, if it is time to, tells the webhook, and returns how long to wait
// for the next round.
func (n *notifier) round(ctx context.Context) time.Duration {
	if now := n.clock.Now(); len(n.pending) == 0 || now.Sub(n.scanned) >= scanEvery {
		if err := n.look(ctx); err != nil {
			return n.failed(ctx, "looking for notices failed; will retry", err)
		}
	}
	if len(n.pending) > 0 {
		if err := n.deliver(ctx); err != nil {
			return n.failed(ctx, "sending notice failed; will retry", err)
		}
	}
	n.failures = 0
	return scanEvery + rand.N(time.Minute)
}

// look walks the store if it is this instance's turn.
func (n *notifier) look(ctx context.Context) (err error) {
	if !n.turn {
		if n.turn, err = n.takeTurn(ctx); err != nil || !n.turn {
			return err
		}
	}
	if err := n.scan(ctx); err != nil {
		return err
	}
	n.turn = false
	return nil
}

// failed logs that a round failed and returns the pause before the next one.
func (n *notifier) failed(ctx context.Context, line string, err error) time.Duration {
	wait := min(retryMost, retryFirst<<min(n.failures, 10))
	n.failures++
	if refused, ok := errors.AsType[*refusedError](err); ok {
		wait = max(wait, min(refused.retryAfter, retryMost))
	}
	if ctx.Err() == nil {
		n.logger.Warn(line, zap.String("to", n.target.host), zap.Int("waiting", len(n.pending)), zap.Duration("retry_in", wait), zap.Error(err))
	}
	return wait
}
