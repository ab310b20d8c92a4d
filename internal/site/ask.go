package site

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// Asker sends GETs of the site's own through the handlers that follow it, as those of a
// session's client would be: with the same refreshes, limits and options of reverse_proxy.
// Nothing of a visitor's is in them. It is safe for concurrent use.
type Asker struct {
	Site   *Site
	Next   caddyhttp.Handler
	Server *caddyhttp.Server
}

// Question is what an Asker asks for.
type Question struct {
	Session *session.Session
	Policy  upstream.Policy
	// Path is the Web API's, from /v1/ on.
	Path, Query string
	// MaxBody bounds the response, in bytes.
	MaxBody int
	// NoCache asks for no response that is kept. KeptElsewhere has the response kept
	// by none but the caller, see upstream.Exchange.
	NoCache, KeptElsewhere bool
}

// Ask returns the response to a question. It returns an error if there is none, if it
// breaks off, and if it is too long.
func (a Asker) Ask(ctx context.Context, q *Question) (rec *Recorder, err error) {
	defer func() {
		// No server is above to recover what reverse_proxy panics with when Spotify's
		// response breaks off. What it says may hold anything.
		if v := recover(); v != nil {
			rec, err = nil, fmt.Errorf("the response broke off (%T)", v)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Site.Origin, nil)
	if err != nil {
		return nil, err
	}
	req.URL.Path, req.URL.RawQuery = q.Path, q.Query
	req.URL.Scheme, req.URL.Host = "", ""
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "127.0.0.1:0"
	req.Header.Set("Accept", "application/json")
	if q.NoCache {
		req.Header.Set("Cache-Control", "no-cache")
	}
	rec = NewRecorder(nil, q.MaxBody)
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), rec, a.Server)
	a.Site.Sessions.Touch(q.Session)
	ex := &upstream.Exchange{
		Context: req.Context(), Auth: &q.Session.Auth, Site: a.Site.Upstream, Session: q.Session, Policy: q.Policy,
		Header: req.Header, Now: a.Site.Clock.Now().Unix(), KeptElsewhere: q.KeptElsewhere, Fresh: q.NoCache,
	}
	if err := a.Next.ServeHTTP(rec, req.WithContext(ex)); err != nil {
		return nil, err
	}
	return rec, rec.tooLong
}
