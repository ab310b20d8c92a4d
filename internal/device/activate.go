package device

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// agreement is what a person agreed to. It waits in the cookie of the pending login, so only
// the browser that confirmed the code can end the login.
type agreement struct {
	Code string `json:"c"`
	Life string `json:"l"`
	All  bool   `json:"a,omitempty"` // and not only reading
}

// serveActivate is the page where a person enters a code, and with one the page that shows
// which device it belongs to. A query does not fill the field in: a link alone is not to
// bring anybody closer to agreeing (RFC 8628 §5.4).
func (d *Devices) serveActivate(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		if there, ok := d.flow.Detour(w, r); ok {
			return problem.Redirect(w, there, http.StatusFound)
		}
		return d.render(w, r, http.StatusOK, page.Device{Step: page.DeviceEnter})
	}
	form, q, done, err := d.entered(w, r)
	if done {
		return err
	}
	return d.show(w, r, http.StatusOK, form, q, false)
}

// serveConfirm sends a person who agrees to Spotify.
func (d *Devices) serveConfirm(w http.ResponseWriter, r *http.Request) error {
	form, q, done, err := d.entered(w, r)
	if done {
		return err
	}
	if _, ok := d.keys.Lifetime(form.Get("life")); !ok || form.Get("same_code") != "yes" {
		return d.show(w, r, http.StatusBadRequest, form, q, true)
	}
	details, err := json.Marshal(agreement{Code: q.Code, Life: form.Get("life"), All: form.Get("access") == "all"})
	if err != nil {
		return err
	}
	// Spotify asks, whatever it was told before, so the person sees there as well which
	// account and which scopes it is about.
	return d.flow.Start(w, r, login.Options{Scopes: q.Scopes, ShowDialog: true, Purpose: d.purpose, Details: string(details)})
}

// serveDeny denies a device's request.
func (d *Devices) serveDeny(w http.ResponseWriter, r *http.Request) error {
	_, q, done, err := d.entered(w, r)
	if done {
		return err
	}
	q.Status = denied
	switch err := d.update(r.Context(), q); {
	case errors.Is(err, errGone):
		return d.site.Fail(w, r, d.gone())
	case err != nil:
		return d.site.Fail(w, r, storeProblem(err, d.activatePath()))
	}
	d.site.Metrics.DeviceLogin(telemetry.DeviceDenied)
	d.site.Logger.Info("device login denied", zap.String("device", q.Name), telemetry.ClientIP(r))
	d.site.Observer.Audit(telemetry.AuditDeviceDenied, nil, zap.String("device", q.Name), telemetry.ClientIP(r))
	return d.render(w, r, http.StatusOK, page.Device{Step: page.DeviceDenied, Name: q.Name})
}

// entered returns the pending login whose code a form has. If there is none, the response
// has been made.
func (d *Devices) entered(w http.ResponseWriter, r *http.Request) (form url.Values, q *request, done bool, err error) {
	if p := d.site.CheckOrigin(r); p != nil {
		return nil, nil, true, d.site.Fail(w, r, p)
	}
	if !browser.WantsPageAfterForm(r) {
		return nil, nil, true, d.site.Fail(w, r, problem.BadRequest("A code is entered in a browser, by a person. Open "+d.site.Origin+d.activatePath()+"."))
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, nil, true, d.site.Fail(w, r, problem.BadRequest("The form cannot be read. Send it as the page does."))
	}
	typed := r.PostForm.Get("code")
	code, ok := parseUserCode(typed)
	if !ok {
		return nil, nil, true, d.render(w, r, http.StatusBadRequest, page.Device{Step: page.DeviceEnter, Wrong: page.DeviceMalformed, Typed: typed})
	}
	q, p := d.lookUp(r, code)
	if p != nil {
		return nil, nil, true, d.site.Fail(w, r, p)
	}
	if q == nil {
		return nil, nil, true, d.render(w, r, http.StatusBadRequest, page.Device{Step: page.DeviceEnter, Wrong: page.DeviceUnknown, Typed: typed})
	}
	return r.PostForm, q, false, nil
}

// lookUp returns the pending login of a user code, or nil if there is none, which counts as
// a guess. What was denied or used is like what never was: only the device is told.
func (d *Devices) lookUp(r *http.Request, code string) (*request, *problem.Problem) {
	bounds := []bound{{"code " + network(clientAddress(r)), maxWrong}}
	if sess, err := d.site.SessionOf(r); err == nil {
		bounds = append(bounds, bound{"account " + sess.Account.ID, maxWrong})
	} else {
		// Who is logged in is not shut out by those who guess from many networks.
		bounds = append(bounds, bound{everybody, maxWrongOverall})
	}
	if wait, ok := d.limits.attempt(bounds...); !ok {
		d.site.Metrics.DeviceLogin(telemetry.DeviceRefused)
		if suppressed, ok := d.site.Faults().Admit("device codes"); ok {
			d.site.Logger.Warn("too many wrong device codes were entered; refusing more", telemetry.ClientIP(r), suppressed)
		}
		return nil, &problem.Problem{
			Status: http.StatusTooManyRequests, Reason: reason.TooManyCodes, RetryAfter: wait, LoginURL: d.activatePath(),
			Message: "Too many wrong codes were entered. Wait ten minutes, have the device show a new code, and enter that.",
		}
	}
	id, err := d.idOf(r.Context(), code)
	if err != nil {
		d.limits.right(bounds...)
		return nil, storeProblem(err, d.activatePath())
	}
	q, err := d.load(r.Context(), id)
	switch {
	case errors.Is(err, errGone), err == nil && q.Status != pending:
		return nil, nil
	case err != nil:
		d.limits.right(bounds...)
		return nil, storeProblem(err, d.activatePath())
	}
	d.limits.right(bounds...)
	return q, nil
}

// gone says that a code was good a moment ago, and is no longer.
func (d *Devices) gone() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusBadRequest, Reason: reason.LoginExpired, LoginURL: d.activatePath(), Wording: page.WordingDeviceGone,
		Message: "The code has expired or has been used or denied meanwhile. Have the device show a new one.",
	}
}

// show shows a person which device asks, from where, when and for what. The form comes
// back as it was sent, if something was missing in it.
func (d *Devices) show(w http.ResponseWriter, r *http.Request, status int, form url.Values, q *request, incomplete bool) error {
	pg := page.Device{
		Step: page.DeviceConfirm, Name: q.Name, Code: shown(q.Code), Scopes: q.Scopes,
		Minutes: int(d.site.Clock.Now().Sub(time.Unix(q.CreatedAt, 0)) / time.Minute),
		Nearby:  q.Network == nearby(clientAddress(r)),
		All:     form.Get("access") == "all", Lives: d.keys.Lifetimes("max"),
	}
	if incomplete {
		pg.Wrong = page.DeviceUnconfirmed
		if _, ok := d.keys.Lifetime(form.Get("life")); ok {
			pg.Lives = d.keys.Lifetimes(form.Get("life"))
		}
	}
	return d.render(w, r, status, pg)
}

func (d *Devices) render(w http.ResponseWriter, r *http.Request, status int, pg page.Device) error {
	pg.Path, pg.Home = d.activatePath(), "/"
	return d.site.Pages.Device(w, r, status, pg)
}

// finish ends a login that serveConfirm began: it creates the key, and leaves it for the
// device.
func (d *Devices) finish(ctx context.Context, w http.ResponseWriter, r *http.Request, result login.Result) error {
	var agreed agreement
	life, ok := time.Duration(0), json.Unmarshal([]byte(result.Details), &agreed) == nil
	if ok {
		life, ok = d.keys.Lifetime(agreed.Life)
	}
	code, valid := parseUserCode(agreed.Code)
	if !ok || !valid {
		return d.flow.LoginFailed(w, r, d.flow.LoginUnfinishable())
	}
	// The cookie is the browser's, which may have put another code there: that is a guess
	// like any other.
	q, p := d.lookUp(r, code)
	if p != nil {
		return d.flow.LoginFailed(w, r, p)
	}
	if q == nil {
		return d.flow.LoginFailed(w, r, d.gone())
	}
	who, p := d.flow.LookUpProfile(ctx, result.Token)
	if p != nil {
		p.LoginURL = d.activatePath()
		return d.flow.LoginFailed(w, r, p)
	}
	wanted := wantedKey(result, who.Account(), q, life, !agreed.All)
	sess, p := d.approve(ctx, q, wanted)
	if p != nil {
		return d.flow.LoginFailed(w, r, p)
	}
	d.flow.Succeeded(result.State, d.activatePath())
	d.site.Metrics.Login(telemetry.LoginSucceeded)
	d.site.Metrics.DeviceLogin(telemetry.DeviceApproved)
	d.announce(r, sess, q, wanted)
	account := wanted.Account.DisplayName
	if account == "" {
		account = wanted.Account.ID
	}
	return d.render(w, r, http.StatusOK, page.Device{Step: page.DeviceDone, Name: q.Name, Account: account, Keys: d.site.Prefix + "/keys"})
}
