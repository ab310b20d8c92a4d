package adminapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/session"
)

// storeHealth and siteHealth are what GET health says of a store and a site.
type storeHealth struct {
	Store string `json:"store"`
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

type siteHealth struct {
	Site           string `json:"site"`
	ClientID       string `json:"client_id"`
	SessionsCached int    `json:"sessions_cached"`
	SessionsBusy   int    `json:"sessions_busy"`
	PendingSaves   int64  `json:"pending_saves"`
}

func health(w http.ResponseWriter, r *http.Request, _ string) error {
	answer := struct {
		Ready  bool          `json:"ready"`
		Stores []storeHealth `json:"stores"`
		Sites  []siteHealth  `json:"sites"`
	}{Ready: true, Stores: []storeHealth{}, Sites: []siteHealth{}}
	for _, store := range session.StoresInUse() {
		state := storeHealth{Store: store.Name, Ready: true}
		if err := store.Ready(r.Context()); err != nil {
			state.Ready, state.Error, answer.Ready = false, err.Error(), false
		}
		answer.Stores = append(answer.Stores, state)
	}
	for _, m := range session.InUse() {
		o := m.Observers.Observer()
		if o == nil {
			continue
		}
		answer.Sites = append(answer.Sites, siteHealth{
			Site: o.Metrics.Site, ClientID: m.Namespace,
			SessionsCached: m.Cache.Len(), SessionsBusy: m.CountBusy(), PendingSaves: m.PendingSaves.Load(),
		})
	}
	slices.SortFunc(answer.Sites, func(a, b siteHealth) int { return strings.Compare(a.Site, b.Site) })
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	return respond(w, status, answer)
}
