package accesskeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// An access key has a grant of its own: a copy of the session's refresh token
// would be dead as soon as one of the two was used. So creating a key is a login,
// which for the person is one click, since Spotify does not ask again for what
// it was told before. What the key is to be waits in the pending login's cookie.

// pendingKey is a key that is to be created.
type pendingKey struct {
	Account string `json:"u"` // whose it is to be
	Name    string `json:"n"`
	Life    int64  `json:"e"`           // in seconds
	Allow   string `json:"a,omitempty"` // rules, one a line
}

const (
	maxKeyName = 60  // characters
	maxRules   = 900 // bytes, of all rules of a key
	maxForm    = 16 << 10
)

// The choices of the form.
const (
	accessAll   = "all"
	accessRead  = "read"
	accessRules = "rules"
)

// readOnly lets a key read everything.
const readOnly = "GET /v1/*"

func readKeyForm(w http.ResponseWriter, r *http.Request) (url.Values, *problem.Problem) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, problem.BadRequest("The form cannot be read. Send it as the page does.")
	}
	return r.PostForm, nil
}

func newKeyForm(form url.Values) page.KeyForm {
	return page.KeyForm{
		Name:   strings.TrimSpace(form.Get("name")),
		Life:   form.Get("life"),
		Access: form.Get("access"),
		Rules:  strings.TrimSpace(strings.ReplaceAll(form.Get("rules"), "\r\n", "\n")),
		// Spotify is to ask, so that the person can switch accounts there.
		ShowDialog: form.Get("show_dialog") == "true",
	}
}

// pending makes a pending key of the form, or says, as a field and a text, what
// is wrong with it.
func (k *Keys) pending(f page.KeyForm, account string, w *page.KeyWords) (pendingKey, *page.FormError) {
	p := pendingKey{Account: account, Name: f.Name}
	if f.Name == "" || len([]rune(f.Name)) > maxKeyName || !isPlainText(f.Name) {
		return p, &page.FormError{Field: "name", Text: w.BadName}
	}
	lives := k.lives()
	chosen := slices.IndexFunc(lives, func(l keyLife) bool { return l.name == f.Life })
	if chosen < 0 {
		return p, &page.FormError{Field: "life", Text: w.BadLife}
	}
	p.Life = int64(lives[chosen].d / time.Second)
	if f.Rules != "" && (f.Access == accessAll || f.Access == accessRead) {
		// A key that may do more than its owner wrote down would be a surprise.
		return p, &page.FormError{Field: "access", Text: w.UnusedRules}
	}
	switch f.Access {
	case accessAll:
	case accessRead:
		p.Allow = readOnly
	case accessRules:
		if f.Rules == "" {
			return p, &page.FormError{Field: "rules", Text: w.NoRules}
		}
		if len(f.Rules) > maxRules {
			return p, &page.FormError{Field: "rules", Text: w.LongRules}
		}
		_, err := webapi.ParseRules(f.Rules)
		if line, ok := errors.AsType[*webapi.LineError](err); ok {
			return p, &page.FormError{Field: "rules", Text: fmt.Sprintf("%s Line %d: %s.", w.BadRules, line.Line, line.Err.Unquoted())}
		}
		p.Allow = f.Rules
	default:
		return p, &page.FormError{Field: "access", Text: w.BadAccess}
	}
	return p, nil
}

// maxMarks is how many marks, such as accents, may be on one character. More of them would
// reach into the lines above and below.
const maxMarks = 4

// isPlainText reports whether a text is one line that shows as what it is.
func isPlainText(s string) bool {
	marks := maxMarks // none at the beginning, where there is no character to be on
	for _, r := range s {
		switch {
		case r == '\uFFFD', r == '\u2800', unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp,
			unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
			return false // it has no shape, or changes how the rest shows
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				return false
			}
		default:
			marks = 0
		}
	}
	return true
}

// keyLife is a time that a key may be given, by its name in the form.
type keyLife struct {
	name string
	d    time.Duration
}

// lives are the times that a key may be given, the shortest first. The longest is
// always there.
func (k *Keys) lives() []keyLife {
	const day = 24 * time.Hour
	lives := slices.DeleteFunc([]keyLife{{"1d", day}, {"7d", 7 * day}, {"30d", 30 * day}, {"90d", 90 * day}},
		func(l keyLife) bool { return l.d >= k.lifetime })
	return append(lives, keyLife{"max", k.lifetime})
}

// usualLife is what the form offers first: the name of 30 days, or of the longest
// time if that is shorter. Whoever needs a longer one has to choose it.
func (k *Keys) usualLife() string {
	const usual = "30d"
	if slices.ContainsFunc(k.lives(), func(l keyLife) bool { return l.name == usual }) {
		return usual
	}
	return "max"
}

// beginKey sends the person to Spotify for the key that the form describes.
func (k *Keys) beginKey(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	if !browser.WantsPageAfterForm(r) {
		return k.site.Fail(w, r, problem.BadRequest("An access key is created in a browser, since Spotify has a say in it. Have its owner open "+
			k.url()+"."))
	}
	values, p := readKeyForm(w, r)
	if p != nil {
		return k.site.Fail(w, r, p)
	}
	form := newKeyForm(values)
	key, wrong := k.pending(form, sess.Account.ID, page.WordsFor(r).Keys)
	if wrong != nil {
		return k.showKeys(w, r, sess, page.Keys{Form: form, Wrong: wrong})
	}
	if p := k.mayHaveAnother(r.Context(), sess.Account.ID); p != nil {
		return k.site.Fail(w, r, p)
	}
	// The rules may be full of what JSON in HTML would escape.
	var details strings.Builder
	encoder := json.NewEncoder(&details)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(key); err != nil {
		return err
	}
	scopes, p := k.flow.RequestedScopes(r, nil)
	if p != nil {
		return k.site.Fail(w, r, p)
	}
	return k.flow.Start(w, r, login.Options{
		Scopes: scopes, ShowDialog: form.ShowDialog, Purpose: k.purpose, Details: strings.TrimSuffix(details.String(), "\n"),
	})
}

// mayHaveAnother refuses to make the person go to Spotify for nothing.
func (k *Keys) mayHaveAnother(ctx context.Context, account string) *problem.Problem {
	keys, err := k.list(ctx, account)
	if err != nil {
		return problem.StoreUnavailable(err, k.path())
	}
	if k.active(keys) >= k.max {
		return k.tooMany()
	}
	return nil
}

func (k *Keys) tooMany() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusConflict, Reason: reason.TooManyKeys, LoginURL: k.path(),
		Message: "You have as many access keys as this site lets you have. Revoke one that you do not need.",
	}
}

// finishKey ends a login that was begun by beginKey: it creates the key and
// shows it, this once.
func (k *Keys) finishKey(ctx context.Context, w http.ResponseWriter, r *http.Request, result login.Result) error {
	token := result.Token
	var key pendingKey
	if json.Unmarshal([]byte(result.Details), &key) != nil || key.Account == "" {
		return k.flow.LoginFailed(w, r, k.flow.LoginUnfinishable())
	}
	if p := k.stillLoggedIn(r, key.Account); p != nil {
		return k.flow.LoginFailed(w, r, p)
	}
	who, p := k.flow.LookUpProfile(ctx, token)
	if p != nil {
		p.LoginURL = k.path()
		return k.flow.LoginFailed(w, r, p)
	}
	acct := who.Account()
	if acct.ID != key.Account {
		return k.flow.LoginFailed(w, r, &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.WrongAccount, LoginURL: k.path() + "?show_dialog=true",
			Message: "At Spotify you are logged in with another account than here, so no access key was created. " +
				"Try again, and switch accounts when Spotify asks.",
		})
	}
	terms, err := k.terms(key)
	if err != nil {
		return k.flow.LoginFailed(w, r, k.flow.LoginUnfinishable())
	}
	sess, err := k.create(ctx, token, acct, terms)
	if errors.Is(err, errTooManyKeys) {
		return k.flow.LoginFailed(w, r, k.tooMany())
	}
	if err != nil {
		return k.flow.LoginFailed(w, r, problem.StoreUnavailable(err, k.path()))
	}
	// Whoever has deleted everything meanwhile is not to find a key there afterwards.
	if p := k.stillLoggedIn(r, key.Account); p != nil {
		if err := k.Discard(ctx, sess); err != nil {
			k.site.Logger.Warn("revoking access key after logout failed; its owner can revoke it", zap.String("session", sess.Ref()), zap.Error(err))
		}
		return k.flow.LoginFailed(w, r, p)
	}

	site.Identify(r, sess)
	k.flow.Succeeded(result.State, k.path())
	k.site.Metrics.Login(telemetry.LoginSucceeded)
	k.site.Logger.Info("access key created",
		zap.String("session", sess.Ref()),
		zap.String("account", acct.ID),
		zap.Strings("scopes", token.Scopes()),
		zap.Time("expires_at", time.Unix(terms.ExpiresAt, 0).UTC()),
		telemetry.ClientIP(r))
	k.site.Observer.Audit(telemetry.AuditKeyCreated, sess, zap.Strings("scopes", token.Scopes()),
		zap.Time("expires_at", time.Unix(terms.ExpiresAt, 0).UTC()), telemetry.ClientIP(r))
	k.site.Observer.Emit(telemetry.EventKeyCreated, sess, telemetry.Payload{
		"scopes": token.Scopes(), "expires_at": telemetry.Timestamp(time.Unix(terms.ExpiresAt, 0)),
	})
	return k.render(w, r, http.StatusOK, page.Keys{Created: &page.CreatedKey{Name: terms.Name, Key: formatKey(sess.ID)}})
}

// stillLoggedIn refuses to create a key for somebody who has logged out since, or
// in as another. A strict cookie does not come along on the way back from Spotify,
// but then the pending login's was set for this browser's session.
func (k *Keys) stillLoggedIn(r *http.Request, account string) *problem.Problem {
	sess, err := k.site.SessionOf(r)
	switch {
	case err == nil && sess.Account.ID == account:
		return nil
	case err != nil && !errors.Is(err, session.ErrNone):
		return problem.StoreUnavailable(err, k.path())
	}
	if _, sent := k.site.Session(r.Header); !sent && k.site.SameSite == http.SameSiteStrictMode {
		return nil
	}
	return &problem.Problem{
		Status: http.StatusForbidden, Reason: reason.WrongAccount, LoginURL: k.path(),
		Message: "You have logged out here, or in with another account, since you asked for the access key. None was created.",
		Wording: page.WordingKeyLoggedOut,
	}
}

// terms are those of a key that is created now. What the browser kept is checked
// as if it came again.
func (k *Keys) terms(key pendingKey) (*session.KeyTerms, error) {
	rules, err := webapi.ParseRules(key.Allow)
	if err != nil {
		return nil, err
	}
	if key.Allow != "" && len(rules) == 0 || len(key.Allow) > maxRules || len([]rune(key.Name)) > maxKeyName || !isPlainText(key.Name) {
		return nil, login.ErrBadPendingLogin
	}
	life := max(key.Life, 1)
	ends := k.end(k.site.Clock.Now(), time.Duration(life)*time.Second)
	return &session.KeyTerms{Name: key.Name, ExpiresAt: ends.Unix(), Allow: slices.Clip(rules), Life: life}, nil
}
