package pkce_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// api is a Web API that takes one access token, and what it was sent.
type api struct {
	*httptest.Server
	mu     sync.Mutex
	good   string
	auths  []string
	bodies []string
}

func newAPI(t *testing.T, good string) *api {
	a := &api{good: good}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.auths = append(a.auths, strings.Join(r.Header["Authorization"], ", "))
	a.bodies = append(a.bodies, string(body))
	if r.Header.Get("Authorization") != "Bearer "+a.good {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"status":401,"message":"The access token expired"}}`)
		return
	}
	_, _ = io.WriteString(w, "good")
}

func (a *api) mustSee(t *testing.T, auths ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.Join(a.auths, "\n") != strings.Join(auths, "\n") {
		t.Fatalf("the API saw %q, want %q", a.auths, auths)
	}
}

func mustDo(t *testing.T, c *http.Client, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestClientSendsTheToken(t *testing.T) {
	api := newAPI(t, "access-0")
	client := newRig().authenticator().Client()
	req := request(t, http.MethodPut, api.URL, strings.NewReader("body"))
	req.Header.Set("Authorization", "Bearer of-its-own")
	if status, body := mustDo(t, client, req); status != http.StatusOK || body != "good" {
		t.Errorf("got %d %s", status, body)
	}
	api.mustSee(t, "Bearer access-0")
	if got := req.Header.Get("Authorization"); got != "Bearer of-its-own" {
		t.Errorf("the caller's request was changed: %s", got)
	}
}

// R39: one refresh, one replay, with the body.
func TestUnauthorizedIsReplayedOnce(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"none":  func() io.Reader { return nil },
		"empty": func() io.Reader { return http.NoBody },
		"known": func() io.Reader { return strings.NewReader("the body") },
	} {
		t.Run(name, func(t *testing.T) {
			api, r := newAPI(t, "access-1"), newRig()
			a := r.authenticator()
			if status, answer := mustDo(t, a.Client(), request(t, http.MethodPost, api.URL, body())); status != http.StatusOK || answer != "good" {
				t.Errorf("got %d %s", status, answer)
			}
			api.mustSee(t, "Bearer access-0", "Bearer access-1")
			if api.bodies[0] != api.bodies[1] || name == "known" && api.bodies[1] != "the body" {
				t.Errorf("the API saw the bodies %q", api.bodies)
			}
			r.endpoint.mustCount(t, 1)
		})
	}
}

// R39: a second 401 is the answer.
func TestSecondUnauthorizedIsPassedOn(t *testing.T) {
	api, r := newAPI(t, "of another world"), newRig()
	status, answer := mustDo(t, r.authenticator().Client(), request(t, http.MethodGet, api.URL, nil))
	if status != http.StatusUnauthorized || !strings.Contains(answer, "expired") {
		t.Errorf("got %d %s", status, answer)
	}
	api.mustSee(t, "Bearer access-0", "Bearer access-1")
	r.endpoint.mustCount(t, 1)
}

// R39: a body that cannot be had again is not replayed, and the next request
// has a new token.
func TestUnauthorizedWithStreamedBody(t *testing.T) {
	api, r := newAPI(t, "access-1"), newRig()
	client := r.authenticator().Client()
	status, answer := mustDo(t, client, request(t, http.MethodPost, api.URL, io.MultiReader(strings.NewReader("streamed"))))
	if status != http.StatusUnauthorized || !strings.Contains(answer, "expired") {
		t.Errorf("got %d %s", status, answer)
	}
	api.mustSee(t, "Bearer access-0")
	if status, _ := mustDo(t, client, request(t, http.MethodGet, api.URL, nil)); status != http.StatusOK {
		t.Errorf("the next request got %d", status)
	}
	api.mustSee(t, "Bearer access-0", "Bearer access-1")
	r.endpoint.mustCount(t, 1)
}

// R39: the token was replaced while the request was under way: it is replayed
// without another refresh.
func TestUnauthorizedWithTokenReplacedMeanwhile(t *testing.T) {
	api, r := newAPI(t, "newer"), newRig()
	a := r.authenticator()
	replacing := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(req)
		a.Adopt(r.grant("newer", "refresh-n", 2*time.Hour))
		return resp, err
	})
	client := &http.Client{Transport: a.RoundTripper(replacing)}
	if status, _ := mustDo(t, client, request(t, http.MethodGet, api.URL, nil)); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	api.mustSee(t, "Bearer access-0", "Bearer newer")
	r.endpoint.mustCount(t, 0)
}

// R39: a refresh that brings the same token is no reason to replay.
func TestUnauthorizedWithSameTokenAgain(t *testing.T) {
	api, r := newAPI(t, "access-1"), newRig()
	r.endpoint.says(always(http.StatusOK, nil, `{"access_token":"access-0","token_type":"Bearer","expires_in":3600}`))
	if status, _ := mustDo(t, r.authenticator().Client(), request(t, http.MethodGet, api.URL, nil)); status != http.StatusUnauthorized {
		t.Errorf("got %d", status)
	}
	api.mustSee(t, "Bearer access-0")
	r.endpoint.mustCount(t, 1)
}

// R39: if no better token can be had, the 401 is the answer, body and all.
func TestUnauthorizedWithRefreshFailing(t *testing.T) {
	for name, answer := range map[string]func(int, url.Values) (*http.Response, error){
		"temporary":   unreachable,
		"reauthorize": always(http.StatusBadRequest, nil, `{"error":"invalid_grant"}`),
	} {
		t.Run(name, func(t *testing.T) {
			api, r := newAPI(t, "access-1"), newRig()
			r.endpoint.says(answer)
			status, body := mustDo(t, r.authenticator().Client(), request(t, http.MethodPost, api.URL, strings.NewReader("body")))
			if status != http.StatusUnauthorized || !strings.Contains(body, "expired") {
				t.Errorf("got %d %s", status, body)
			}
			api.mustSee(t, "Bearer access-0")
		})
	}
}

// Without a token nothing is sent, and the body is closed.
func TestNothingIsSentWithoutToken(t *testing.T) {
	api, r := newAPI(t, ""), newRig()
	a := r.authenticator()
	a.End()
	body := &closing{Reader: strings.NewReader("body")}
	resp, err := a.Client().Do(request(t, http.MethodPost, api.URL, body))
	if !errors.Is(err, pkce.ErrReauthorize) {
		t.Errorf("got %v, %v; want ErrReauthorize", resp, err)
	}
	if !body.closed {
		t.Error("the body was not closed")
	}
	api.mustSee(t)
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// The token stays with the origin it was meant for: Client follows no redirect,
// and within a client that does, RoundTripper leaves it out.
func TestRedirects(t *testing.T) {
	elsewhere := newAPI(t, "access-0")
	var home *httptest.Server
	home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer access-0":
			t.Errorf("%s came without the token", r.URL)
		case r.URL.Path == "/here":
			http.Redirect(w, r, home.URL+"/there", http.StatusFound)
		case r.URL.Path == "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer home.Close()
	a := newRig().authenticator()
	following := &http.Client{Transport: a.RoundTripper(nil)}

	for _, path := range []string{"/here", "/away"} {
		if status, _ := mustDo(t, a.Client(), request(t, http.MethodGet, home.URL+path, nil)); status/100 != 3 {
			t.Errorf("Client got %d for %s, want the redirect", status, path)
		}
	}
	if status, _ := mustDo(t, following, request(t, http.MethodGet, home.URL+"/here", nil)); status != http.StatusOK {
		t.Errorf("the redirect within the origin led to %d", status)
	}
	if status, _ := mustDo(t, following, request(t, http.MethodGet, home.URL+"/away", nil)); status != http.StatusUnauthorized {
		t.Errorf("the redirect to another origin led to %d", status)
	}
	elsewhere.mustSee(t, "")
}
