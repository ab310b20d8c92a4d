package caddyspotify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

var (
	keysStyle    = pageStyle + mustReadPage("pages/keys.css")
	keysTemplate = template.Must(template.ParseFS(pageFiles, "pages/keys.html"))
)

// keysPolicy is pagePolicy, but the form may lead to Spotify: browsers apply
// form-action to where a form's answer redirects, too.
func (p renderer) keysPolicy() string {
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self' %s; base-uri 'none'; frame-ancestors 'none'",
		sourceHash(keysStyle), p.issuer)
}

// serve answers below <prefix>/keys. Whatever it is asked, it asks the
// session's cookie whose keys it is about; an access key is of no use here.
func (k *accessKeys) serve(w http.ResponseWriter, r *http.Request, rest string) error {
	s := k.site
	ref := strings.TrimPrefix(rest, "/")
	var methods []string
	switch {
	case rest == "":
		methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	case rest == "/revoke":
		methods = []string{http.MethodPost}
	case isRef(ref):
		methods = []string{http.MethodDelete}
	default:
		return k.site.fail(w, r, nothingHere(k.site.prefix))
	}
	if !slices.Contains(methods, r.Method) {
		return k.site.fail(w, r, methodNotAllowed(methods))
	}
	if p := s.checkTransport(r); p != nil {
		return k.site.fail(w, r, p)
	}
	// A link to the page may stand anywhere: it shows itself to the person alone.
	page := wantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if !page {
		if p := s.checkOrigin(r); p != nil {
			return k.site.fail(w, r, p)
		}
	}
	sess, err := k.site.sessionOf(r)
	if errors.Is(err, errNoSession) {
		if page {
			return k.flow.askToLogIn(w, r, reason.LoginRequired)
		}
		p := loginRequired(s.loginURL(), reason.LoginRequired)
		p.loginURL = s.loginURLFor(k.path())
		return k.site.fail(w, r, p)
	}
	if err != nil {
		return k.site.fail(w, r, storeProblem(err, k.path()))
	}
	identify(r, sess)
	if sess.account.ID == "" {
		// Spotify did not say at the login whose it was. Keys belong to an account.
		p := loginRequired(s.loginURL(), reason.ReauthorizationRequired)
		p.loginURL = s.loginURLFor(k.path())
		return k.site.fail(w, r, p)
	}
	if page || r.Method != http.MethodGet {
		s.sessions.touch(sess)
	}
	switch {
	case rest == "/revoke":
		return k.revokeByForm(w, r, sess)
	case rest != "":
		return k.revokeKey(w, r, sess, ref)
	case r.Method == http.MethodPost:
		return k.beginKey(w, r, sess)
	case page:
		return k.showKeys(w, r, sess, keysPage{Form: keyForm{
			Life: "max", Access: accessRead, ShowDialog: r.URL.Query().Get("show_dialog") == "true",
		}})
	}
	return k.listKeys(w, r, sess)
}

// listedKey is a key as its owner's code sees it.
type listedKey struct {
	Key        string     `json:"key"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Allow      []string   `json:"allow"`
	Scopes     []string   `json:"scopes"`
}

func (i indexedKey) listed() listedKey {
	l := listedKey{
		Key: i.ref(), Name: i.Name, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
		Allow: i.rules(), Scopes: append([]string{}, i.Scopes...),
	}
	if !i.usedAt.IsZero() {
		used := i.usedAt.UTC()
		l.LastUsedAt = &used
	}
	return l
}

func (i indexedKey) rules() []string {
	rules := []string{}
	for _, rule := range i.Allow {
		rules = append(rules, rule.String())
	}
	return rules
}

// listKeys lists the account's keys for code.
func (k *accessKeys) listKeys(w http.ResponseWriter, r *http.Request, sess *session) error {
	keys, err := k.list(r.Context(), sess.account.ID)
	if err != nil {
		return k.site.fail(w, r, storeProblem(err, ""))
	}
	answer := struct {
		Keys      []listedKey `json:"keys"`
		Max       int         `json:"max"`
		CreateURL string      `json:"create_url"`
	}{Keys: []listedKey{}, Max: k.max, CreateURL: k.path()}
	for _, key := range keys {
		answer.Keys = append(answer.Keys, key.listed())
	}
	setJSONHeaders(w.Header())
	w.Header().Add("Vary", "Cookie")
	return json.NewEncoder(w).Encode(answer)
}

// revokeKey revokes one of the account's keys for code.
func (k *accessKeys) revokeKey(w http.ResponseWriter, r *http.Request, sess *session, ref string) error {
	found, err := k.revoke(r.Context(), sess.account.ID, ref)
	if err != nil {
		return k.site.fail(w, r, revokeProblem(err, ""))
	}
	if !found {
		return k.site.fail(w, r, noSuchKey())
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revokeByForm revokes one of the account's keys for a person, and shows the rest.
func (k *accessKeys) revokeByForm(w http.ResponseWriter, r *http.Request, sess *session) error {
	form, p := readKeyForm(w, r)
	if p != nil {
		return k.site.fail(w, r, p)
	}
	ref := form.Get("key")
	if !isRef(ref) {
		return k.site.fail(w, r, noSuchKey())
	}
	// One that is gone already is as good as revoked.
	if _, err := k.revoke(r.Context(), sess.account.ID, ref); err != nil {
		return k.site.fail(w, r, revokeProblem(err, k.path()))
	}
	return redirect(w, k.path(), http.StatusSeeOther)
}

func noSuchKey() *problem {
	return &problem{status: http.StatusNotFound, reason: reason.NotFound, message: "You have no such access key."}
}

func revokeProblem(err error, again string) *problem {
	p := storeProblem(err, again)
	p.message = "The access key could not be revoked just now, and still works. Try again in a moment."
	p.wording = wordingKeyNotRevoked
	return p
}

// keysPage is what the page shows. The template escapes all of it.
type keysPage struct {
	Created *createdKey
	Keys    []shownKey
	Form    keyForm
	Wrong   *formError

	Path, Home, Base, Account string
	Lives                     []lifeChoice
	Full                      bool
	Max                       int

	// What keys adds.
	Words *words
	W     *keyWords
	Style template.CSS
}

// createdKey is a key that has just been created.
type createdKey struct{ Name, Key string }

// shownKey is a key on the page.
type shownKey struct {
	Ref, Name              string
	Created, Expires, Used string // dates
	Rules, Scopes          []string
}

// formError says what is wrong with what was entered.
type formError struct{ Field, Text string }

// lifeChoice is a time that a key may be given.
type lifeChoice struct {
	Name   string // in the form
	Life   time.Duration
	Chosen bool
	Text   string // Life in words, which keys adds
}

// showKeys shows a person their keys, and the form for another.
func (k *accessKeys) showKeys(w http.ResponseWriter, r *http.Request, sess *session, page keysPage) error {
	keys, err := k.list(r.Context(), sess.account.ID)
	if err != nil {
		return k.site.fail(w, r, storeProblem(err, k.path()))
	}
	for _, key := range keys {
		shown := shownKey{
			Ref: key.ref(), Name: key.Name, Rules: key.rules(), Scopes: key.Scopes,
			Created: day(key.CreatedAt), Expires: day(key.ExpiresAt),
		}
		if !key.usedAt.IsZero() {
			shown.Used = day(key.usedAt)
		}
		page.Keys = append(page.Keys, shown)
	}
	page.Full = len(keys) >= k.max
	page.Account = sess.account.DisplayName
	if page.Account == "" {
		page.Account = sess.account.ID
	}
	status := http.StatusOK
	if page.Wrong != nil {
		status = http.StatusBadRequest
	}
	return k.render(w, r, status, page)
}

// day is a time as the page shows it: in no language, and to the minute only
// where it matters.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// render shows a page of keys, with what all of them show.
func (k *accessKeys) render(w http.ResponseWriter, r *http.Request, status int, page keysPage) error {
	page.Path, page.Home, page.Base, page.Max = k.path(), "/", k.site.origin+k.site.prefix+"/v1/", k.max
	for _, life := range k.lives() {
		page.Lives = append(page.Lives, lifeChoice{Name: life.name, Life: life.d, Chosen: life.name == page.Form.Life})
	}
	return k.site.pages.keys(w, r, status, page)
}

// keys writes the page of a person's access keys.
func (p renderer) keys(w http.ResponseWriter, r *http.Request, status int, page keysPage) error {
	page.Words = wordsFor(r)
	page.W = page.Words.Keys
	page.Style = template.CSS(keysStyle) //nolint:gosec // a constant of ours
	for i := range page.Lives {
		page.Lives[i].Text = page.W.life(page.Lives[i].Life)
	}
	var buf bytes.Buffer
	if err := keysTemplate.Execute(&buf, page); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := w.Header()
	setPageHeaders(h, page.Words, p.keysPolicy())
	h.Add("Vary", "Cookie")
	// With no-referrer, older browsers would not say where the form's request
	// comes from. The whole address may be the callback's, with a code in it.
	h.Set("Referrer-Policy", "origin")
	return writeAnswer(w, r, status, buf.Bytes())
}

// life writes a time that a key may be given.
func (w *keyWords) life(d time.Duration) string {
	for _, unit := range []struct {
		of        time.Duration
		one, many string
	}{{24 * time.Hour, w.Day, w.Days}, {time.Hour, w.Hour, w.Hours}, {time.Minute, w.Minute, w.Minutes}} {
		if d >= unit.of {
			if n := int(d / unit.of); n != 1 {
				return strconv.Itoa(n) + " " + unit.many
			}
			return "1 " + unit.one
		}
	}
	return d.String()
}
