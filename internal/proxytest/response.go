package proxytest

import (
	"encoding/json"
	"net/http"
	"testing"
)

// Response is a response whose body has been read.
type Response struct {
	*http.Response
	// Text is the body.
	Text string
}

// APIError is an error of the Web API, or of the proxy, which answers in the same
// form and adds a reason.
type APIError struct {
	Status   int    `json:"status"`
	Message  string `json:"message"`
	Reason   string `json:"reason"`
	LoginURL string `json:"login_url"`
}

// APIError returns the error in a response, which there must be. If the proxy
// made it, which its reason shows, the header must give the same reason, and no
// cache may keep the response (P54).
func (a Response) APIError(t testing.TB) APIError {
	t.Helper()
	var e struct{ Error APIError }
	if err := json.Unmarshal([]byte(a.Text), &e); err != nil {
		t.Fatalf("not an error in JSON: %v: %q", err, a.Text)
	}
	if e.Error.Reason != "" && a.Header.Get("Spotify-Proxy-Reason") != e.Error.Reason {
		t.Errorf("reason %q in the body, %q in the header", e.Error.Reason, a.Header["Spotify-Proxy-Reason"])
	}
	if cc := a.Header.Get("Cache-Control"); e.Error.Reason != "" && cc != "no-store" {
		t.Errorf("Cache-Control of a refusal: %q", cc)
	}
	return e.Error
}

// WantStatus returns the response if it has the given status, and lets the test
// fail if not.
func (b *Browser) WantStatus(a Response, status int) Response {
	b.T.Helper()
	if a.StatusCode != status {
		b.T.Fatalf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.Text)
	}
	return a
}
