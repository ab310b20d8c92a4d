package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// clockTolerance is how far a clock may be off. Tokens are renewed with a
	// minute to spare.
	clockTolerance = 30 * time.Second
	// maxRefusal bounds how much is read of a page that says no.
	maxRefusal = 64 << 10
)

// checkSpotify asks Spotify what can be asked without a login.
func checkSpotify(ctx context.Context, r *SiteReport, h *Subject) {
	request := pkce.LoginRequest{
		AuthorizeURL: h.AuthorizeURL, ClientID: h.ClientID, RedirectURI: h.RedirectURI,
		State: h.State, Codes: pkce.GenerateCodes(), Scopes: h.Scopes,
	}
	login, err := request.URL()
	if err != nil {
		r.fail("authorize_url", "%s", err)
		return
	}
	defer h.Client.CloseIdleConnections()

	var authorization *serviceAnswer
	checked := make(map[string]struct{})
	for _, service := range []struct{ option, url, ask string }{
		{"authorize_url", h.AuthorizeURL, login},
		{"token_url", h.TokenURL, ""},
		{"api_url", h.APIURL, ""},
	} {
		u, err := url.Parse(service.url)
		if err != nil {
			r.fail(service.option, "%s", err)
			continue
		}
		// What several share is said once.
		if _, again := checked[u.Host]; again {
			continue
		}
		checked[u.Host] = struct{}{}
		answer := checkService(ctx, r, h.Client, service.option, u, cmp.Or(service.ask, service.url))
		if service.ask != "" {
			authorization = answer
		}
	}
	if authorization == nil {
		return
	}
	checkClock(r, authorization)
	checkApp(r, authorization, h.RedirectURI)
}

// serviceAnswer is an answer with the beginning of its body.
type serviceAnswer struct {
	*http.Response
	text  string
	asked time.Time
}

// checkService checks whether a service answers, with a certificate that is good,
// on the way that Caddy takes to it. What it answers does not matter.
func checkService(ctx context.Context, r *SiteReport, client *http.Client, option string, u *url.URL, ask string) *serviceAnswer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ask, nil)
	if err != nil {
		r.fail(option, "%s", err)
		return nil
	}
	asked := time.Now()
	res, err := client.Do(req)
	if err != nil {
		r.fail(option, "%s", describeFailure(u, err))
		return nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // what there is of it will do
	if res.TLS == nil {
		r.ok(option, "%s answers", u.Host)
	} else {
		r.ok(option, "%s answers over %s", u.Host, tls.VersionName(res.TLS.Version))
	}
	return &serviceAnswer{res, string(text), asked}
}

func describeFailure(u *url.URL, err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "proxyconnect" {
		return fmt.Sprintf("%s is to be reached through a proxy, which cannot be reached: see network_proxy, or HTTPS_PROXY in the environment", u.Host)
	}
	// Caddy's transport wraps errors so that only their text comes through.
	_, isDNS := errors.AsType[*net.DNSError](err)
	if isDNS || strings.Contains(text, "no such host") {
		return fmt.Sprintf("the name %s does not resolve: see that it is spelt right and that DNS works on this machine, or set HTTPS_PROXY "+
			"for this command if Caddy has it", u.Hostname())
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the certificate of %s is not to be trusted: see whether something on the way to it opens "+
			"TLS, and whether this machine's root certificates and clock are up to date", u.Host)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Sprintf("%s does not speak TLS: see that host and port are right", u.Host)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || strings.Contains(text, "i/o timeout") {
		return fmt.Sprintf("%s does not answer in time: see whether a firewall is in the way", u.Host)
	}
	return fmt.Sprintf("%s cannot be reached: see that host and port are right, and whether a firewall is in the way", u.Host)
}

// checkClock compares this machine's clock with the service's.
func checkClock(r *SiteReport, res *serviceAnswer) {
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		r.skip("clock", "the accounts service does not say what time it is")
		return
	}
	off := res.asked.Sub(date).Round(10 * time.Second)
	if off.Abs() > clockTolerance {
		direction := "ahead of"
		if off < 0 {
			direction = "behind"
		}
		r.fail("clock", "is %s %s that of the accounts service: set it, best by NTP", off.Abs(), direction)
		return
	}
	r.ok("clock", "agrees with that of the accounts service")
}

// checkApp reads what the accounts service answers to a login that begins. It
// refuses an app that it does not know before it asks who is there.
func checkApp(r *SiteReport, res *serviceAnswer, redirectURI string) {
	if location, err := res.Location(); err == nil && strings.HasPrefix(location.String(), redirectURI) {
		// Nobody is logged in here, so coming back at once means a refusal.
		checkRefusal(r, location.Query())
		return
	}
	_, refusal, refused := strings.Cut(res.text, "INVALID_CLIENT:")
	refusal, _, _ = strings.Cut(strings.TrimSpace(refusal), "\n")
	switch {
	case refused && strings.Contains(strings.ToLower(refusal), "redirect"):
		r.fail("app", "the app does not have this redirect_uri: add %s to the app's Redirect URIs at %s, letter for letter", redirectURI, dashboard)
	case refused:
		r.fail("app", "Spotify does not know the client_id: copy the Client ID from %s", dashboard)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= http.StatusInternalServerError:
		r.fail("app", "the accounts service answered %d, so it is not known what it thinks of the app: try again later", res.StatusCode)
	case res.StatusCode >= http.StatusBadRequest:
		r.fail("app", "the accounts service answered %d: see that authorize_url is right", res.StatusCode)
	default:
		r.ok("app", "Spotify knows client_id and redirect_uri, and would ask for the login")
	}
}

func checkRefusal(r *SiteReport, answer url.Values) {
	switch code := answer.Get("error"); code {
	case "":
		r.ok("app", "Spotify knows client_id and redirect_uri")
	case "invalid_scope":
		r.fail("app", "Spotify does not know one of the scopes: compare them with https://developer.spotify.com/documentation/web-api/concepts/scopes")
	default:
		r.fail("app", "Spotify refuses the login with the error %s", problem.Quote(code))
	}
}
