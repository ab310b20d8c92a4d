// Package account shows people what a site has of them, their sessions and access keys,
// and lets them end it: one, all others, or everything.
package account

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/share"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// SpotifyURL is Spotify's own page of the apps that have access to an account.
const SpotifyURL = "https://www.spotify.com/account/apps/"

// Accounts are the accounts of a site's visitors, as each sees their own. It is safe for
// concurrent use.
type Accounts struct {
	site  *site.Site
	flow  *login.Flow
	keys  *accesskeys.Keys // nil if there are none
	share *share.Share     // nil if nothing is shared
	lists *session.OwnerList[index]
	walks chan struct{} // a slot for each walk of the store
}

// Options are what New makes accounts of.
type Options struct {
	Site   *site.Site
	Flow   *login.Flow
	Keys   *accesskeys.Keys // nil if there are none
	Share  *share.Share     // nil if nothing is shared
	Secret *secret.Stored   // under which the lists of sessions are sealed
}

// maxWalks bounds the walks of the store for people who end more than one session.
const maxWalks = 2

// New returns the accounts of a site, and has them told of sessions that begin and end
// there, until leave is called.
func New(o Options) (a *Accounts, leave func() error) {
	a = &Accounts{
		site: o.Site, flow: o.Flow, keys: o.Keys, share: o.Share, lists: newLists(o.Site, o.Secret), walks: make(chan struct{}, maxWalks),
	}
	o.Flow.OnSession(a.begins)
	return a, o.Site.Store.JoinSessionLists(a)
}

func (a *Accounts) path() string { return a.site.AccountURL() }

// enterTimeout is how long a login waits for its session to be listed.
const enterTimeout = 2 * time.Second

// begins lists a session that is about to begin. A list that is out of reach is no reason
// to refuse a login: all that the session lacks is a place on the page.
func (a *Accounts) begins(ctx context.Context, r *http.Request, sess *session.Session) {
	ctx, cancel := context.WithTimeout(ctx, enterTimeout)
	defer cancel()
	a.report("listing session failed; its account page does not show it to other browsers", sess.Key(), a.enter(ctx, sess.Account.ID, a.entryOf(r, sess)))
}

// entryOf is what the index says of a session, whose browser sent the request.
func (a *Accounts) entryOf(r *http.Request, sess *session.Session) entry {
	family, system := parseUserAgent(r.UserAgent())
	return entry{
		Key: sess.Key(), Site: a.site.Base(), Browser: family, System: system,
		CreatedAt: time.Unix(sess.CreatedAt, 0).UTC(), EndsAt: sess.EndsAt(),
	}
}

// Forget implements session.SessionLists.
func (a *Accounts) Forget(ctx context.Context, account, record string) {
	a.report("removing ended session from its account's list failed", record, a.strike(ctx, account, record))
}

func (a *Accounts) report(line, record string, err error) {
	if err == nil || errors.Is(err, errNoChange) {
		return
	}
	if suppressed, ok := a.site.Faults().Admit(line); ok {
		a.site.Logger.Warn(line, zap.String("session", tokenstore.Ref(record)), zap.Error(err), suppressed)
	}
}

// walk runs f, which walks the store, once few enough others do.
func (a *Accounts) walk(ctx context.Context, f func() error) error {
	select {
	case a.walks <- struct{}{}:
		defer func() { <-a.walks }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

var _ session.SessionLists = (*Accounts)(nil)
