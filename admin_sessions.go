package caddyspotify

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

func (adminAPI) listSessions(w http.ResponseWriter, r *http.Request, _ string) error {
	query := r.URL.Query()
	for name := range query {
		if name != "account" && name != "limit" && name != "cursor" {
			return badAdminRequest(fmt.Errorf("there is no parameter %q: use account, limit and cursor", name))
		}
	}
	limit := defaultPage
	if given := query.Get("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > maxPage {
			return badAdminRequest(fmt.Errorf("limit %q is not a number from 1 to %d", given, maxPage))
		}
		limit = n
	}
	cursor := query.Get("cursor")
	if cursor != "" && !session.IsRef(cursor) {
		return badAdminRequest(fmt.Errorf("cursor %q is not one that a page ended with", cursor))
	}
	list, err := session.List(r.Context(), query.Get("account"), cursor, limit)
	if err != nil {
		return storeFailed(err)
	}
	return answerAdmin(w, http.StatusOK, list)
}

// endedSessions is what ending sessions answers.
type endedSessions struct {
	Ended []string `json:"ended"`
}

func (adminAPI) endSession(w http.ResponseWriter, r *http.Request, ref string) error {
	if !session.IsRef(ref) {
		return badAdminRequest(errNotHex)
	}
	ended, err := session.EndSession(r.Context(), ref)
	if err != nil {
		return storeFailed(err)
	}
	if len(ended) == 0 {
		return noSuchSession(ref)
	}
	return answerAdmin(w, http.StatusOK, endedSessions{ended})
}

func (adminAPI) endAccount(w http.ResponseWriter, r *http.Request, account string) error {
	ended, err := session.EndAccount(r.Context(), account)
	if err != nil {
		return storeFailed(err)
	}
	return answerAdmin(w, http.StatusOK, endedSessions{ended})
}

func noSuchSession(ref string) error {
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("there is no session %s", ref)}
}

func (adminAPI) refreshSession(w http.ResponseWriter, r *http.Request, ref string) error {
	if !session.IsRef(ref) {
		return badAdminRequest(errNotHex)
	}
	prefix, err := hex.DecodeString(ref)
	if err != nil {
		return badAdminRequest(errNotHex)
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
		return answerAdmin(w, http.StatusOK, map[string]any{
			"session": s.Ref(), "account": s.Account.ID, "expires_at": token.Expiry().UTC(),
		})
	case errors.Is(err, pkce.ErrReauthorize):
		return caddy.APIError{HTTPStatus: http.StatusGone, Err: fmt.Errorf("session %s is over: its user has to log in again", s.Ref())}
	default:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("refreshing session %s: %w", s.Ref(), err)}
	}
}
