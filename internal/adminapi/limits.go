package adminapi

import (
	"fmt"
	"net/http"

	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// Limits is what GET limits responds: what Spotify limits now, as far as the process
// knows.
type Limits struct {
	Limits []upstream.Limit `json:"limits"`
}

// Opened is what DELETE limits/<name> responds: what was closed.
type Opened struct {
	Opened []upstream.Limit `json:"opened"`
}

func listLimits(w http.ResponseWriter, _ *http.Request, _ string) error {
	return respond(w, http.StatusOK, Limits{upstream.Limits()})
}

func openLimits(w http.ResponseWriter, r *http.Request, name string) error {
	query := r.URL.Query()
	for given := range query {
		if given != "client_id" {
			return badRequest(fmt.Errorf("there is no parameter %q: use client_id", given))
		}
	}
	return respond(w, http.StatusOK, Opened{upstream.OpenLimits(query.Get("client_id"), name)})
}
