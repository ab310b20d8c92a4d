package caddyspotify

import (
	"encoding/json"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// health is what GET health answers. It is for load balancers, so it says
// nothing that a visitor may not know, and costs next to nothing.
type health struct {
	// Live says that the process answers.
	Live bool `json:"live"`
	// Ready says that it can do its work: the token store answers and can be
	// written.
	Ready bool `json:"ready"`
	// Reason says why it is not ready.
	Reason reason.Reason `json:"reason,omitempty"`
	// Share says whether the shared account is connected, if there is one:
	// connected, not_connected, or unknown.
	Share string `json:"share,omitempty"`
}

// serveHealth answers 200 if the site is ready, and 503 if not.
func (h *Handler) serveHealth(w http.ResponseWriter, r *http.Request) error {
	if err := h.site.Store.Ready(r.Context()); err != nil {
		if suppressed, ok := h.site.Faults().Admit("health"); ok {
			h.site.Logger.Warn("not ready: token store is not responding or cannot be written", zap.Error(err), suppressed)
		}
		return writeHealth(w, r, http.StatusServiceUnavailable, health{Live: true, Reason: reason.StoreUnavailable})
	}
	return writeHealth(w, r, http.StatusOK, health{Live: true, Ready: true, Share: h.share.Health(r.Context())})
}

// serveLive answers 200 for as long as anything does. It is for those who
// restart what is dead: a process is not to be killed because its store is away.
func (h *Handler) serveLive(w http.ResponseWriter, r *http.Request) error {
	return writeHealth(w, r, http.StatusOK, struct {
		Live bool `json:"live"`
	}{true})
}

func writeHealth(w http.ResponseWriter, r *http.Request, status int, answer any) error {
	problem.SetJSONHeaders(w.Header())
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	return json.NewEncoder(w).Encode(answer)
}
