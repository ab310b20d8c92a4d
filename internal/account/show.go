package account

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// view is what the site has of a person, as the page and the JSON show it.
type view struct {
	Account    *session.Account    `json:"account"`
	Scopes     []string            `json:"scopes"`
	Sessions   []listedSession     `json:"sessions"`
	Complete   bool                `json:"complete"`
	Keys       []accesskeys.Listed `json:"keys"`
	KeysURL    string              `json:"keys_url,omitempty"`
	Shared     bool                `json:"shared"`
	LogoutURL  string              `json:"logout_url"`
	SpotifyURL string              `json:"spotify_url"`
}

// listedSession is a session as its owner sees it.
type listedSession struct {
	Session    string     `json:"session"`
	Current    bool       `json:"current"`
	Browser    string     `json:"browser,omitempty"`
	System     string     `json:"system,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
}

func (e entry) listed(current string) listedSession {
	l := listedSession{
		Session: tokenstore.Ref(e.Key), Current: e.Key == current, Browser: e.Browser, System: e.System,
		CreatedAt: e.CreatedAt.UTC(), ExpiresAt: e.expiresAt.UTC(),
	}
	if !e.usedAt.IsZero() {
		used := e.usedAt.UTC()
		l.LastUsedAt = &used
	}
	return l
}

// view returns what there is of the person whose session it is. Their other sessions may
// be out of reach, and then the view is not complete; the error is about the keys.
func (a *Accounts) view(ctx context.Context, r *http.Request, sess *session.Session) (*view, error) {
	v := &view{
		Account: &sess.Account, Scopes: []string{}, Sessions: []listedSession{}, Complete: true, Keys: []accesskeys.Listed{},
		LogoutURL: a.site.LogoutURL(), SpotifyURL: SpotifyURL,
	}
	if token := sess.Auth.Current(); token != nil {
		v.Scopes = append(v.Scopes, token.Scopes()...)
	}
	this := a.entryOf(r, sess)
	this.usedAt, this.expiresAt = time.Unix(sess.LastSeen.Load(), 0), time.Unix(sess.ExpiresAt(), 0)
	sessions, err := a.list(ctx, sess.Account.ID)
	if err != nil {
		a.report("listing sessions for their owner failed", sess.Key(), err)
		v.Complete = false
	}
	at := slices.IndexFunc(sessions, func(e entry) bool { return e.Key == sess.Key() })
	switch {
	case at > 0: // it comes first
		this = sessions[at]
		sessions = slices.Insert(slices.Delete(sessions, at, at+1), 0, this)
	case at < 0:
		// It is from before there were lists, or was too much for its own.
		sessions = slices.Insert(sessions, 0, this)
		if v.Complete {
			a.begins(ctx, r, sess)
		}
	}
	for _, e := range sessions {
		v.Sessions = append(v.Sessions, e.listed(sess.Key()))
	}
	if a.keys != nil {
		v.KeysURL = a.keys.Path()
		if v.Keys, err = a.keys.List(ctx, sess.Account.ID); err != nil {
			return nil, err
		}
	}
	v.Shared = a.share != nil && a.share.Shows(ctx, &sess.Account)
	return v, nil
}

// showJSON responds to code.
func (a *Accounts) showJSON(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	v, err := a.view(r.Context(), r, sess)
	if err != nil {
		return a.site.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	problem.SetJSONHeaders(w.Header())
	w.Header().Add("Vary", "Cookie")
	return json.NewEncoder(w).Encode(v)
}

// showPage responds to a person.
func (a *Accounts) showPage(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	v, err := a.view(r.Context(), r, sess)
	if err != nil {
		return a.site.Fail(w, r, problem.StoreUnavailable(err, a.path()))
	}
	pg := page.Account{
		Name: cmp.Or(v.Account.DisplayName, v.Account.ID), Scopes: v.Scopes, Complete: v.Complete, Shared: v.Shared,
		Path: a.path(), KeysPath: v.KeysURL, LogoutPath: v.LogoutURL, SpotifyURL: v.SpotifyURL, Home: "/",
	}
	for _, s := range v.Sessions {
		pg.Sessions = append(pg.Sessions, page.AccountSession{
			Ref: s.Session, Current: s.Current, Browser: s.Browser, System: s.System,
			Created: minute(&s.CreatedAt), Used: minute(s.LastUsedAt), Expires: minute(&s.ExpiresAt),
		})
	}
	for _, k := range v.Keys {
		pg.Keys = append(pg.Keys, page.AccountKey{
			Ref: k.Key, Name: k.Name, Created: minute(&k.CreatedAt), Used: minute(k.LastUsedAt), Expires: minute(&k.ExpiresAt),
		})
	}
	return a.site.Pages.Account(w, r, pg)
}

// minute is a time as the page shows it, or "".
func minute(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
