package caddyspotify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// checkStatus is what came of one check.
type checkStatus string

const (
	checkOK      checkStatus = "ok"
	checkFailed  checkStatus = "failed"
	checkSkipped checkStatus = "skipped"
)

// checkResult is one line of the report.
type checkResult struct {
	Check  string      `json:"check"`
	Status checkStatus `json:"status"`
	// Message says what is the case and, if that is wrong, what to do.
	Message string `json:"message"`
}

// siteReport is what was found out about one spotify_auth.
type siteReport struct {
	Site   string        `json:"site"`
	Checks []checkResult `json:"checks"`
}

func (r *siteReport) add(check string, status checkStatus, format string, args ...any) {
	r.Checks = append(r.Checks, checkResult{check, status, fmt.Sprintf(format, args...)})
}

func (r *siteReport) ok(check, format string, args ...any) { r.add(check, checkOK, format, args...) }
func (r *siteReport) fail(check, format string, args ...any) {
	r.add(check, checkFailed, format, args...)
}
func (r *siteReport) skip(check, format string, args ...any) {
	r.add(check, checkSkipped, format, args...)
}

// checkReport is what `caddy spotify check` found out.
type checkReport struct {
	OK    bool         `json:"ok"`
	Sites []siteReport `json:"sites"`
}

// checkTimeout bounds what one site's checks may take.
const checkTimeout = 30 * time.Second

// checkConfig checks a config, given as JSON. Offline, it asks nothing of
// Spotify.
func checkConfig(ctx context.Context, config []byte, offline bool) (*checkReport, error) {
	found, err := findHandlers(config)
	if err != nil {
		return nil, err
	}
	report := new(checkReport)
	if len(found) == 0 {
		report.Sites = []siteReport{{Site: "config", Checks: []checkResult{{
			"config", checkFailed, "there is neither spotify_proxy nor spotify_auth in it: add spotify_proxy to a site",
		}}}}
	}
	for i := range found {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		report.Sites = append(report.Sites, checkSite(ctx, &found[i], storageOf(config), offline))
		cancel()
	}
	report.judge()
	return report, nil
}

// judge sets OK.
func (r *checkReport) judge() {
	r.OK = true
	for _, site := range r.Sites {
		for _, c := range site.Checks {
			r.OK = r.OK && c.Status != checkFailed
		}
	}
}

// checkSite goes from what is nearest to what is farthest, and leaves out what
// depends on something that failed.
func checkSite(ctx context.Context, h *foundHandler, storage json.RawMessage, offline bool) siteReport {
	h.replacePlaceholders()
	r := siteReport{Site: h.RedirectURI}
	if r.Site == "" {
		r.Site = "(no redirect_uri)"
	}
	client := checkClientID(&r, h.ClientID)
	redirect, okRedirect := checkRedirectURI(&r, h.RedirectURI)
	okOptions := client && okRedirect && checkOtherOptions(&r, &h.Handler)
	if okRedirect {
		checkAddress(&r, h, redirect)
	}
	checkStore(ctx, &r, h.StoreRaw, storage)
	switch {
	case offline:
		r.skip("spotify", "not asked, since this is --offline")
	case !okOptions:
		r.skip("spotify", "not asked before the options are right")
	default:
		checkSpotify(ctx, &r, &h.Handler)
	}
	return r
}

// print writes the report for people, a line for each check.
func (r *checkReport) print(w io.Writer) {
	wrong := 0
	marks := map[checkStatus]string{checkOK: "✓", checkFailed: "✗", checkSkipped: "-"}
	for i, site := range r.Sites {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, site.Site)
		for _, c := range site.Checks {
			fmt.Fprintf(w, "  %s %-13s  %s\n", marks[c.Status], c.Check, c.Message)
			if c.Status == checkFailed {
				wrong++
			}
		}
	}
	switch wrong {
	case 0:
		fmt.Fprintln(w, "\nNothing is wrong.")
	case 1:
		fmt.Fprintln(w, "\nOne thing is wrong.")
	default:
		fmt.Fprintf(w, "\n%d things are wrong.\n", wrong)
	}
}
