package accesskeys

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// renewPath is below path: where an access key is renewed.
const renewPath = "/renew"

// RenewURL returns the absolute URL of the page on which the owner of the access key with
// a reference renews it. It may be sent to the owner: opening it asks for the login of the
// account that owns the key, and then for a click.
func (k *Keys) RenewURL(ref string) string { return k.site.Origin + k.renewRef(ref) }

// renewRef is RenewURL without the origin.
func (k *Keys) renewRef(ref string) string {
	return k.path() + renewPath + "?" + url.Values{"key": {ref}}.Encode()
}

// pendingRenew is a key that is to be renewed, in the pending login's cookie.
type pendingRenew struct {
	Account string `json:"u"` // whose it is
	Ref     string `json:"k"`
}

func (k *Keys) renewPurpose() *login.Purpose {
	return &login.Purpose{
		Name:      "renew",
		RetryURL:  k.path(),
		Exclusive: true,
		Finish:    k.finishRenew,
		Cancelled: func(p *problem.Problem) {
			p.Message = "You did not give this app access to your Spotify account once more, so the access key was not renewed. It goes on as before."
			p.Wording = page.WordingRenewCancelled
		},
	}
}

// askToRenew shows a person the key that a link asks to renew, with a button that does.
// The link itself does nothing.
func (k *Keys) askToRenew(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	if !browser.WantsPage(r) {
		return k.site.Fail(w, r, renewedInBrowser(k.url()))
	}
	ref := r.URL.Query().Get("key")
	key, err := k.findRenewable(r.Context(), sess.Account.ID, ref)
	if err != nil {
		return k.site.Fail(w, r, k.notRenewed(err, ref))
	}
	return k.showKeys(w, r, sess, page.Keys{Renew: &page.Key{Ref: ref, Name: key.Name, Scopes: key.Scopes}})
}

func renewedInBrowser(url string) *problem.Problem {
	return problem.BadRequest("An access key is renewed in a browser, since Spotify has a say in it. Have its owner open " + url + ".")
}

// beginRenew sends the person to Spotify for the key that the form names.
func (k *Keys) beginRenew(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	if !browser.WantsPageAfterForm(r) {
		return k.site.Fail(w, r, renewedInBrowser(k.url()))
	}
	form, p := readKeyForm(w, r)
	if p != nil {
		return k.site.Fail(w, r, p)
	}
	ref := form.Get("key")
	key, err := k.findRenewable(r.Context(), sess.Account.ID, ref)
	if err != nil {
		return k.site.Fail(w, r, k.notRenewed(err, ref))
	}
	details, err := json.Marshal(pendingRenew{Account: sess.Account.ID, Ref: ref})
	if err != nil {
		return err
	}
	// Spotify counts six months from the consent, so there has to be one.
	return k.flow.Start(w, r, login.Options{
		Scopes: k.flow.Configured(key.Scopes), ShowDialog: true, Purpose: k.renewing, Details: string(details),
	})
}

// finishRenew ends a login that was begun by beginRenew: it leaves the grant for the key.
func (k *Keys) finishRenew(ctx context.Context, w http.ResponseWriter, r *http.Request, result login.Result) error {
	token := result.Token
	var pending pendingRenew
	if json.Unmarshal([]byte(result.Details), &pending) != nil || pending.Account == "" || !session.IsRef(pending.Ref) {
		return k.flow.LoginFailed(w, r, k.flow.LoginUnfinishable())
	}
	if p := k.stillLoggedIn(r, pending.Account); p != nil {
		if p.Reason == reason.WrongAccount {
			p.Message = "You have logged out here, or in with another account, since you asked to renew the access key. It goes on as before."
			p.Wording = page.WordingRenewLoggedOut
		}
		return k.flow.LoginFailed(w, r, p)
	}
	profile, p := k.flow.LookUpProfile(ctx, token)
	if p != nil {
		p.LoginURL = k.path()
		return k.flow.LoginFailed(w, r, p)
	}
	account := profile.Account().ID
	if account != pending.Account {
		return k.flow.LoginFailed(w, r, &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.WrongAccount, LoginURL: k.renewRef(pending.Ref),
			Message: "At Spotify you are logged in with another account than here, so the access key was not renewed. " +
				"Try again, and switch accounts when Spotify asks.",
			Wording: page.WordingRenewWrongAccount,
		})
	}
	key, err := k.renew(ctx, token, account, pending.Ref)
	if err != nil {
		return k.flow.LoginFailed(w, r, k.notRenewed(err, pending.Ref))
	}
	next := k.path() + "?renewed=" + pending.Ref
	k.flow.Succeeded(result.State, next)
	k.site.Metrics.Login(telemetry.LoginSucceeded)
	k.site.Metrics.Renewal(telemetry.RenewalGranted)
	ends := key.Waiting.ExpiresAt
	k.site.Logger.Info("access key renewed",
		zap.String("session", pending.Ref),
		zap.String("account", account),
		zap.Strings("scopes", token.Scopes()),
		zap.Time("expires_at", ends),
		telemetry.ClientIP(r))
	who := listedSubject{key.Key, account}
	k.site.Observer.Audit(telemetry.AuditKeyRenewed, who, zap.Strings("scopes", token.Scopes()), zap.Time("expires_at", ends), telemetry.ClientIP(r))
	k.site.Observer.Emit(telemetry.EventKeyRenewed, who, telemetry.Payload{
		"scopes": token.Scopes(), "expires_at": telemetry.Timestamp(ends),
	})
	return k.flow.ReturnToApp(w, r, next)
}

// listedSubject is a key of which no more than its entry is known.
type listedSubject struct{ key, account string }

func (s listedSubject) Ref() string { return tokenstore.Ref(s.key) }

func (s listedSubject) AccountID() string { return s.account }

func (s listedSubject) IsKey() bool { return true }

// notRenewed says why a key was not renewed.
func (k *Keys) notRenewed(err error, ref string) *problem.Problem {
	switch {
	case errors.Is(err, errNoSuchKey):
		return &problem.Problem{
			Status: http.StatusNotFound, Reason: reason.NotFound, LoginURL: k.path(), Wording: page.WordingRenewGone,
			Message: "There is no such access key, or no longer: it was revoked, it expired too long ago, or it is another account's. Create another.",
		}
	case errors.Is(err, errNotRenewable):
		return &problem.Problem{
			Status: http.StatusConflict, Reason: reason.NotRenewable, LoginURL: k.path(),
			Message: "This access key was created before keys could be renewed. It works until it expires. Create another to replace it.",
		}
	case errors.Is(err, errMoreScopes):
		return &problem.Problem{
			Status: http.StatusForbidden, Reason: reason.NotRenewable, LoginURL: k.renewRef(ref), Wording: page.WordingRenewMoreScopes,
			Message: "Spotify has granted more than this access key is for, so it was not renewed. It goes on as before. Create another key for more.",
		}
	case errors.Is(err, errTooManyKeys):
		p := k.tooMany()
		p.Wording = page.WordingRenewTooMany
		p.Message = "You have as many access keys as this site lets you have, beside this one, which has expired. Revoke one, then renew it."
		return p
	}
	p := problem.StoreUnavailable(err, k.renewRef(ref))
	p.Message = "The access key could not be renewed just now, and goes on as before. Try again in a moment."
	p.Wording = page.WordingKeyNotRenewed
	return p
}
