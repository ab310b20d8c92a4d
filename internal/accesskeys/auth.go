package accesskeys

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
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

// Authenticate returns the session of the access key that a request for the Web
// API came with, and whether it came with one. A problem says why the key does
// not count. Whatever cookies came along do not count either, so it does not
// matter whose page sent the request: browsers put no key into one by themselves.
func (k *Keys) Authenticate(r *http.Request, now int64) (sess *session.Session, found bool, p *problem.Problem) {
	id, found, err := bearerKey(r.Header["Authorization"])
	if err != nil {
		return nil, true, k.invalidKey()
	}
	if !found {
		return nil, false, nil
	}
	sess, err = k.site.Sessions.GetKey(r.Context(), id, now, k)
	if errors.Is(err, session.ErrNone) || errors.Is(err, errOtherSeal) {
		return nil, true, k.invalidKey()
	}
	if errors.Is(err, session.ErrExpired) {
		return nil, true, k.expiredKey(k.site.Sessions.KeyRef(id))
	}
	if err != nil {
		return nil, true, keyStoreProblem(err)
	}
	seal, err := k.seal(r.Context())
	if err != nil {
		return nil, true, keyStoreProblem(err)
	}
	if sess.Terms().Seal != seal {
		k.warnOfSeal(sess)
		return nil, true, k.invalidKey()
	}
	if p := k.permitsPath(sess, r.Method, r.URL.Path[len(k.site.Prefix):]); p != nil {
		return nil, true, p
	}
	if sess.FirstUse() {
		k.site.Observer.Audit(telemetry.AuditKeyUsed, sess, telemetry.ClientIP(r))
	}
	return sess, true, nil
}

// keyStoreProblem is StoreUnavailable for a program.
func keyStoreProblem(err error) *problem.Problem {
	p := problem.StoreUnavailable(err, "")
	p.ForCode = true
	p.Message = "Access keys cannot be looked up just now. Try again in a moment."
	return p
}
