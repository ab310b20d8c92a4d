// Package site is a site as its endpoints share it: its identity and URLs, whose
// request it is, and how to respond.
package site

import (
	"net/url"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Site is a site as its endpoints share it: what it is, whose request it is, and
// how to respond. It does not change after it is made.
type Site struct {
	*browser.Guard
	*browser.Cookies
	Pages    page.Renderer
	ClientID string
	Allow    []webapi.Rule
	Sessions *session.Manager
	Store    *session.Store
	Upstream *upstream.Site
	Observer *telemetry.Observer
	Metrics  *telemetry.Site
	Clock    pkce.Clock
	Logger   *zap.Logger
}

// LoginURL is the path where a login begins.
func (s *Site) LoginURL() string { return s.Prefix + "/login" }

// LogoutURL is the path where a session ends.
func (s *Site) LogoutURL() string { return s.Prefix + "/logout" }

// AccountURL is the path of the page about a person's sessions and keys.
func (s *Site) AccountURL() string { return s.Prefix + "/account" }

// LoginURLFor is the login that comes back to the request's own page.
func (s *Site) LoginURLFor(path string) string {
	if path == "/" {
		return s.LoginURL()
	}
	return s.LoginURL() + "?return_to=" + url.QueryEscape(path)
}

// Faults is what bounds the lines about the site's faults.
func (s *Site) Faults() *telemetry.LogLimiter {
	if s.Sessions == nil {
		return nil
	}
	return s.Sessions.LogLimiter
}
