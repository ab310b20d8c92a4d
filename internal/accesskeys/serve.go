package accesskeys

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// Serve answers below <prefix>/keys. Whatever it is asked, it asks the
// session's cookie whose keys it is about; an access key is of no use here.
func (k *Keys) Serve(w http.ResponseWriter, r *http.Request, rest string) error {
	s := k.site
	ref := strings.TrimPrefix(rest, "/")
	var methods []string
	switch {
	case rest == "":
		methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	case rest == "/revoke":
		methods = []string{http.MethodPost}
	case rest == renewPath:
		methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	case session.IsRef(ref):
		methods = []string{http.MethodDelete}
	default:
		return k.site.Fail(w, r, problem.NotFound(k.site.Prefix))
	}
	if !slices.Contains(methods, r.Method) {
		return k.site.Fail(w, r, problem.MethodNotAllowed(methods))
	}
	if p := s.CheckTransport(r); p != nil {
		return k.site.Fail(w, r, p)
	}
	// A link to the page may stand anywhere: it shows itself to the person alone.
	pg := browser.WantsPage(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if !pg {
		if p := s.CheckOrigin(r); p != nil {
			return k.site.Fail(w, r, p)
		}
	}
	sess, err := k.site.SessionOf(r)
	if errors.Is(err, session.ErrNone) {
		if pg {
			return k.flow.AskToLogIn(w, r, reason.LoginRequired)
		}
		p := problem.LoginRequired(s.LoginURL(), reason.LoginRequired)
		p.LoginURL = s.LoginURLFor(k.path())
		return k.site.Fail(w, r, p)
	}
	if err != nil {
		return k.site.Fail(w, r, problem.StoreUnavailable(err, k.path()))
	}
	site.Identify(r, sess)
	if pg || r.Method != http.MethodGet {
		s.Sessions.Touch(sess)
	}
	switch {
	case rest == "/revoke":
		return k.revokeByForm(w, r, sess)
	case rest == renewPath && r.Method == http.MethodPost:
		return k.beginRenew(w, r, sess)
	case rest == renewPath:
		return k.askToRenew(w, r, sess)
	case rest != "":
		return k.revokeKey(w, r, sess, ref)
	case r.Method == http.MethodPost:
		return k.beginKey(w, r, sess)
	case pg:
		return k.showKeys(w, r, sess, page.Keys{Form: page.KeyForm{
			Life: k.usualLife(), Access: accessRead, ShowDialog: r.URL.Query().Get("show_dialog") == "true",
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
	// Expired keys are listed while they can be renewed.
	Expired   bool           `json:"expired"`
	RenewedAt *time.Time     `json:"renewed_at"`
	RenewURL  string         `json:"renew_url,omitempty"` // none if it cannot be renewed
	RenewBy   *time.Time     `json:"renew_by"`
	Renewal   *listedRenewal `json:"renewal"`
	Kind      string         `json:"kind,omitempty"`
}

// listedRenewal is a renewal that the key has not taken yet.
type listedRenewal struct {
	RenewedAt time.Time `json:"renewed_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (k *Keys) listed(i indexedKey) listedKey {
	l := listedKey{
		Key: i.ref(), Name: i.Name, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
		Allow: i.rules(), Scopes: append([]string{}, i.Scopes...), Expired: i.expired(k.site.Clock.Now()), Kind: i.Kind,
	}
	if !i.RenewedAt.IsZero() {
		l.RenewedAt = &i.RenewedAt
	}
	if i.renewable() {
		until := i.keptUntil()
		l.RenewURL, l.RenewBy = k.renewRef(i.ref()), &until
	}
	if i.Waiting != nil {
		l.Renewal = &listedRenewal{i.Waiting.RenewedAt, i.Waiting.ExpiresAt}
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
func (k *Keys) listKeys(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	keys, err := k.list(r.Context(), sess.Account.ID)
	if err != nil {
		return k.site.Fail(w, r, problem.StoreUnavailable(err, ""))
	}
	answer := struct {
		Keys      []listedKey `json:"keys"`
		Max       int         `json:"max"`
		CreateURL string      `json:"create_url"`
	}{Keys: []listedKey{}, Max: k.max, CreateURL: k.path()}
	for _, key := range keys {
		answer.Keys = append(answer.Keys, k.listed(key))
	}
	problem.SetJSONHeaders(w.Header())
	w.Header().Add("Vary", "Cookie")
	return json.NewEncoder(w).Encode(answer)
}

// revokeKey revokes one of the account's keys for code.
func (k *Keys) revokeKey(w http.ResponseWriter, r *http.Request, sess *session.Session, ref string) error {
	found, err := k.revoke(r.Context(), sess.Account.ID, ref, telemetry.ClientIP(r))
	if err != nil {
		return k.site.Fail(w, r, revokeProblem(err, ""))
	}
	if !found {
		return k.site.Fail(w, r, noSuchKey())
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revokeByForm revokes one of the account's keys for a person, and shows the rest.
func (k *Keys) revokeByForm(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	form, p := readKeyForm(w, r)
	if p != nil {
		return k.site.Fail(w, r, p)
	}
	ref := form.Get("key")
	if !session.IsRef(ref) {
		return k.site.Fail(w, r, noSuchKey())
	}
	// One that is gone already is as good as revoked.
	if _, err := k.revoke(r.Context(), sess.Account.ID, ref, telemetry.ClientIP(r)); err != nil {
		return k.site.Fail(w, r, revokeProblem(err, k.path()))
	}
	return problem.Redirect(w, k.path(), http.StatusSeeOther)
}

func noSuchKey() *problem.Problem {
	return &problem.Problem{Status: http.StatusNotFound, Reason: reason.NotFound, Message: "You have no such access key."}
}

func revokeProblem(err error, again string) *problem.Problem {
	p := problem.StoreUnavailable(err, again)
	p.Message = "The access key could not be revoked just now, and still works. Try again in a moment."
	p.Wording = page.WordingKeyNotRevoked
	return p
}

// showKeys shows a person their keys, and the form for another.
func (k *Keys) showKeys(w http.ResponseWriter, r *http.Request, sess *session.Session, pg page.Keys) error {
	keys, err := k.list(r.Context(), sess.Account.ID)
	if err != nil {
		return k.site.Fail(w, r, problem.StoreUnavailable(err, k.path()))
	}
	for _, key := range keys {
		shown := page.Key{
			Ref: key.ref(), Name: key.Name, Rules: key.rules(), Scopes: key.Scopes,
			Created: day(key.CreatedAt), Expires: day(key.ExpiresAt),
		}
		since := key.CreatedAt
		if key.RenewedAt.After(since) {
			since = key.RenewedAt
		}
		if left := key.ExpiresAt.Sub(k.site.Clock.Now()); left > 0 && left < k.site.Upstream.ReauthorizeNotice && left < key.ExpiresAt.Sub(since)/2 {
			shown.Left = left
		}
		if !key.usedAt.IsZero() {
			shown.Used = day(key.usedAt)
		}
		k.showRenewal(&shown, key)
		pg.Keys = append(pg.Keys, shown)
		if (key.Waiting != nil || !key.RenewedAt.IsZero()) && r.URL.Query().Get("renewed") == key.ref() {
			pg.Renewed = key.Name
		}
	}
	pg.Full = k.active(keys) >= k.max
	pg.Account = sess.Account.DisplayName
	if pg.Account == "" {
		pg.Account = sess.Account.ID
	}
	status := http.StatusOK
	if pg.Wrong != nil {
		status = http.StatusBadRequest
	}
	return k.render(w, r, status, pg)
}

// showRenewal adds what the page says of a key's renewal.
func (k *Keys) showRenewal(shown *page.Key, key indexedKey) {
	shown.Renewable, shown.Failed = key.renewable(), key.Failed
	if !key.RenewedAt.IsZero() {
		shown.Renewed = day(key.RenewedAt)
	}
	if key.expired(k.site.Clock.Now()) {
		shown.RenewBy = day(key.keptUntil())
	}
	if key.Waiting != nil {
		shown.Waiting, shown.UseBy = day(key.Waiting.ExpiresAt), day(key.keptUntil())
	}
}

// day is a time as the page shows it: in no language, and to the minute only
// where it matters.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// render shows a page of keys, with what all of them show.
func (k *Keys) render(w http.ResponseWriter, r *http.Request, status int, pg page.Keys) error {
	pg.Path, pg.Home, pg.Base, pg.Max = k.path(), "/", k.site.Origin+k.site.Prefix+"/v1/", k.max
	for _, life := range k.lives() {
		pg.Lives = append(pg.Lives, page.Lifetime{Name: life.name, Life: life.d, Chosen: life.name == pg.Form.Life})
	}
	return k.site.Pages.Keys(w, r, status, pg)
}
