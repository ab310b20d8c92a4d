package spotifytest

import (
	"crypto/rand"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

//go:embed consent.html
var consentFiles embed.FS

var consentPage = template.Must(template.ParseFS(consentFiles, "consent.html"))

// signInCookie remembers who is signed in at the simulator. Its path keeps it
// away from an app on another port of the same host.
const signInCookie = "spotify_simulator"

// maxSignIns bounds the browsers remembered; past it all must pick a user again.
const maxSignIns = 10000

// consents is what people agreed to, and which browser belongs to whom.
type consents struct {
	mu         sync.Mutex
	registered []string
	browsers   map[string]string // cookie → user
	agreed     map[consentKey]consent
}

type consentKey struct{ user, clientID string }

type consent struct {
	scopes []string
	at     time.Time
}

func newConsents(registered []string) *consents {
	return &consents{
		registered: slices.Clone(registered),
		browsers:   make(map[string]string),
		agreed:     make(map[consentKey]consent),
	}
}

func (c *consents) signedIn(r *http.Request) string {
	cookie, err := r.Cookie(signInCookie)
	if err != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.browsers[cookie.Value]
}

// covers tells whether the user agreed to all of these scopes in the last six months.
func (c *consents) covers(user string, req *authorizeRequest, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	given, found := c.agreed[consentKey{user, req.clientID}]
	if !found || !now.Before(given.at.AddDate(0, refreshMonths, 0)) {
		return false
	}
	for _, scope := range req.scopes {
		if !slices.Contains(given.scopes, scope) {
			return false
		}
	}
	return true
}

// agree records a consent and returns the cookie's value for this browser.
func (c *consents) agree(user string, req *authorizeRequest, now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := consentKey{user, req.clientID}
	scopes := append(slices.Clone(req.scopes), c.agreed[key].scopes...)
	slices.Sort(scopes)
	c.agreed[key] = consent{scopes: slices.Compact(scopes), at: now}
	if len(c.browsers) >= maxSignIns {
		clear(c.browsers)
	}
	browser := rand.Text()
	c.browsers[browser] = user
	return browser
}

func (c *consents) forget(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.agreed {
		if key.user == user {
			delete(c.agreed, key)
		}
	}
}

type consentView struct {
	Nonce, Action, Image string
	App, Back            string
	Users                []consentUser
	Scopes               []string
}

type consentUser struct {
	ID, Name, Product string
	Avatar            template.URL
	Checked           bool
}

// showConsent renders the page on which a person picks a user and agrees or cancels.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request, req *authorizeRequest, signedIn string) {
	view := consentView{
		Nonce:  rand.Text(),
		Action: "/authorize?" + r.URL.RawQuery,
		App:    req.clientID,
		Back:   "the app",
	}
	if u, err := url.Parse(req.redirectURI); err == nil && u.Host != "" {
		view.Back = u.Host
	}
	for i, u := range s.order {
		cu := consentUser{ID: u.ID, Name: u.DisplayName, Product: u.Product, Checked: u.ID == signedIn || signedIn == "" && i == 0}
		switch {
		case u.Outsider:
			cu.Product = "not on the app’s allowlist"
		case u.Newcomer:
			cu.Product += ", empty library"
		}
		cu.Avatar = template.URL(avatarDataURI(u)) // our own drawing, so its scheme is safe
		view.Users = append(view.Users, cu)
	}
	for _, name := range req.scopes {
		view.Scopes = append(view.Scopes, scopes[name])
	}
	if len(view.Scopes) == 0 {
		view.Scopes = []string{"View what is public in your account"}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	// No form-action: browsers apply it to the redirect after the form as well.
	h.Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'nonce-"+view.Nonce+"'; frame-ancestors 'none'; base-uri 'none'")
	_ = consentPage.Execute(w, view) // the browser went away
}

// serveConsent is what the page's form posts.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	req := s.parseAuthorize(w, r)
	if req == nil {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
	if err := r.ParseForm(); err != nil {
		refuse(w, "INVALID_REQUEST: Malformed form")
		return
	}
	user := r.PostForm.Get("user")
	switch r.PostForm.Get("action") {
	case "cancel":
		s.redirectBack(w, r, req, url.Values{"error": {"access_denied"}})
	case "agree":
		if s.users[user] == nil {
			refuse(w, "INVALID_REQUEST: No such user")
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: signInCookie, Value: s.consents.agree(user, req, s.Now()),
			Path: "/authorize", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		s.grant(w, r, req, user)
	default:
		refuse(w, "INVALID_REQUEST: Agree or cancel")
	}
}
