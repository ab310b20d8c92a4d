package pkce_test

import (
	"net/http"
	"testing"
)

// redirecting answers a request for a URL with a redirect, and notes what the
// others came with.
type redirecting struct {
	from, to string
	auth     map[string]string
}

// RoundTrip implements http.RoundTripper.
func (r *redirecting) RoundTrip(req *http.Request) (*http.Response, error) {
	res := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody, Request: req}
	if req.URL.String() == r.from {
		res.StatusCode = http.StatusFound
		res.Header.Set("Location", r.to)
	}
	r.auth[req.URL.String()] = req.Header.Get("Authorization")
	return res, nil
}

// P42: the scheme and the port are part of an origin. A redirect from https to http
// on one host would send the token in the clear.
func TestRedirectsOnOneHost(t *testing.T) {
	for to, goesAlong := range map[string]bool{
		"https://api.example/there":      true,
		"http://api.example/there":       false,
		"https://api.example:8443/there": false,
		"https://www.api.example/there":  false,
	} {
		base := &redirecting{from: "https://api.example/here", to: to, auth: make(map[string]string)}
		client := &http.Client{Transport: newRig().authenticator().RoundTripper(base)}
		if status, _ := mustDo(t, client, request(t, http.MethodGet, base.from, nil)); status != http.StatusOK {
			t.Errorf("%s: status %d", to, status)
		}
		if base.auth[base.from] != "Bearer access-0" {
			t.Errorf("%s came with %q", base.from, base.auth[base.from])
		}
		if got, asked := base.auth[to]; !asked || (got != "") != goesAlong {
			t.Errorf("%s: asked %v, with %q", to, asked, got)
		}
	}
}
