// Package doctor checks, one by one, what has to be right for a login to work.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// checkStatus is what came of one check.
type checkStatus string

const (
	checkOK      checkStatus = "ok"
	CheckFailed  checkStatus = "failed" // something is to be mended
	checkSkipped checkStatus = "skipped"
)

// CheckResult is one line of the report.
type CheckResult struct {
	Check  string      `json:"check"`
	Status checkStatus `json:"status"`
	// Message says what is the case and, if that is wrong, what to do.
	Message string `json:"message"`
}

// SiteReport is what was found out about one spotify_auth.
type SiteReport struct {
	Site   string        `json:"site"`
	Checks []CheckResult `json:"checks"`
}

func (r *SiteReport) add(check string, status checkStatus, format string, args ...any) {
	r.Checks = append(r.Checks, CheckResult{check, status, fmt.Sprintf(format, args...)})
}

func (r *SiteReport) ok(check, format string, args ...any) { r.add(check, checkOK, format, args...) }

func (r *SiteReport) fail(check, format string, args ...any) {
	r.add(check, CheckFailed, format, args...)
}

func (r *SiteReport) skip(check, format string, args ...any) {
	r.add(check, checkSkipped, format, args...)
}

// Report is what `caddy spotify check` found out.
type Report struct {
	OK    bool         `json:"ok"`
	Sites []SiteReport `json:"sites"`
}

// checkTimeout bounds what one site's checks may take.
const checkTimeout = 30 * time.Second

// Subject is a site as a config describes it, with placeholders replaced and
// defaults filled in, right or wrong.
type Subject struct {
	Found

	ClientID     string
	RedirectURI  string
	Scopes       []string
	RequireLogin []string
	AuthorizeURL string
	TokenURL     string
	APIURL       string
	// Options is what is wrong with the options that are not checked here.
	Options error
	// Client asks Spotify.
	Client *http.Client
	// State is one as logins have.
	State string

	// Store is the JSON of the token store.
	Store json.RawMessage
}

// Check checks the sites of a config. Offline, it asks nothing of Spotify.
func Check(ctx context.Context, found []Subject, offline bool) *Report {
	report := new(Report)
	if len(found) == 0 {
		report.Sites = []SiteReport{{Site: "config", Checks: []CheckResult{{
			"config", CheckFailed, "there is neither spotify_proxy nor spotify_auth in it: add spotify_proxy to a site",
		}}}}
	}
	for i := range found {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		report.Sites = append(report.Sites, checkSite(ctx, &found[i], offline))
		cancel()
	}
	report.sum()
	return report
}

// sum sets OK.
func (r *Report) sum() {
	r.OK = true
	for _, site := range r.Sites {
		for _, c := range site.Checks {
			r.OK = r.OK && c.Status != CheckFailed
		}
	}
}

// checkSite goes from what is nearest to what is farthest, and leaves out what
// depends on something that failed.
func checkSite(ctx context.Context, h *Subject, offline bool) SiteReport {
	r := SiteReport{Site: h.RedirectURI}
	if r.Site == "" {
		r.Site = "(no redirect_uri)"
	}
	client := checkClientID(&r, h.ClientID)
	redirect, okRedirect := checkRedirectURI(&r, h.RedirectURI)
	okOptions := client && okRedirect && checkOtherOptions(&r, h)
	if okRedirect {
		checkAddress(&r, h, redirect)
		checkRequireLogin(&r, h, redirect)
	}
	checkStore(ctx, &r, h.Store, h.Storage)
	switch {
	case offline:
		r.skip("spotify", "skipped: --offline")
	case !okOptions:
		r.skip("spotify", "skipped until the options are valid")
	default:
		checkSpotify(ctx, &r, h)
	}
	return r
}

// Print writes the report for people, a line for each check.
func (r *Report) Print(w io.Writer) {
	wrong := 0
	marks := map[checkStatus]string{checkOK: "✓", CheckFailed: "✗", checkSkipped: "-"}
	for i, site := range r.Sites {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, site.Site)
		for _, c := range site.Checks {
			fmt.Fprintf(w, "  %s %-13s  %s\n", marks[c.Status], c.Check, c.Message)
			if c.Status == CheckFailed {
				wrong++
			}
		}
	}
	switch wrong {
	case 0:
		fmt.Fprintln(w, "\nAll checks passed.")
	case 1:
		fmt.Fprintln(w, "\n1 check failed.")
	default:
		fmt.Fprintf(w, "\n%d checks failed.\n", wrong)
	}
}
