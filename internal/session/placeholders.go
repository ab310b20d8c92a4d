package session

import (
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Placeholder is the value of a placeholder that Handler documents. There is
// none for a token, the session's id or its key.
func (s *Session) Placeholder(name string) (any, bool) {
	switch name {
	case "http.auth.user.id", "spotify.account.id":
		return s.Account.ID, true
	case "spotify.account.display_name":
		return s.Account.DisplayName, true
	case "spotify.scopes":
		token := s.Auth.Current()
		if token == nil {
			return "", true
		}
		return strings.Join(token.Scopes(), " "), true
	case "spotify.session.ref":
		return s.Ref(), true
	case "spotify.session.kind":
		if s.IsKey() {
			return tokenstore.KindKey, true
		}
		return "session", true
	case "spotify.session.age":
		return max(0, s.owner.Clock.Now().Unix()-s.CreatedAt), true
	case "spotify.session.reauthorize_by":
		return s.ReauthorizeBy().Format(time.RFC3339), true
	}
	return nil, false
}
