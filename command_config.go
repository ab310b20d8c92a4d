package caddyspotify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// subjectsOf returns the sites of a config, given as JSON, as the checks see them.
func subjectsOf(config []byte) ([]doctor.Subject, error) {
	found, err := doctor.FindHandlers(config, "spotify_auth")
	if err != nil {
		return nil, err
	}
	sites := make([]doctor.Subject, len(found))
	for i, f := range found {
		var h Handler
		if err := json.Unmarshal(f.Handler, &h); err != nil {
			return nil, fmt.Errorf("reading the options of spotify_auth: %w", err)
		}
		h.replacePlaceholders()
		err := h.checkOptions()
		s := doctor.Subject{
			Found:        f,
			ClientID:     h.ClientID,
			RedirectURI:  h.RedirectURI,
			Scopes:       h.Scopes,
			RequireLogin: h.RequireLogin,
			AuthorizeURL: cmp.Or(h.AuthorizeURL, defaultAuthorizeURL),
			TokenURL:     cmp.Or(h.TokenURL, defaultTokenURL),
			APIURL:       cmp.Or(h.APIURL, defaultAPIURL),
			Options:      err,
			State:        login.NewState(),
			Store:        h.StoreRaw,
		}
		if err == nil {
			s.Client, s.Options = serviceClient(&h, f.Storage)
		}
		sites[i] = s
	}
	return sites, nil
}

// serviceClient returns the client that a running Caddy has for the token endpoint.
func serviceClient(h *Handler, storage json.RawMessage) (*http.Client, error) {
	ctx, err := doctor.Context(storage)
	if err != nil {
		return nil, err
	}
	return upstream.NewServiceClient(ctx, h.Transport, time.Duration(h.Refresh.Timeout))
}
