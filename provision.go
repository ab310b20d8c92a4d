package caddyspotify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

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
	h.Events.replacePlaceholders(repl)
}

// tokenConfig says how tokens are had, and resolves the addresses of Spotify's
// services.
func (h *Handler) tokenConfig(ctx caddy.Context) (*pkce.Config, error) {
	h.AuthorizeURL = cmp.Or(h.AuthorizeURL, defaultAuthorizeURL)
	h.TokenURL = cmp.Or(h.TokenURL, defaultTokenURL)
	h.APIURL = strings.TrimSuffix(cmp.Or(h.APIURL, defaultAPIURL), "/")
	for _, service := range []struct{ option, url string }{
		{"authorize_url", h.AuthorizeURL}, {"token_url", h.TokenURL}, {"api_url", h.APIURL},
	} {
		if _, err := browser.ParseServiceURL(service.option, service.url); err != nil {
			return nil, err
		}
	}
	client, err := upstream.NewServiceClient(ctx, h.Transport, time.Duration(h.Refresh.Timeout))
	if err != nil {
		return nil, err
	}
	return &pkce.Config{
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
	}, nil
}

// newSite makes the site, with what it shares with other configs.
func (h *Handler) newSite(ctx caddy.Context, tokens *pkce.Config) (*site.Site, error) {
	redirect, err := browser.ParseRedirectURI(h.RedirectURI)
	if err != nil {
		return nil, err
	}
	guard, err := browser.NewGuard(redirect, h.AllowOrigin)
	if err != nil {
		return nil, err
	}
	brand, err := h.Pages.brand(redirect)
	if err != nil {
		return nil, err
	}
	provider, err := h.loadStore(ctx)
	if err != nil {
		return nil, err
	}
	network, err := json.Marshal(h.Transport)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	acquired, err := session.Acquire(provider, tokens, redirect.Base(), string(network), time.Duration(h.Session.Idle), time.Duration(h.Session.Lifetime))
	if err != nil {
		return nil, err
	}
	h.release = append(h.release, acquired.Release)
	gate, releaseGate := upstream.AcquireGate(h.ClientID)
	forms, releaseForms := upstream.AcquireForms(h.ClientID)
	h.release = append(h.release, releaseGate, releaseForms)
	kept, releaseCache := upstream.AcquireCache(h.ClientID, cache.Options{
		Rules: h.Cache.rules(), Size: h.Cache.size(), Off: h.Cache.Off, Variant: redirect.Base() + " " + h.APIURL, Clock: clock.Get(),
	})
	h.release = append(h.release, releaseCache)
	o, err := telemetry.NewObserver(ctx, redirect.Host, time.Duration(h.Session.ReauthorizeNotice))
	if err != nil {
		return nil, err
	}
	o.AccountLeft = kept.Accounts().End
	manager := acquired.Sessions
	manager.Observers.Join(o)
	h.release = append(h.release, func() error { manager.Observers.Leave(o); return nil })
	return &site.Site{
		Guard:    guard,
		Cookies:  browser.NewCookies(redirect, h.Session.Cookie, h.Session.SameSite == "strict", time.Duration(h.Session.Lifetime)),
		Pages:    page.Renderer{Prefix: redirect.Prefix, Issuer: login.IssuerOf(h.AuthorizeURL), Brand: brand},
		ClientID: h.ClientID,
		Allow:    rulesOf(h.Allow),
		Sessions: manager,
		Store:    acquired.Store,
		Observer: o,
		Metrics:  o.Metrics,
		Clock:    clock.Get(),
		Logger:   ctx.Logger(),
		Upstream: &upstream.Site{
			Allow:             rulesOf(h.Allow),
			Links:             upstream.NewLinkRewriter(h.APIURL, redirect.Origin, redirect.Prefix),
			Gate:              gate,
			Forms:             forms,
			Cache:             kept,
			Quota:             h.acquireQuota(ctx),
			Metrics:           o.Metrics,
			Faults:            manager.LogLimiter,
			Audience:          &manager.Observers,
			Logger:            ctx.Logger(),
			ReauthorizeNotice: time.Duration(h.Session.ReauthorizeNotice),
		},
	}, nil
}
