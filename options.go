package caddyspotify

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// defaultNotice is how long before its end a consent is called due.
const defaultNotice = 14 * 24 * time.Hour

// minSession keeps sessions long enough to come back from a login.
const minSession = time.Second

// cookieName is a token of RFC 6265 §4.1.1, less what would need quoting in a log.
var cookieName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkOptions fills in defaults and refuses what cannot work. Each error is
// one line that names the option and the remedy.
func (h *Handler) checkOptions() error {
	if h.ClientID == "" {
		return errors.New("client_id is missing: give the app's Client ID from https://developer.spotify.com/dashboard " +
			"(if it is a placeholder such as {env.SPOTIFY_CLIENT_ID}, set that variable)")
	}
	if strings.ContainsFunc(h.ClientID, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("client_id %q has spaces or other odd characters: copy it again from Spotify's dashboard", h.ClientID)
	}
	scopes := append(slices.Clone(h.Scopes), h.OptionalScopes...)
	for i, scope := range scopes {
		if strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return fmt.Errorf("scopes: %q is not a scope: separate scopes by spaces, without commas or quotes", scope)
		}
		if strings.Contains(scope, ",") {
			return fmt.Errorf("scopes: %q holds a comma: separate scopes by spaces", scope)
		}
		if slices.Contains(scopes[:i], scope) {
			return fmt.Errorf("scopes: %q is given twice: remove one", scope)
		}
	}
	for _, path := range h.RequireLogin {
		if !strings.HasPrefix(path, "/") || strings.Contains(strings.TrimSuffix(path, "*"), "*") {
			return fmt.Errorf("require_login: %q is not a path: begin with a slash, and use * only at the end", path)
		}
		if strings.ContainsAny(path, `{}%?[]\#`) || strings.Contains(path, "//") {
			return fmt.Errorf("require_login: %q is not a plain path: write it decoded, with single slashes and without any of { } %% ? [ ] \\ #", path)
		}
	}
	for _, rule := range rulesOf(h.Allow) {
		if err := rule.Check(); err != nil {
			return err
		}
	}
	if h.Cache == nil {
		h.Cache = new(CacheConfig)
	}
	if err := h.Cache.check(); err != nil {
		return err
	}
	if h.Share != nil {
		if err := h.Share.check(rulesOf(h.Allow)); err != nil {
			return err
		}
	}
	if h.Quota != nil {
		if err := h.Quota.check(); err != nil {
			return err
		}
	}
	redirect, err := browser.ParseRedirectURI(h.RedirectURI)
	if err != nil {
		return err
	}
	for i, raw := range h.AllowOrigin {
		origin, err := browser.ParseAllowedOrigin(raw, redirect)
		if err != nil {
			return err
		}
		h.AllowOrigin[i] = origin
	}
	if err := h.checkSession(redirect.Secure); err != nil {
		return err
	}
	if h.AccessKeys != nil {
		if err := h.AccessKeys.check(time.Duration(h.Session.Lifetime)); err != nil {
			return err
		}
	}
	if h.DeviceLogin && h.AccessKeys == nil {
		return errors.New("device_login gives devices access keys, and there are none: add access_keys, or remove device_login")
	}
	if err := h.Events.check(); err != nil {
		return err
	}
	return h.checkRefresh()
}

func (h *Handler) checkSession(secure bool) error {
	if h.Session == nil {
		h.Session = new(SessionConfig)
	}
	s := h.Session
	if err := positive("session lifetime", &s.Lifetime, defaultLifetime, minSession); err != nil {
		return err
	}
	idle := min(defaultIdle, time.Duration(s.Lifetime))
	if err := positive("session idle", &s.Idle, idle, minSession); err != nil {
		return err
	}
	if s.Idle > s.Lifetime {
		return fmt.Errorf("session idle %s is longer than session lifetime %s: make it shorter",
			time.Duration(s.Idle), time.Duration(s.Lifetime))
	}
	if err := positive("session reauthorize_notice", &s.ReauthorizeNotice, defaultNotice, time.Second); err != nil {
		return err
	}
	switch s.SameSite {
	case "", "lax", "strict":
	case "none":
		return errors.New("session same_site none would send the cookie along with every site's requests: use lax or strict")
	default:
		return fmt.Errorf("session same_site %q is unknown: use lax or strict", s.SameSite)
	}
	switch {
	case s.Cookie == "":
	case strings.HasPrefix(strings.TrimPrefix(s.Cookie, browser.HostPrefix), "spotify_login_"):
		return fmt.Errorf("session cookie %q has a name of the cookies of logins under way: call it another", s.Cookie)
	case !cookieName.MatchString(s.Cookie):
		return fmt.Errorf("session cookie %q is not a cookie name: use up to 64 letters, digits, '-' and '_'", s.Cookie)
	case secure && !strings.HasPrefix(s.Cookie, browser.HostPrefix):
		return fmt.Errorf("session cookie %q could be planted by a sibling subdomain: call it %q", s.Cookie, browser.HostPrefix+s.Cookie)
	case !secure && (strings.HasPrefix(strings.ToLower(s.Cookie), "__host-") || strings.HasPrefix(strings.ToLower(s.Cookie), "__secure-")):
		return fmt.Errorf("session cookie %q has a prefix that browsers accept over https only, and redirect_uri is http: leave the prefix out", s.Cookie)
	}
	return nil
}

func (h *Handler) checkRefresh() error {
	if h.Refresh == nil {
		h.Refresh = new(RefreshConfig)
	}
	r := h.Refresh
	if err := positive("refresh margin", &r.Margin, defaultMargin, time.Second); err != nil {
		return err
	}
	if err := positive("refresh ahead", &r.Ahead, max(defaultAhead, time.Duration(r.Margin)), time.Second); err != nil {
		return err
	}
	if err := positive("refresh timeout", &r.Timeout, defaultTimeout, 100*time.Millisecond); err != nil {
		return err
	}
	if r.Ahead < r.Margin {
		return fmt.Errorf("refresh ahead %s is shorter than refresh margin %s: make it longer, so that refreshing starts before requests have to wait",
			time.Duration(r.Ahead), time.Duration(r.Margin))
	}
	return nil
}

// positive sets a duration that was not given to its default and refuses one
// that is below the least sensible.
func positive(option string, d *caddy.Duration, fallback, least time.Duration) error {
	switch {
	case *d == 0:
		*d = caddy.Duration(fallback)
	case *d < 0:
		return fmt.Errorf("%s %s is negative: give a positive duration such as %s", option, time.Duration(*d), fallback)
	case time.Duration(*d) < least:
		return fmt.Errorf("%s %s is too short: give at least %s", option, time.Duration(*d), least)
	}
	return nil
}

// AllowRule names requests for the Web API that visitors may make.
type AllowRule struct {
	// The methods. None stands for all. GET includes HEAD.
	Methods []string `json:"methods,omitempty"`

	// The paths, as the Web API's documentation has them and not percent-encoded,
	// such as `/v1/me/playlists`. In place of a segment, `*` stands for any one.
	// As the last segment it stands for everything below, so `/v1/me/*` does not
	// include `/v1/me` itself.
	Paths []string `json:"paths,omitempty"`
}

// rulesOf returns rules as the Web API's package knows them.
func rulesOf(configured []AllowRule) []webapi.Rule {
	rules := make([]webapi.Rule, 0, len(configured))
	for _, r := range configured {
		rules = append(rules, webapi.Rule(r))
	}
	return rules
}
