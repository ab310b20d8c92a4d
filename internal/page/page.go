// Package page renders our own pages, in the words of the reader's language.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

//go:embed html/parts.html html/page.html html/page.css html/popup.js html/keys.html html/keys.css html/keys.js
//go:embed html/account.html html/device.html html/device.css words/*.json
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "html/page.html", "html/parts.html"))

// The policies of our pages. Styles and scripts are files of their own (Files), so
// that pages also work under a policy of the site's that says 'self' and, applied
// late, replaces ours.
const (
	// pagePolicy allows the style and nothing else: no script, no picture but the
	// site's logo (Brand.policy), no frame around the page.
	pagePolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// scriptPolicy is what a page with a script adds.
	scriptPolicy = "; script-src 'self'"
)

func mustReadPage(name string) string {
	b, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

// The kinds of page there are.
const (
	KindError  = "error" // something did not work
	KindNote   = "note"  // says how things are
	KindReturn = "go-on" // moves on to Next by itself
	KindPopup  = "popup" // closes itself

	KindLogOut    = "log-out" // asks whether to log out, with a form that posts to Next
	KindLoggedOut = "logged-out"
	// Nothing is left of a person, or nothing but what is shown of their account to
	// everybody. Next is Spotify's page of apps.
	KindDeleted       = "deleted"
	KindDeletedShared = "deleted-shared"
)

// What pages say of problems with access keys, and with shared data, that share
// their reason with others.
const (
	WordingKeyCancelled  = "key_cancelled"
	WordingKeyLoggedOut  = "key_logged_out"
	WordingKeyNotRevoked = "key_not_revoked"
	WordingShareRefused  = "share_refused"

	WordingKeyNotRenewed     = "key_not_renewed"
	WordingRenewCancelled    = "renew_cancelled"
	WordingRenewGone         = "renew_gone"
	WordingRenewLoggedOut    = "renew_logged_out"
	WordingRenewMoreScopes   = "renew_more_scopes"
	WordingRenewTooMany      = "renew_too_many"
	WordingRenewWrongAccount = "renew_wrong_account"
	WordingNotEnded          = "account_not_ended"
)

// What pages say of logins that came back and cannot be ended.
const (
	WordingLoginTooOld          = "login_too_old"
	WordingLoginOtherBrowser    = "login_other_browser"
	WordingLoginOtherHost       = "login_other_host"
	WordingLoginUsed            = "login_used"
	WordingLoginCancelledBefore = "login_cancelled_before"
	WordingLoginReplaced        = "login_replaced"
	WordingLoginInFrame         = "login_in_frame"
	WordingLoginBusy            = "login_busy"
	WordingLoginPremium         = "login_premium_required"
	WordingLoginRateLimited     = "login_rate_limited"
	WordingLoginForbidden       = "login_forbidden"
	WordingNoProfile            = "login_no_profile"
	WordingLoginUnfinishable    = "login_unfinishable"
)

// Data is what a page shows. The template escapes all of it.
type Data struct {
	Kind      string
	Message   string // of a problem, in English
	Reason    reason.Reason
	Next      string // where the button leads, or the page by itself
	Home      string
	Settled   bool   // nothing is to be done: the button leads to Home, and a link to Next
	InFrame   bool   // the page may be in a frame of the site's, and links out of it
	RequestID string // of the log line about a problem, for people to quote; may be empty
	wording   string // which words there are for the problem; empty: the reason's

	// What Page adds; a note brings its own Title and Action.
	Prefix      string
	Referrer    string // the referrer policy
	Words       *words
	Brand       *Brand
	Title       string
	MessageLang string // if it is not the page's
	Action      string // the button's text
}

// Problem shows a problem to a person.
func Problem(p *problem.Problem) Data {
	return Data{Kind: KindError, Message: p.Message, Reason: p.Reason, wording: p.Wording, Next: p.LoginURL, Home: "/", InFrame: p.InFrame, RequestID: p.RequestID}
}

// word puts the page into a language.
func (d *Data) word(w *words) {
	d.Words = w
	switch d.Kind {
	case KindReturn:
		d.Title = w.LoggedIn
	case KindPopup:
		d.Title = w.Popup
	case KindLoggedOut:
		d.Title, d.Message, d.Action = w.LoggedOut, w.LoggedOutNote, w.LogInAgain
	case KindLogOut:
		d.Title, d.Message, d.Action = w.LogOut, w.LogOutNote, w.LogOutNow
	case KindDeleted:
		d.Title, d.Message, d.Action = w.Deleted, w.DeletedNote, w.AtSpotify
	case KindDeletedShared:
		d.Title, d.Message, d.Action = w.LoggedOut, w.DeletedShared, w.AtSpotify
	case KindNote:
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

// Renderer writes our own pages. It does not change after it is made.
type Renderer struct {
	Prefix string // of the site's endpoints
	Issuer string // the authorization server, to which a form may lead
	Brand  *Brand // the site's, or nil
}

// Page writes one of our own pages.
func (p Renderer) Page(w http.ResponseWriter, r *http.Request, status int, d Data) error {
	d.word(WordsFor(r))
	d.Prefix, d.Brand, d.Referrer = p.Prefix, p.Brand, noReferrer
	if d.Kind == KindLogOut || d.Kind == KindReturn && strings.HasPrefix(d.Next, p.Prefix+"/") {
		// no-referrer would make the browser call the next request's origin
		// opaque. A whole address, the callback's, would put a code and a state
		// into the next request, and so into the access log.
		d.Referrer = originOnly
	}
	var buf bytes.Buffer
	if err := pageTemplate.Execute(&buf, d); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	policy := p.Brand.policy(pagePolicy)
	if d.Kind == KindPopup {
		policy += scriptPolicy
	}
	h := w.Header()
	setPageHeaders(h, d.Words, policy, d.Referrer)
	if d.InFrame {
		h.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	return problem.Write(w, r, status, inert(buf.Bytes()))
}

// The referrer policies of our pages. The pages state theirs as well, so that a
// Referrer-Policy of the site's that is applied late does not send their address, which
// may be the callback's, to where they lead.
const (
	noReferrer = "no-referrer"
	originOnly = "origin"
)

// setPageHeaders sets what all our pages have in common.
func setPageHeaders(h http.Header, w *words, policy, referrer string) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", w.Lang)
	h.Add("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", referrer)
}
