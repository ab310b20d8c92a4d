package caddyspotify

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// identify tells the rest of the chain, and the access log, whose request it is.
// The values are looked up when somebody asks for them.
func identify(r *http.Request, sess *session) {
	if repl := replacerFrom(r); repl != nil {
		repl.Map(sess.placeholder)
	}
}

// placeholder is the value of a placeholder that Handler documents. There is
// none for a token, the session's id or its key.
func (s *session) placeholder(name string) (any, bool) {
	switch name {
	case "http.auth.user.id", "spotify.account.id":
		return s.account.ID, true
	case "spotify.account.display_name":
		return s.account.DisplayName, true
	case "spotify.scopes":
		token := s.auth.Current()
		if token == nil {
			return "", true
		}
		return strings.Join(token.Scopes(), " "), true
	case "spotify.session.ref":
		return s.ref(), true
	case "spotify.session.kind":
		if s.isKey() {
			return tokenstore.KindKey, true
		}
		return "session", true
	case "spotify.session.age":
		return max(0, s.owner.clock.Now().Unix()-s.createdAt), true
	case "spotify.session.reauthorize_by":
		return s.reauthorizeBy().Format(time.RFC3339), true
	}
	return nil, false
}
