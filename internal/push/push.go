// Package push tells pages of an account's player, over streams of server-sent events.
package push

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/share"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
)

// hubPool keeps one hub for each set of sessions, so that a reload of the configuration
// neither forgets what is played nor asks again.
var hubPool = caddy.NewUsagePool()

// pooledHub is a hub in the pool, with what it needs of the newest configuration.
type pooledHub struct {
	*player.Hub
	newest atomic.Pointer[Options]
}

// Destruct implements caddy.Destructor.
func (h *pooledHub) Destruct() error {
	h.Close()
	return nil
}

// Options are what New makes the streams of a site of.
type Options struct {
	Site  *site.Site
	Keys  *accesskeys.Keys // nil if there are none
	Share *share.Share     // nil if nothing is shared
	// Secret is what seals the notices that instances leave each other in the store.
	Secret *secret.Stored
}

// Push serves the streams of a site. It is safe for concurrent use.
type Push struct {
	site  *site.Site
	keys  *accesskeys.Keys
	share *share.Share
	hub   *player.Hub
	over  atomic.Bool // this configuration's streams have been told to end
}

// New returns the streams of a site, which end when the server of ctx begins to shut
// down, and what ends them in any case and lets go of what they share with other
// configurations.
func New(ctx context.Context, o Options) (*Push, func() error, error) {
	pooled, _, err := hubPool.LoadOrNew(o.Site.Sessions, func() (caddy.Destructor, error) { return newHub(&o), nil })
	if err != nil {
		return nil, nil, err
	}
	hub := pooled.(*pooledHub)
	hub.newest.Store(&o)
	p := &Push{site: o.Site, keys: o.Keys, share: o.Share, hub: hub.Hub}
	o.Site.Upstream.Commanded = p.hub.Commanded
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		// A process that exits waits for its responses before it cleans up.
		server.RegisterOnShutdown(p.dismiss)
	}
	return p, func() error {
		p.dismiss()
		_, err := hubPool.Delete(o.Site.Sessions)
		return err
	}, nil
}

func newHub(o *Options) *pooledHub {
	h := new(pooledHub)
	h.newest.Store(o)
	options := player.Options{Clock: o.Site.Clock}
	if o.Site.Store.Shared() {
		options.Board = func(account string) player.Board { return newBoard(h.newest.Load(), account) }
	}
	options.Failed = func(account string, err error) {
		site := h.newest.Load().Site
		if suppressed, ok := site.Faults().Admit("player"); ok {
			site.Logger.Warn("asking for the state of a player failed; will retry",
				zap.String("account", account), zap.Error(err), suppressed)
		}
	}
	h.Hub = player.NewHub(options)
	return h
}

// dismiss ends the streams of this configuration.
func (p *Push) dismiss() {
	p.over.Store(true)
	why := "reload"
	if caddy.Exiting() {
		why = "shutdown"
	}
	p.hub.Dismiss(p, why)
}

// Handler returns what responds to GET events, or, if it is for visitors of share, to GET
// share/events. The handlers that follow are those that requests for the Web API go to.
func (p *Push) Handler(shared bool, next caddyhttp.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if shared {
			return p.ServeShared(w, r, next)
		}
		return p.Serve(w, r, next)
	}
}

// Serve responds to GET events: a stream for a session or an access key.
func (p *Push) Serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if problem := p.site.CheckTransport(r); problem != nil {
		return p.site.Fail(w, r, problem)
	}
	now := p.site.Clock.Now().Unix()
	l, refused := p.asKey(r, now)
	if refused == nil && l == nil {
		if foreign := p.site.CheckOriginOrAllowed(r); foreign != nil {
			return p.site.Fail(w, r, foreign)
		}
		l, refused = p.asVisitor(r, now)
	}
	if refused != nil {
		return p.refuse(w, r, refused)
	}
	p.site.Sessions.TouchAt(l.session, now)
	site.Identify(r, l.session)
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	l.source = &source{
		asker: site.Asker{Site: p.site, Next: next, Server: server},
		find:  l.current, policy: l.policy, view: l.view, origin: trace.OriginOf(r.Context()),
	}
	return p.stream(w, r, l)
}

// ServeShared responds to GET share/events: a stream of the owner's player, as far as it
// is shared.
func (p *Push) ServeShared(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if problem := p.site.CheckTransport(r); problem != nil {
		return p.site.Fail(w, r, problem)
	}
	shared, ok := p.share.Player()
	if !ok {
		return p.site.Fail(w, r, errNotShared())
	}
	p.share.OpenTo(w.Header(), r)
	owner, err := p.share.Owner(r.Context())
	if err != nil && !errors.Is(err, session.ErrNone) {
		return p.refuse(w, r, storeUnavailable(err))
	}
	account := ownerUnknown
	if err == nil {
		account = owner.Account.ID
	}
	address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	l := &listener{account: account, owner: address, grant: "share", view: player.View{Whole: shared.Whole, Episodes: shared.Episodes}}
	l.source = &source{
		asker:  site.Asker{Site: p.site, Next: next, Server: server},
		find:   func(ctx context.Context) (*session.Session, error) { return p.findOwner(ctx, account) },
		policy: p.share, view: l.view, path: shared.Path, query: shared.Query, origin: trace.OriginOf(r.Context()),
	}
	return p.stream(w, r, l)
}

// ownerUnknown stands for the account of an owner while none is connected. No account
// has such an id.
const ownerUnknown = "\x00share"

// findOwner returns the owner's session, if it is still that of an account.
func (p *Push) findOwner(ctx context.Context, account string) (*session.Session, error) {
	owner, err := p.share.Owner(ctx)
	switch {
	case errors.Is(err, session.ErrNone) && account == ownerUnknown:
		return nil, &player.TemporaryError{Reason: notConnected, Err: err}
	case errors.Is(err, session.ErrNone):
		return nil, &player.EndedError{Reason: notConnected, Return: true}
	case err != nil:
		return nil, &player.TemporaryError{Reason: "store_unavailable", Err: err}
	case owner.Account.ID != account:
		return nil, &player.EndedError{Reason: "account_changed", Return: true}
	}
	return owner, nil
}

// keepAlive is how often a stream in which nothing happens shows that it is there, and
// that its session is. Proxies close connections that are silent for a minute.
const keepAlive = 25 * time.Second
