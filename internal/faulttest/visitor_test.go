package faulttest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// visitor is one person's browser. Its cookies go to every instance, as they
// are all on one host.
type visitor struct {
	*cluster
	client *http.Client
	user   string
}

// transport serves all visitors.
var transport = &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 2048}

// balanced sends requests to the instances that they name, under the name of the
// site, as a load balancer does.
type balanced struct{ *cluster }

// RoundTrip implements http.RoundTripper.
func (b balanced) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, ours := b.hosts.Load(r.URL.Host); ours {
		r = r.Clone(r.Context())
		r.Host = strings.TrimPrefix(b.site, "http://")
	}
	return transport.RoundTrip(r)
}

// at returns a URL of the site as one at an instance.
func (in *instance) at(url string) string { return strings.Replace(url, in.site, in.origin, 1) }

func (c *cluster) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &visitor{cluster: c, user: "mira", client: &http.Client{
		Jar:           jar,
		Transport:     balanced{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// login begins a session at an instance.
func (c *cluster) login(in *instance) *visitor {
	c.t.Helper()
	v := c.visitor()
	v.login(in)
	return v
}

func (v *visitor) login(in *instance) {
	v.t.Helper()
	if a := v.tryLogin(in); a.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("logging in: status %d: %s", a.StatusCode, a.body)
	}
}

// tryLogin goes through the consent page and returns the callback's answer.
func (v *visitor) tryLogin(in *instance) answer {
	v.t.Helper()
	a, err := v.comeIn(in)
	if err != nil {
		v.t.Fatalf("logging in: %v", err)
	}
	return a
}

// comeIn is tryLogin for any goroutine.
func (v *visitor) comeIn(in *instance) (answer, error) {
	callback, err := spotifytest.Visit(v.client, in.origin+"/spotify/login", v.user, "agree")
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, in.at(callback), nil)
	if err != nil {
		return answer{}, err
	}
	return v.send(req)
}

// answer is a response, read.
type answer struct {
	*http.Response
	body string
}

// reason is the reason that an answer of the proxy's own gives.
func (a answer) reason() string {
	var e struct{ Error struct{ Reason string } }
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Error.Reason
}

func (v *visitor) send(req *http.Request) (answer, error) {
	resp, err := v.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body)}, err
}

// try does what the page's own script would. It may be called from any
// goroutine, and fails no test.
func (v *visitor) try(ctx context.Context, in *instance, method, path string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, in.origin+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	return v.send(req)
}

// me calls the Web API.
func (v *visitor) me(in *instance) answer {
	v.t.Helper()
	return v.fetch(in, http.MethodGet, "/spotify/v1/me")
}

func (v *visitor) fetch(in *instance, method, path string) answer {
	v.t.Helper()
	a, err := v.try(v.t.Context(), in, method, path)
	if err != nil {
		v.t.Fatalf("%s %s%s: %v", method, in.origin, path, err)
	}
	return a
}

// later calls the Web API in the background.
func (v *visitor) later(ctx context.Context, in *instance) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		a, err := v.try(ctx, in, http.MethodGet, "/spotify/v1/me")
		if err != nil {
			a = answer{&http.Response{}, err.Error()}
		}
		ch <- a
	}()
	return ch
}

// laterDuringReload is later for when the config may be replaced just then. A
// server that shuts down drops what comes over a new connection, and no handler
// of any config sees that request; it is sent again until one does.
func (v *visitor) laterDuringReload(ctx context.Context, in *instance) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		a, err := v.try(ctx, in, http.MethodGet, "/spotify/v1/me")
		for tries := 0; reset(err) && tries < 1000; tries++ {
			a, err = v.try(ctx, in, http.MethodGet, "/spotify/v1/me")
		}
		if err != nil {
			a = answer{&http.Response{}, err.Error()}
		}
		ch <- a
	}()
	return ch
}

// want fails the test unless an answer has a status and a reason.
func want(t testing.TB, a answer, status int, reason string) answer {
	t.Helper()
	if a.StatusCode != status || a.reason() != reason {
		t.Fatalf("status %d %q, want %d %q: %s", a.StatusCode, a.reason(), status, reason, a.body)
	}
	return a
}

// wantLater is want for a 503: it must say when to come back, and must leave the
// cookie alone.
func wantLater(t testing.TB, a answer, reason string) {
	t.Helper()
	want(t, a, http.StatusServiceUnavailable, reason)
	if a.Header.Get("Retry-After") == "" {
		t.Error("a 503 without Retry-After")
	}
	for _, cookie := range a.Cookies() {
		if cookie.Name == sessionCookie {
			t.Errorf("a 503 that sets the session's cookie: %v", cookie)
		}
	}
}

const sessionCookie = "spotify_session"

// cookies returns the visitor's cookies for the instances.
func (v *visitor) cookies() (*url.URL, []*http.Cookie) {
	v.t.Helper()
	u, err := url.Parse(v.sim.URL) // of the same host
	if err != nil {
		v.t.Fatal(err)
	}
	return u, v.client.Jar.Cookies(u)
}

// twin returns a visitor with the same cookies, whose jar is another.
func (v *visitor) twin() *visitor {
	v.t.Helper()
	twin := v.visitor()
	twin.client.Jar.SetCookies(v.cookies())
	return twin
}

// key returns the store's key of the visitor's session.
func (v *visitor) key() string {
	v.t.Helper()
	_, cookies := v.cookies()
	for _, cookie := range cookies {
		if cookie.Name == sessionCookie {
			id, err := tokenstore.ParseSessionID(cookie.Value)
			if err != nil {
				v.t.Fatal(err)
			}
			return id.Key(clientID)
		}
	}
	v.t.Fatal("the visitor has no session")
	return ""
}
