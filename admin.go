package caddyspotify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API for operators of the proxy. It
// looks at the sessions that the process has when it is asked.
//
//	GET    /spotify/sessions?account=&limit=&cursor=   lists sessions, a page at a time
//	DELETE /spotify/sessions/<session>                 ends one
//	POST   /spotify/sessions/<session>/refresh         refreshes its token now
//	DELETE /spotify/accounts/<account>/sessions        ends all of an account
//	GET    /spotify/gate                               says whether Spotify is asked at all
//	GET    /spotify/health                             says how the proxy is
//
// Sessions go by their references, the first 12 digits of a hash, which logs
// and events show too. No answer holds a token, a session's id or its key.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.spotify",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminBase, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// adminBase is the path that all endpoints are below.
const adminBase = "/spotify/"

// adminHandler answers a request for an endpoint with its value in the path.
type adminHandler func(w http.ResponseWriter, r *http.Request, value string) error

func (a adminAPI) serve(w http.ResponseWriter, r *http.Request) error {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), adminBase), "/")
	value := ""
	if len(parts) > 1 {
		var err error
		if value, err = url.PathUnescape(parts[1]); err != nil || value == "" {
			return badAdminRequest(fmt.Errorf("%s: there is a value missing or malformed in the path", r.URL.Path))
		}
		parts[1] = "*"
	}
	method := http.MethodGet
	var serve adminHandler
	switch strings.Join(parts, "/") {
	case "sessions":
		serve = a.listSessions
	case "sessions/*":
		method, serve = http.MethodDelete, a.endSession
	case "sessions/*/refresh":
		method, serve = http.MethodPost, a.refreshSession
	case "accounts/*/sessions":
		method, serve = http.MethodDelete, a.endAccount
	case "gate":
		serve = a.gate
	case "health":
		serve = a.health
	default:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("there is no %s", r.URL.Path)}
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("%s takes %s, not %s", r.URL.Path, method, r.Method)}
	}
	return serve(w, r, value)
}

func badAdminRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

// answerAdmin writes an answer.
func answerAdmin(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	return err
}

func (adminAPI) gate(w http.ResponseWriter, _ *http.Request, _ string) error {
	return answerAdmin(w, http.StatusOK, map[string]any{"gates": upstream.Gates()})
}

// storeHealth and siteHealth are what GET health says of a store and a site.
type storeHealth struct {
	Store string `json:"store"`
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

type siteHealth struct {
	Site           string `json:"site"`
	ClientID       string `json:"client_id"`
	SessionsCached int    `json:"sessions_cached"`
	SessionsBusy   int    `json:"sessions_busy"`
	PendingSaves   int64  `json:"pending_saves"`
}

func (adminAPI) health(w http.ResponseWriter, r *http.Request, _ string) error {
	answer := struct {
		Ready  bool          `json:"ready"`
		Stores []storeHealth `json:"stores"`
		Sites  []siteHealth  `json:"sites"`
	}{Ready: true, Stores: []storeHealth{}, Sites: []siteHealth{}}
	for _, store := range session.StoresInUse() {
		state := storeHealth{Store: store.Name, Ready: true}
		if err := store.Ready(r.Context()); err != nil {
			state.Ready, state.Error, answer.Ready = false, err.Error(), false
		}
		answer.Stores = append(answer.Stores, state)
	}
	for _, m := range session.InUse() {
		o := m.Observers.Observer()
		if o == nil {
			continue
		}
		answer.Sites = append(answer.Sites, siteHealth{
			Site: o.Metrics.Site, ClientID: m.Namespace,
			SessionsCached: m.Cache.Len(), SessionsBusy: m.CountBusy(), PendingSaves: m.PendingSaves.Load(),
		})
	}
	slices.SortFunc(answer.Sites, func(a, b siteHealth) int { return strings.Compare(a.Site, b.Site) })
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	return answerAdmin(w, status, answer)
}

// storeFailed says that a store did not do what it was asked for.
func storeFailed(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

var errNotHex = errors.New("a session goes by 12 hexadecimal digits, as logs and the list of sessions show them")

// Interface guards
var (
	_ caddy.Module      = adminAPI{}
	_ caddy.AdminRouter = adminAPI{}
)
