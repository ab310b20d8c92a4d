package caddyspotify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// observe has the sessions tell this config's metrics and events of what happens.
func (h *Handler) observe(ctx caddy.Context) error {
	if err := registerMetrics(ctx); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	o, err := newObserver(ctx, h.site.host, h.site.reauthorizeNotice)
	if err != nil {
		return err
	}
	h.site.observer, h.site.metrics = o, o.metrics
	h.site.sessions.audience.join(o)
	return nil
}

// sessionLogger is the logger of what outlives a config, so it is looked up
// whenever it is used.
func sessionLogger() *zap.Logger { return caddy.Log().Named("http.handlers.spotify_auth") }

func (h *Handler) loadStore(ctx caddy.Context) (tokenstore.Provider, error) {
	if h.StoreRaw == nil {
		h.StoreRaw = json.RawMessage(`{"module":"caddy"}`)
	}
	mod, err := ctx.LoadModule(h, "StoreRaw")
	if err != nil {
		return nil, fmt.Errorf("loading the token store: %w", err)
	}
	provider, ok := mod.(tokenstore.Provider)
	if !ok {
		return nil, fmt.Errorf("store: module %T is no token store", mod)
	}
	return provider, nil
}

func (h *Handler) replacePlaceholders() {
	repl := caddy.NewReplacer()
	for _, s := range []*string{&h.ClientID, &h.RedirectURI, &h.AuthorizeURL, &h.TokenURL, &h.APIURL} {
		*s = strings.TrimSpace(repl.ReplaceAll(*s, ""))
	}
	for _, list := range []*[]string{&h.Scopes, &h.OptionalScopes, &h.AllowOrigin} {
		values := make([]string, 0, len(*list))
		for _, s := range *list {
			// One placeholder may stand for several values.
			values = append(values, strings.Fields(repl.ReplaceAll(s, ""))...)
		}
		*list = values
	}
	h.Share.replacePlaceholders(repl)
	h.AccessKeys.replacePlaceholders(repl)
}

// newSite makes the part of the site that needs no store.
func (h *Handler) newSite(ctx caddy.Context) (*site, error) {
	redirect, err := parseRedirectURI(h.RedirectURI)
	if err != nil {
		return nil, err
	}
	h.AuthorizeURL = cmp.Or(h.AuthorizeURL, defaultAuthorizeURL)
	h.TokenURL = cmp.Or(h.TokenURL, defaultTokenURL)
	h.APIURL = strings.TrimSuffix(cmp.Or(h.APIURL, defaultAPIURL), "/")
	authorizeURL, err := parseServiceURL("authorize_url", h.AuthorizeURL)
	if err != nil {
		return nil, err
	}
	if _, err := parseServiceURL("token_url", h.TokenURL); err != nil {
		return nil, err
	}
	apiURL, err := parseServiceURL("api_url", h.APIURL)
	if err != nil {
		return nil, err
	}

	csrf := http.NewCrossOriginProtection()
	if err := csrf.AddTrustedOrigin(redirect.origin); err != nil {
		return nil, fmt.Errorf("redirect_uri: %w", err)
	}
	for _, origin := range h.AllowOrigin {
		if err := csrf.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allow_origin: %w", err)
		}
	}

	client := newServiceClient(time.Duration(h.Refresh.Timeout))
	s := &site{
		clientID: h.ClientID,
		tokens: &pkce.Config{
			ClientID:     h.ClientID,
			RedirectURI:  h.RedirectURI,
			Scopes:       h.Scopes,
			AuthorizeURL: h.AuthorizeURL,
			TokenURL:     h.TokenURL,
			HTTPClient:   client,
			Margin:       time.Duration(h.Refresh.Margin),
			Ahead:        time.Duration(h.Refresh.Ahead),
			Timeout:      time.Duration(h.Refresh.Timeout),
			Clock:        clock.Get(),
		},
		apiURL:            apiURL,
		issuer:            issuerOf(authorizeURL),
		origin:            redirect.origin,
		host:              redirect.host,
		hostname:          redirect.hostname,
		secure:            redirect.secure,
		prefix:            redirect.prefix,
		sessionCookie:     h.Session.Cookie,
		loginCookies:      "spotify_login_",
		guardCookie:       "spotify_login_done",
		sameSite:          http.SameSiteLaxMode,
		lifetime:          time.Duration(h.Session.Lifetime),
		scopes:            h.Scopes,
		optionalScopes:    h.OptionalScopes,
		reauthorizeNotice: time.Duration(h.Session.ReauthorizeNotice),
		allow:             h.Allow,
		allowedOrigins:    h.AllowOrigin,

		links:   newLinkRewriter(h.APIURL, redirect.origin, redirect.prefix),
		exposed: newExposure(clock.Get()),
		csrf:    csrf,
		used:    newUsedStates(),
		client:  client,
		clock:   clock.Get(),
		logger:  ctx.Logger(),
	}
	if s.sessionCookie == "" {
		s.sessionCookie = "spotify_session"
		if s.secure {
			s.sessionCookie = hostPrefix + s.sessionCookie
		}
	}
	if s.secure {
		s.loginCookies = hostPrefix + s.loginCookies
		s.guardCookie = hostPrefix + s.guardCookie
	}
	if h.Session.SameSite == "strict" {
		s.sameSite = http.SameSiteStrictMode
	}
	return s, nil
}

// newServiceClient is the client for the token endpoint and the account
// lookup. Neither ever redirects, so following one could only lose a secret.
func newServiceClient(timeout time.Duration) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = timeout
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
