package login

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// refusal is why a callback finds no login that it could end. Its value is what the
// pages call it.
type refusal string

const (
	tooOld           refusal = page.WordingLoginTooOld
	wrongBrowser     refusal = page.WordingLoginOtherBrowser
	wrongHost        refusal = page.WordingLoginOtherHost
	usedUp           refusal = page.WordingLoginUsed
	cancelledAlready refusal = page.WordingLoginCancelledBefore
	replaced         refusal = page.WordingLoginReplaced
)

// refuseCallback words a refusal, with a way to start again.
func (f *Flow) refuseCallback(why refusal) *problem.Problem {
	p := &problem.Problem{
		Status: http.StatusBadRequest, Reason: reason.LoginExpired, Wording: string(why), LoginURL: f.site.LoginURL(),
	}
	switch why {
	case tooOld:
		p.Message = "This login took longer than ten minutes, so it is no longer valid. Start again."
	case wrongHost:
		p.Message = "This login began under another address than " + f.site.Origin + ", where the browser keeps its cookie. " +
			"Open the site under that address and log in there."
	case usedUp:
		p.Message = "This login has been used already, and each one is good for once. If you are not logged in, start again."
	case cancelledAlready:
		p.Message = "You had already cancelled this login at Spotify, so agreeing afterwards has no effect. Start again."
	case replaced:
		p.Message = "Newer logins in this browser have taken this one's place, as when more than ten tabs log in at once. Start again."
	default:
		p.Message = "This login did not begin in this browser, or the browser has not kept its cookie. Start again here."
	}
	return p
}

// tooManyExchanges says that the login cannot be completed just now. It is not over:
// the same callback may be asked for again.
func tooManyExchanges(err error) *problem.Problem {
	return &problem.Problem{
		Status: http.StatusServiceUnavailable, Reason: reason.UpstreamUnavailable, Err: err, RetryAfter: 5 * time.Second,
		Message: "Too many people are logging in just now. Reload this page in a moment.",
		Wording: page.WordingLoginBusy,
	}
}

// aheadOfTime refuses to begin or to end a login that the person has not asked for
// yet. The browser asks again when they do.
func aheadOfTime() *problem.Problem {
	p := problem.BadRequest("A login neither begins nor ends ahead of time (Sec-Purpose).")
	p.ForCode = true
	return p
}

// loginInFrame asks to log in outside of the frame: Spotify is shown in none.
func (f *Flow) loginInFrame(w http.ResponseWriter, r *http.Request, loginURL string) error {
	p := problem.LoginRequired(loginURL, reason.LoginRequired)
	p.Message = "Log in with Spotify first. The login opens in this tab instead of this frame."
	p.Wording, p.InFrame = page.WordingLoginInFrame, true
	return f.site.Fail(w, r, p)
}

// pageAround is the path of the page that a request for a frame comes from, if it is
// one of the site's, or else the frame's own.
func (f *Flow) pageAround(r *http.Request) string {
	if path, ok := strings.CutPrefix(r.Referer(), f.site.Origin); ok {
		if path = browser.ReturnPath(path); path != "/" {
			return path
		}
	}
	return browser.ReturnPath(browser.OriginalURL(r).RequestURI())
}

// LoginUnfinishable says that a login came back, but that what it was for cannot be
// done any more.
func (f *Flow) LoginUnfinishable() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusBadRequest, Reason: reason.LoginExpired, Wording: page.WordingLoginUnfinishable, LoginURL: f.site.LoginURL(),
		Message: "What this login was for cannot be done any more. The site may have changed since you started. Start again.",
	}
}
