package caddyspotify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"go.uber.org/zap"
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

// keyForm is what was entered in the form, as it was entered.
type keyForm struct {
	Name, Life, Access, Rules string
	ShowDialog                bool
}

// The choices of the form.
const (
	accessAll   = "all"
	accessRead  = "read"
	accessRules = "rules"
)

// readOnly lets a key read everything.
const readOnly = "GET /v1/*"

func readKeyForm(w http.ResponseWriter, r *http.Request) (url.Values, *problem) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, badRequest("The form cannot be read. Send it as the page does.")
	}
	return r.PostForm, nil
}

func newKeyForm(form url.Values) keyForm {
	return keyForm{
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
func (k *accessKeys) pending(f keyForm, account string, w *keyWords) (pendingKey, *formError) {
	p := pendingKey{Account: account, Name: f.Name}
	if f.Name == "" || len([]rune(f.Name)) > maxKeyName || !isPlainText(f.Name) {
		return p, &formError{"name", w.BadName}
	}
	lives := k.lives()
	chosen := slices.IndexFunc(lives, func(l keyLife) bool { return l.name == f.Life })
	if chosen < 0 {
		return p, &formError{"life", w.BadLife}
	}
	p.Life = int64(lives[chosen].d / time.Second)
	switch f.Access {
	case accessAll:
	case accessRead:
		p.Allow = readOnly
	case accessRules:
		if f.Rules == "" {
			return p, &formError{"rules", w.NoRules}
		}
		if len(f.Rules) > maxRules {
			return p, &formError{"rules", w.LongRules}
		}
		if _, err := parseRules(f.Rules); err != nil {
			return p, &formError{"rules", w.BadRules + " " + strings.TrimPrefix(err.Error(), "allow: ")}
		}
		p.Allow = f.Rules
	default:
		return p, &formError{"access", w.BadAccess}
	}
	return p, nil
}

// isPlainText reports whether a text is one line that shows as what it is.
func isPlainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' ||
			r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff
	})
}

// parseRules reads rules, one a line.
func parseRules(text string) ([]rule, error) {
	var rules []rule
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		r := newRule(words)
		if err := r.check(); err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// keyLife is a time that a key may be given, by its name in the form.
type keyLife struct {
	name string
	d    time.Duration
}

// lives are the times that a key may be given, the shortest first. The longest is
// always there.
func (k *accessKeys) lives() []keyLife {
	const day = 24 * time.Hour
	lives := slices.DeleteFunc([]keyLife{{"1d", day}, {"7d", 7 * day}, {"30d", 30 * day}, {"90d", 90 * day}},
		func(l keyLife) bool { return l.d >= k.lifetime })
	return append(lives, keyLife{"max", k.lifetime})
}

// beginKey sends the person to Spotify for the key that the form describes.
func (k *accessKeys) beginKey(w http.ResponseWriter, r *http.Request, sess *session) error {
	if !wantsPageFromForm(r) {
		return k.site.fail(w, r, badRequest("An access key is created in a browser, since Spotify has a say in it. Have its owner open "+
			k.url()+"."))
	}
	values, p := readKeyForm(w, r)
	if p != nil {
		return k.site.fail(w, r, p)
	}
	form := newKeyForm(values)
	key, wrong := k.pending(form, sess.account.ID, wordsFor(r).Keys)
	if wrong != nil {
		return k.showKeys(w, r, sess, keysPage{Form: form, Wrong: wrong})
	}
	if p := k.mayHaveAnother(r.Context(), sess.account.ID); p != nil {
		return k.site.fail(w, r, p)
	}
	details, err := json.Marshal(key)
	if err != nil {
		return err
	}
	scopes, p := k.flow.requestedScopes(r, nil)
	if p != nil {
		return k.site.fail(w, r, p)
	}
	return k.flow.start(w, r, loginOptions{
		returnTo: k.path(), scopes: scopes, showDialog: form.ShowDialog, purpose: k.purpose, details: string(details),
	})
}

// mayHaveAnother refuses to make the person go to Spotify for nothing.
func (k *accessKeys) mayHaveAnother(ctx context.Context, account string) *problem {
	keys, err := k.list(ctx, account)
	if err != nil {
		return storeProblem(err, k.path())
	}
	if len(keys) >= k.max {
		return k.tooMany()
	}
	return nil
}

func (k *accessKeys) tooMany() *problem {
	return &problem{
		status: http.StatusConflict, reason: reason.TooManyKeys, loginURL: k.path(),
		message: "You have as many access keys as this site lets you have. Revoke one that you do not need.",
	}
}

// finishKey ends a login that was begun by beginKey: it creates the key and
// shows it, this once.
func (k *accessKeys) finishKey(ctx context.Context, w http.ResponseWriter, r *http.Request, result loginResult) error {
	token := result.token
	var key pendingKey
	if json.Unmarshal([]byte(result.details), &key) != nil || key.Account == "" {
		return k.flow.loginFailed(w, r, k.flow.loginExpired())
	}
	if p := k.stillLoggedIn(r, key.Account); p != nil {
		return k.flow.loginFailed(w, r, p)
	}
	who, err := k.flow.lookUpProfile(ctx, token)
	acct := who.account()
	if p := asProblem(err); p != nil {
		p.loginURL = k.path()
		return k.flow.loginFailed(w, r, p)
	}
	if err != nil {
		return k.flow.loginFailed(w, r, &problem{
			status: http.StatusBadGateway, reason: reason.UpstreamUnavailable, loginURL: k.path(), err: err,
			message: "Spotify did not say whose account this is, so no access key was created. Try again in a moment.",
		})
	}
	if acct.ID != key.Account {
		return k.flow.loginFailed(w, r, &problem{
			status: http.StatusForbidden, reason: reason.WrongAccount, loginURL: k.path() + "?show_dialog=true",
			message: "At Spotify you are logged in with another account than here, so no access key was created. " +
				"Try again, and switch accounts when Spotify asks.",
		})
	}
	terms, err := k.terms(key)
	if err != nil {
		return k.flow.loginFailed(w, r, k.flow.loginExpired())
	}
	sess, err := k.create(ctx, token, acct, terms)
	if errors.Is(err, errTooManyKeys) {
		return k.flow.loginFailed(w, r, k.tooMany())
	}
	if err != nil {
		return k.flow.loginFailed(w, r, storeProblem(err, k.path()))
	}

	identify(r, sess)
	k.flow.used.succeeded(result.state, k.path())
	k.site.metrics.login(loginSucceeded)
	k.site.logger.Info("access key created",
		zap.String("session", sess.ref()),
		zap.String("account", acct.ID),
		zap.Strings("scopes", token.Scopes()),
		zap.Time("expires_at", time.Unix(terms.ExpiresAt, 0).UTC()),
		clientIP(r))
	k.site.observer.emit(eventKeyCreated, sess, payload{
		"scopes": token.Scopes(), "expires_at": timestamp(time.Unix(terms.ExpiresAt, 0)),
	})
	return k.render(w, r, http.StatusOK, keysPage{Created: &createdKey{Name: terms.Name, Key: formatKey(sess.id)}})
}

// stillLoggedIn refuses to create a key for somebody who has logged out since, or
// in as another. A strict cookie does not come along on the way back from Spotify,
// but then the pending login's was set for this browser's session.
func (k *accessKeys) stillLoggedIn(r *http.Request, account string) *problem {
	sess, err := k.site.sessionOf(r)
	switch {
	case err == nil && sess.account.ID == account:
		return nil
	case err != nil && !errors.Is(err, errNoSession):
		return storeProblem(err, k.path())
	}
	if _, sent := cookieValue(r.Header, k.site.sessionCookie); !sent && k.site.sameSite == http.SameSiteStrictMode {
		return nil
	}
	return &problem{
		status: http.StatusForbidden, reason: reason.WrongAccount, loginURL: k.path(),
		message: "You have logged out here, or in with another account, since you asked for the access key. None was created.",
		wording: wordingKeyLoggedOut,
	}
}

// terms are those of a key that is created now. What the browser kept is checked
// as if it came anew.
func (k *accessKeys) terms(key pendingKey) (*keyTerms, error) {
	rules, err := parseRules(key.Allow)
	if err != nil {
		return nil, err
	}
	if key.Allow != "" && len(rules) == 0 || len(key.Allow) > maxRules || len([]rune(key.Name)) > maxKeyName || !isPlainText(key.Name) {
		return nil, errBadPendingLogin
	}
	now := k.site.clock.Now()
	life := min(k.lifetime, time.Duration(max(key.Life, 1))*time.Second)
	ends := now.Add(life)
	if consent := now.AddDate(0, 6, 0); consent.Before(ends) {
		ends = consent
	}
	return &keyTerms{Name: key.Name, ExpiresAt: ends.Unix(), Allow: slices.Clip(rules)}, nil
}
