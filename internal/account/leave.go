package account

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// maxForm bounds a form of the page, in bytes.
const maxForm = 4 << 10

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *problem.Problem) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, problem.BadRequest("The form cannot be read. Send it as the page does.")
	}
	return r.PostForm, nil
}

// endByForm ends the session or access key that a person chose, and shows the rest. One
// that has ended already is as good.
func (a *Accounts) endByForm(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	form, p := readForm(w, r)
	if p != nil {
		return a.site.Fail(w, r, p)
	}
	if ref := form.Get("key"); session.IsRef(ref) && a.keys != nil {
		if _, err := a.keys.Revoke(r.Context(), sess.Account.ID, ref, telemetry.ClientIP(r)); err != nil {
			return a.site.Fail(w, r, a.notEnded(err))
		}
		return problem.Redirect(w, a.path(), http.StatusSeeOther)
	}
	if ref := form.Get("session"); session.IsRef(ref) {
		return a.endSession(w, r, sess, ref)
	}
	return a.site.Fail(w, r, noSuchSession())
}

// endSession ends one of a person's sessions at this site. If it is the one that they ask
// with, they log out.
func (a *Accounts) endSession(w http.ResponseWriter, r *http.Request, sess *session.Session, ref string) error {
	if ref == sess.Ref() {
		return a.flow.LogOut(w, r)
	}
	ix, _, _, err := a.lists.Load(r.Context(), sess.Account.ID)
	if err != nil {
		return a.site.Fail(w, r, a.notEnded(err))
	}
	at := slices.IndexFunc(ix.Sessions, func(e entry) bool { return e.ref() == ref && e.Site == a.site.Base() })
	if at >= 0 {
		// Its end strikes it from the index.
		if err := a.site.Sessions.EndOne(r.Context(), sess.Account.ID, ix.Sessions[at].Key, telemetry.ClientIP(r)); err != nil {
			return a.site.Fail(w, r, a.notEnded(err))
		}
	}
	if r.Method == http.MethodDelete && at < 0 {
		return a.site.Fail(w, r, noSuchSession())
	}
	return a.done(w, r)
}

// endOthers ends all of a person's sessions but the one that they ask with.
func (a *Accounts) endOthers(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	err := a.walk(r.Context(), func() error {
		n, err := a.site.Sessions.EndOthers(context.WithoutCancel(r.Context()), sess, telemetry.ClientIP(r))
		if n > 0 {
			a.site.Logger.Info("other sessions of account ended", zap.String("account", sess.Account.ID), zap.Int("count", n), telemetry.ClientIP(r))
		}
		return err
	})
	if err != nil {
		return a.site.Fail(w, r, a.notEnded(err))
	}
	return a.done(w, r)
}

// deleteAll ends all that the store has of a person's account, and the session that they
// ask with last. A form, or the query of a DELETE, may ask that what the site shows of
// the account to others ends as well.
func (a *Accounts) deleteAll(w http.ResponseWriter, r *http.Request, sess *session.Session) error {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		var p *problem.Problem
		if form, p = readForm(w, r); p != nil {
			return a.site.Fail(w, r, p)
		}
	}
	shared := false
	if value := form.Get("share"); value != "" {
		var err error
		if shared, err = strconv.ParseBool(value); err != nil {
			return a.site.Fail(w, r, problem.BadRequest("share is true or false."))
		}
	}
	err := a.walk(r.Context(), func() error {
		// Nobody is left half deleted because they closed the window.
		n, err := a.site.Sessions.EndAll(context.WithoutCancel(r.Context()), sess, shared, telemetry.ClientIP(r))
		if err == nil {
			a.site.Upstream.Quota.Forget(sess.Account.ID)
			a.site.Logger.Info("account deleted", zap.String("account", sess.Account.ID), zap.Int("ended", n), telemetry.ClientIP(r))
			a.site.Observer.Audit(telemetry.AuditDeleted, sess, zap.Int("ended", n), telemetry.ClientIP(r))
		}
		return err
	})
	if err != nil {
		return a.site.Fail(w, r, a.notEnded(err))
	}
	kind := page.KindDeleted
	switch {
	case a.share == nil:
	case shared:
		a.share.Forget()
	case a.share.Shows(r.Context(), &sess.Account):
		kind = page.KindDeletedShared
	}
	a.site.ClearSession(w, r.Header)
	a.site.ForgetLogin(w, r.Header)
	if !browser.WantsPageAfterForm(r) {
		return a.done(w, r)
	}
	return a.site.Pages.Page(w, r, http.StatusOK, page.Data{Kind: kind, Next: SpotifyURL, Home: "/"})
}

// done responds to who ended something: with the page to a form, and with no content to
// code.
func (a *Accounts) done(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost && browser.WantsPageAfterForm(r) {
		return problem.Redirect(w, a.path(), http.StatusSeeOther)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func noSuchSession() *problem.Problem {
	return &problem.Problem{Status: http.StatusNotFound, Reason: reason.NotFound, Message: "You have no such session here."}
}

// notEnded says that something could not be ended and that the person, who is still
// logged in, can try again.
func (a *Accounts) notEnded(err error) *problem.Problem {
	p := problem.StoreUnavailable(err, a.path())
	p.Message = "Not everything could be ended just now. You are still logged in here. Try again in a moment."
	p.Wording = page.WordingNotEnded
	return p
}
