package adminapi

import (
	"net/http"

	"github.com/caddyspotify/caddy-spotify/internal/quota"
	"github.com/caddyspotify/caddy-spotify/internal/session"
)

// Quotas is the response to GET quota: the counts of every app.
type Quotas struct {
	Apps []AppQuota `json:"apps"`
}

// AppQuota is what one app has sent in the rolling day.
type AppQuota struct {
	*quota.Report
	// Error says why other instances' counts may be missing.
	Error string `json:"error,omitempty"`
}

// showQuota reads the counts of the other instances before it responds.
func showQuota(w http.ResponseWriter, r *http.Request, _ string) error {
	all := Quotas{Apps: []AppQuota{}}
	for _, ledger := range quota.InUse() {
		app := AppQuota{}
		if err := ledger.Sync(r.Context()); err != nil {
			app.Error = err.Error()
		}
		app.Report = ledger.Report()
		ledger.Name(app.Report, session.Accounts(r.Context()))
		all.Apps = append(all.Apps, app)
	}
	return respond(w, http.StatusOK, all)
}
