package adminapi

import (
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
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
	opened := upstream.OpenLimits(query.Get("client_id"), name)
	audit(opened)
	return respond(w, http.StatusOK, Opened{opened})
}

// audit writes for each client ID what was opened, in the audit log of a site of it.
func audit(opened []upstream.Limit) {
	names := make(map[string][]string)
	for _, l := range opened {
		names[l.ClientID] = append(names[l.ClientID], l.Name)
	}
	for _, m := range session.InUse() {
		if of := names[m.Namespace]; len(of) > 0 {
			delete(names, m.Namespace)
			m.Observers.Observer().Audit(telemetry.AuditLimitsOpened, nil, zap.String("client_id", m.Namespace), zap.Strings("names", of))
		}
	}
}
