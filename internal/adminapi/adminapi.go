// Package adminapi has the endpoints of the proxy below Caddy's admin API, for the
// operator.
package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Base is the path that all endpoints are below.
const Base = "/spotify/"

// handler responds to a request for an endpoint with its value in the path.
type handler func(w http.ResponseWriter, r *http.Request, value string) error

// endpoint is what a path takes: one method.
type endpoint struct {
	method string
	serve  handler
}

// endpoints are those of the paths below Base, with * for the value in them.
var endpoints = map[string]endpoint{
	"sessions":            {http.MethodGet, listSessions},
	"sessions/*":          {http.MethodDelete, endSession},
	"sessions/*/refresh":  {http.MethodPost, refreshSession},
	"accounts/*/sessions": {http.MethodDelete, endAccount},
	"limits":              {http.MethodGet, listLimits},
	"limits/*":            {http.MethodDelete, openLimits},
	"quota":               {http.MethodGet, showQuota},
	"health":              {http.MethodGet, health},
}

// Serve responds to a request for a path below Base. An error is a caddy.APIError,
// which Caddy's admin API shows.
func Serve(w http.ResponseWriter, r *http.Request) error {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), Base), "/")
	value := ""
	if len(parts) > 1 {
		var err error
		if value, err = url.PathUnescape(parts[1]); err != nil || value == "" {
			return badRequest(fmt.Errorf("%s: there is a value missing or malformed in the path", r.URL.Path))
		}
		parts[1] = "*"
	}
	e, ok := endpoints[strings.Join(parts, "/")]
	if !ok {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("there is no %s", r.URL.Path)}
	}
	if r.Method != e.method {
		w.Header().Set("Allow", e.method)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("%s takes %s, not %s", r.URL.Path, e.method, r.Method)}
	}
	return e.serve(w, r, value)
}

func badRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

// respond writes a response in JSON.
func respond(w http.ResponseWriter, status int, v any) error {
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
