package caddyspotify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

//go:embed pages/page.html pages/page.css pages/popup.js pages/keys.html pages/keys.css pages/words/*.json
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

	pageLoggedOut = "logged-out"
)

// What pages say of problems with access keys that share their reason with others.
const (
	wordingKeyCancelled  = "key_cancelled"
	wordingKeyLoggedOut  = "key_logged_out"
	wordingKeyNotRevoked = "key_not_revoked"
)

// pageData is what a page shows. The template escapes all of it.
type pageData struct {
	Kind    string
	Message string // of a problem, in English
	Reason  reason.Reason
	Next    string // where the button leads, or the page by itself
	Home    string
	Script  template.JS
	wording string // which words there are for the problem; empty: the reason's

	// What renderPage adds; a note brings its own Title and Action.
	Words       *words
	Title       string
	MessageLang string // if it is not the page's
	Action      string // the button's text
	Style       template.CSS
}

// errorPage shows a problem to a person.
func errorPage(p *problem) pageData {
	return pageData{Kind: pageError, Message: p.message, Reason: p.reason, wording: p.wording, Next: p.loginURL, Home: "/"}
}

// word puts the page into a language.
func (d *pageData) word(w *words) {
	d.Words = w
	switch d.Kind {
	case pageGoOn:
		d.Title = w.LoggedIn
	case pagePopup:
		d.Title = w.Popup
	case pageLoggedOut:
		d.Title, d.Message, d.Action = w.LoggedOut, w.LoggedOutNote, w.LogInAgain
	case pageNote:
		// For the owner of a site, who has been given the words already.
		d.Words = english
	default:
		said := w.Reasons[cmp.Or(d.wording, string(d.Reason))]
		d.Title = cmp.Or(said.Title, w.SomethingWrong)
		d.Action = cmp.Or(said.Action, w.LogIn)
		if said.Message != "" {
			d.Message = said.Message
		} else if w != english {
			d.MessageLang = english.Lang
		}
	}
}

// renderer writes our own pages. It does not change after it is made.
type renderer struct {
	prefix string // of the site's endpoints
	issuer string // the authorization server, to which a form may lead
}

// page writes one of our own pages.
func (p renderer) page(w http.ResponseWriter, r *http.Request, status int, d pageData) error {
	d.word(wordsFor(r))
	d.Style = template.CSS(pageStyle) //nolint:gosec // a constant of ours
	var buf bytes.Buffer
	if err := pageTemplate.Execute(&buf, d); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	policy := pagePolicy
	if d.Kind == pagePopup {
		policy = popupPolicy
	}
	h := w.Header()
	setPageHeaders(h, d.Words, policy)
	if d.Kind == pageGoOn && strings.HasPrefix(d.Next, p.prefix+"/") {
		// no-referrer would make the browser call the next request's origin
		// opaque. A whole address, the callback's, would put a code and a state
		// into the next request, and so into the access log.
		h.Set("Referrer-Policy", "origin")
	}
	return writeAnswer(w, r, status, buf.Bytes())
}

// setPageHeaders sets what all our pages have in common.
func setPageHeaders(h http.Header, w *words, policy string) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", w.Lang)
	h.Add("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
}
