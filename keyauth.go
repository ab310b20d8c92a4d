package caddyspotify

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// keyPrefix begins every access key. By it a program's key is told from the
// tokens that stock clients make up, and found by those who look for secrets in
// places where there should be none.
const keyPrefix = "spk_"

func formatKey(id tokenstore.SessionID) string { return keyPrefix + id.Cookie() }

// errBadKey says that what looks like an access key is none.
var errBadKey = errors.New("malformed access key")

// bearerKey returns the access key in a request's Authorization (RFC 6750 §2.1).
// What does not begin as a key does is none of ours, and there is none. What
// does, but is no key, is errBadKey.
func bearerKey(authorization []string) (id tokenstore.SessionID, found bool, err error) {
	for _, value := range authorization {
		scheme, credentials, ok := strings.Cut(value, " ")
		if !ok || !strings.EqualFold(scheme, "bearer") {
			continue
		}
		key, ok := strings.CutPrefix(strings.TrimLeft(credentials, " "), keyPrefix)
		if !ok {
			continue
		}
		if len(authorization) > 1 {
			// Which of them counts is not ours to guess.
			return tokenstore.SessionID{}, true, errBadKey
		}
		if id, err = tokenstore.ParseSessionID(strings.TrimRight(key, " \t")); err != nil {
			return tokenstore.SessionID{}, true, errBadKey
		}
		return id, true, nil
	}
	return tokenstore.SessionID{}, false, nil
}

// serveAPIByKey hands a request for the Web API on that came with an access key.
// Whatever cookies came along do not count, so it does not matter whose page
// sent it: browsers put no key into a request by themselves.
func (h *Handler) serveAPIByKey(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, id tokenstore.SessionID) error {
	s := h.site
	now := s.sessions.clock.Now().Unix()
	sess, err := s.sessions.getKey(r.Context(), id, now)
	if errors.Is(err, errNoSession) {
		return h.fail(w, r, s.invalidKey())
	}
	if err != nil {
		return h.fail(w, r, keyStoreProblem(err))
	}
	seal, err := s.keys.seal(r.Context())
	if err != nil {
		return h.fail(w, r, keyStoreProblem(err))
	}
	if sess.terms.Seal != seal {
		s.keys.warnOfSeal(sess)
		return h.fail(w, r, s.invalidKey())
	}
	if !s.keys.permits(sess, r.Method, r.URL.Path[len(s.prefix):]) {
		return h.fail(w, r, keyMayNot())
	}
	return h.handOn(w, r, next, sess, now)
}

// keyStoreProblem is storeProblem for a program.
func keyStoreProblem(err error) *problem {
	p := storeProblem(err, "")
	p.forCode = true
	p.message = "Access keys cannot be looked up just now. Try again in a moment."
	return p
}
