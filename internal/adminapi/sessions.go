package adminapi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// DefaultPage is how many sessions a page lists if nothing else is asked for.
	DefaultPage = 100
	// MaxPage is how many sessions a page lists at most.
	MaxPage = 1000
)

func listSessions(w http.ResponseWriter, r *http.Request, _ string) error {
	query := r.URL.Query()
	for name := range query {
		if name != "account" && name != "due" && name != "limit" && name != "cursor" {
			return badRequest(fmt.Errorf("there is no parameter %q: use account, due, limit and cursor", name))
		}
	}
	var due time.Duration
	if given := query.Get("due"); given != "" {
		var err error
		if due, err = caddy.ParseDuration(given); err != nil || due <= 0 {
			return badRequest(fmt.Errorf("due %q is not a duration: write it like 30d", given))
		}
	}
	limit := DefaultPage
	if given := query.Get("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > MaxPage {
			return badRequest(fmt.Errorf("limit %q is not a number from 1 to %d", given, MaxPage))
		}
		limit = n
	}
	cursor := query.Get("cursor")
	if cursor != "" && !session.IsRef(cursor) {
		return badRequest(fmt.Errorf("cursor %q is not one that a page ended with", cursor))
	}
	list, err := session.List(r.Context(), query.Get("account"), due, cursor, limit)
	if err != nil {
		return storeFailed(err)
	}
	return respond(w, http.StatusOK, list)
}

// Ended is the response to ending sessions: their references.
type Ended struct {
	Ended []string `json:"ended"`
}

func endSession(w http.ResponseWriter, r *http.Request, ref string) error {
	if !session.IsRef(ref) {
		return badRequest(errNotHex)
	}
	ended, err := session.EndSession(r.Context(), ref)
	if err != nil {
		return storeFailed(err)
	}
	if len(ended) == 0 {
		return noSuchSession(ref)
	}
	return respond(w, http.StatusOK, Ended{ended})
}

func endAccount(w http.ResponseWriter, r *http.Request, account string) error {
	ended, err := session.EndAccount(r.Context(), account)
	if err != nil {
		return storeFailed(err)
	}
	return respond(w, http.StatusOK, Ended{ended})
}

// storeFailed says that a store did not do what it was asked for.
func storeFailed(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

var errNotHex = errors.New("a session goes by 12 hexadecimal digits, as logs and the list of sessions show them")

func noSuchSession(ref string) error {
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("there is no session %s", ref)}
}

func refreshSession(w http.ResponseWriter, r *http.Request, ref string) error {
	if !session.IsRef(ref) {
		return badRequest(errNotHex)
	}
	prefix, err := hex.DecodeString(ref)
	if err != nil {
		return badRequest(errNotHex)
	}
	for _, m := range session.InUse() {
		for _, s := range m.Cache.WithPrefix(prefix) {
			return refreshNow(w, r, s)
		}
	}
	exists, err := session.Exists(r.Context(), ref)
	if err != nil {
		return storeFailed(err)
	}
	if exists {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf(
			"session %s is not in this instance's memory, and only its visitor's cookie opens it in the store: "+
				"it is refreshed when it is used next", ref)}
	}
	return noSuchSession(ref)
}

func refreshNow(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	token, err := s.Auth.Refresh(r.Context())
	switch {
	case err == nil:
		return respond(w, http.StatusOK, map[string]any{
			"session": s.Ref(), "account": s.Account.ID, "expires_at": token.Expiry().UTC(),
		})
	case errors.Is(err, pkce.ErrReauthorize):
		return caddy.APIError{HTTPStatus: http.StatusGone, Err: fmt.Errorf("session %s is over: its user has to log in again", s.Ref())}
	default:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("refreshing session %s: %w", s.Ref(), err)}
	}
}
