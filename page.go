package caddyspotify

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

//go:embed pages/page.html pages/page.css pages/popup.js
var pageFiles embed.FS

var (
	pageStyle    = mustReadPage("pages/page.css")
	pageTemplate = template.Must(template.ParseFS(pageFiles, "pages/page.html"))
	// pagePolicy allows our own style and nothing else: no script, no picture,
	// no frame around the page.
	pagePolicy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		sourceHash(pageStyle))
)

func mustReadPage(name string) string {
	b, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

// sourceHash names a style or script in a Content-Security-Policy.
func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// The kinds of page there are.
const (
	pageError = "error" // something did not work
	pageNote  = "note"  // says how things are
	pageGoOn  = "go-on" // moves on to Next by itself
	pagePopup = "popup" // closes itself
)

// pageData is what a page shows. The template escapes all of it.
type pageData struct {
	Kind    string
	Title   string
	Message string
	Reason  string
	Action  string // the button's text
	Next    string // where the button leads, or the page by itself
	Home    string
	Style   template.CSS
	Script  template.JS
}

// errorPage words a problem for a person.
func errorPage(s *site, p *problem) pageData {
	d := pageData{Kind: pageError, Title: "Something went wrong", Message: p.message, Reason: p.reason, Home: "/"}
	if p.loginURL != "" {
		d.Next, d.Action = p.loginURL, "Log in with Spotify"
	}
	switch p.reason {
	case reasonLoginCancelled:
		d.Title, d.Action = "You are not logged in", "Try again"
	case reasonLoginFailed, reasonUserNotAllowlisted:
		d.Title, d.Action = "The login did not work", "Try again"
	case reasonLoginExpired:
		d.Title, d.Action = "This login has expired", "Start a new login"
	case reasonLoginLoop:
		d.Title, d.Action = "The login does not stick", "Try again"
	case reasonLoginRequired, reasonReauthorizationRequired:
		d.Title = "Please log in"
	case reasonNotOwner:
		d.Title, d.Action = "Nothing was connected", "Try with another account"
	case reasonShareNotConnected:
		d.Title = "There is nothing to show yet"
	case reasonStoreUnavailable, reasonUpstreamUnavailable:
		d.Title, d.Action = "Please try again in a moment", "Try again"
	case reasonCrossSite:
		d.Title = "Not from there"
	case reasonNotFound:
		d.Title = "There is nothing here"
	}
	return d
}

// renderPage writes one of our own pages.
func (s *site) renderPage(w http.ResponseWriter, r *http.Request, status int, d pageData) error {
	d.Style = template.CSS(pageStyle) //nolint:gosec // a constant of ours
	var buf bytes.Buffer
	if err := pageTemplate.Execute(&buf, d); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagePolicy)
	if d.Kind == pagePopup {
		h.Set("Content-Security-Policy", popupPolicy)
	}
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if d.Kind == pageGoOn && strings.HasPrefix(d.Next, s.prefix+"/") {
		// no-referrer would make the browser call the next request's origin
		// opaque. A whole address, the callback's, would put a code and a state
		// into the next request, and so into the access log.
		h.Set("Referrer-Policy", "origin")
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(buf.Bytes())
	return err
}
