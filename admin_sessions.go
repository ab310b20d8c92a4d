package caddyspotify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// listedSession is a session as the admin API shows it, or an access key, which
// is one in all that an operator can do.
type listedSession struct {
	Session string `json:"session"`
	// Kind is "key" for an access key, and left out for a session.
	Kind         string    `json:"kind,omitempty"`
	Account      string    `json:"account"`
	CreatedAt    time.Time `json:"created_at"`
	AuthorizedAt time.Time `json:"authorized_at"`
	// ExpiresAt is when the session ends unless it is used before.
	ExpiresAt time.Time `json:"expires_at"`
	Store     string    `json:"store"`
	// Site is where the session is in use. It is empty if this process has not
	// got the session in memory.
	Site string `json:"site,omitempty"`

	key string
}

// sessionList is a page of sessions.
type sessionList struct {
	Sessions []listedSession `json:"sessions"`
	// Total is how many there are on all pages.
	Total int `json:"total"`
	// NextCursor is the cursor of the next page, if there is one.
	NextCursor string `json:"next_cursor,omitempty"`
}

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
	list, err := listSessions(r.Context(), query.Get("account"), cursor, limit)
	if err != nil {
		return err
	}
	return answerAdmin(w, http.StatusOK, list)
}

// listSessions returns the sessions after the cursor, in the order of their
// references. A store has no order, so all of it is walked for each page, but
// no more than two pages are kept.
func listSessions(ctx context.Context, account, cursor string, limit int) (*sessionList, error) {
	list := &sessionList{Sessions: []listedSession{}}
	for _, store := range session.StoresInUse() {
		for entry, err := range store.Walk(ctx) {
			if err != nil {
				return nil, storeFailed(store, "listing the sessions", err)
			}
			if entry.Kind == tokenstore.KindKeyIndex || account != "" && entry.AccountID != account {
				continue
			}
			list.Total++
			if tokenstore.Ref(entry.Key) <= cursor {
				continue
			}
			list.Sessions = append(list.Sessions, listedSession{
				Session: tokenstore.Ref(entry.Key), Kind: entry.Kind, Account: entry.AccountID,
				CreatedAt: entry.CreatedAt.UTC(), AuthorizedAt: entry.AuthorizedAt.UTC(), ExpiresAt: entry.ExpiresAt.UTC(),
				Store: store.Name, key: entry.Key,
			})
			if len(list.Sessions) > 2*limit {
				list.sort()
				list.Sessions = list.Sessions[:limit+1]
			}
		}
	}
	list.sort()
	if len(list.Sessions) > limit {
		list.Sessions = list.Sessions[:limit]
		list.NextCursor = list.Sessions[limit-1].Session
	}
	all := session.InUse()
	for i := range list.Sessions {
		for _, m := range all {
			if o := m.Observers.Observer(); o != nil && len(m.Held(list.Sessions[i].key)) > 0 {
				list.Sessions[i].Site = o.Metrics.Site
			}
		}
	}
	return list, nil
}

func (l *sessionList) sort() {
	slices.SortFunc(l.Sessions, func(a, b listedSession) int { return strings.Compare(a.key, b.key) })
}

// endedSessions is what ending sessions answers.
type endedSessions struct {
	Ended []string `json:"ended"`
}

func (adminAPI) endSession(w http.ResponseWriter, r *http.Request, ref string) error {
	if !session.IsRef(ref) {
		return badAdminRequest(errNotHex)
	}
	ended, err := endSessions(r.Context(), func(e tokenstore.Entry) bool {
		return tokenstore.Ref(e.Key) == ref && e.Kind != tokenstore.KindKeyIndex
	})
	if err != nil {
		return err
	}
	if len(ended.Ended) == 0 {
		return noSuchSession(ref)
	}
	return answerAdmin(w, http.StatusOK, ended)
}

func (adminAPI) endAccount(w http.ResponseWriter, r *http.Request, account string) error {
	ended, err := endSessions(r.Context(), func(e tokenstore.Entry) bool { return e.AccountID == account })
	if err != nil {
		return err
	}
	return answerAdmin(w, http.StatusOK, ended)
}

func noSuchSession(ref string) error {
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("there is no session %s", ref)}
}

// endSessions ends, in their stores and so everywhere, the sessions that match.
// When it fails, some may have ended.
func endSessions(ctx context.Context, match func(tokenstore.Entry) bool) (*endedSessions, error) {
	ended := &endedSessions{Ended: []string{}}
	for _, store := range session.StoresInUse() {
		var found, lists []tokenstore.Entry
		for entry, err := range store.Walk(ctx) {
			if err != nil {
				return nil, storeFailed(store, fmt.Sprintf("after %d sessions ended, finding more", len(ended.Ended)), err)
			}
			switch {
			case !match(entry):
			case entry.Kind == tokenstore.KindKeyIndex:
				lists = append(lists, entry)
			default:
				found = append(found, entry)
			}
		}
		for _, entry := range found {
			if err := store.End(ctx, entry, session.EndAdministrator, nil); err != nil {
				return nil, storeFailed(store, fmt.Sprintf("after %d sessions ended, ending session %s", len(ended.Ended), tokenstore.Ref(entry.Key)), err)
			}
			ended.Ended = append(ended.Ended, tokenstore.Ref(entry.Key))
		}
		// The list of an account's keys goes after the keys, so that none is ever
		// in use that its owner cannot find.
		for _, list := range lists {
			if err := store.Delete(ctx, list.Key); err != nil {
				return nil, storeFailed(store, "deleting the list of the account's keys", err)
			}
		}
	}
	slices.Sort(ended.Ended)
	return ended, nil
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
	for _, store := range session.StoresInUse() {
		for entry, err := range store.Walk(r.Context()) {
			if err != nil {
				return storeFailed(store, "finding the session", err)
			}
			if tokenstore.Ref(entry.Key) == ref && entry.Kind != tokenstore.KindKeyIndex {
				return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf(
					"session %s is not in this instance's memory, and only its visitor's cookie opens it in the store: "+
						"it is refreshed when it is used next", ref)}
			}
		}
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
