package caddyspotify

import "github.com/caddyserver/caddy/v2"

// SessionConfig says how long sessions last, and how their cookie looks.
type SessionConfig struct {
	// A session that is not used for this long ends. Default: 30 days.
	Idle caddy.Duration `json:"idle,omitempty"`

	// A session ends this long after the login, however much it is used.
	// Default: 180 days. Spotify ends it after six months in any case.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// The name of the cookie. Default: `__Host-spotify_session`, and
	// `spotify_session` where the site is plain http on loopback. A suffix is
	// added if another instance on the same host uses the name in this browser.
	Cookie string `json:"cookie,omitempty"`

	// How long before Spotify ends a session's refresh token, six months after
	// consent, or before the session ends if that is sooner, its answers carry
	// the header `Spotify-Proxy-Reauthorize-By`. At most half of the session's
	// life. Default: 14 days.
	ReauthorizeNotice caddy.Duration `json:"reauthorize_notice,omitempty"`

	// The cookie's SameSite attribute: `lax` (default) or `strict`.
	SameSite string `json:"same_site,omitempty"`
}

// RefreshConfig says when and how tokens are refreshed.
type RefreshConfig struct {
	// A token is good for at least this long when it is used. Default: 60s.
	Margin caddy.Duration `json:"margin,omitempty"`

	// A token in use is refreshed in the background this long before it
	// expires, so that no request waits for it. If many tokens come up for that
	// at once, some are seconds later. Default: 5m.
	Ahead caddy.Duration `json:"ahead,omitempty"`

	// How long to wait for the token endpoint. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}
