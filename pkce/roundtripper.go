package pkce

import (
	"context"
	"errors"
	"io"
	"net/http"

	"golang.org/x/oauth2"
)

// Client returns an HTTP client whose requests carry the session's token, as
// RoundTripper does. Give it URLs of the Web API only.
func (a *Authenticator) Client() *http.Client {
	return &http.Client{
		Transport: a.RoundTripper(nil),
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTripper returns a RoundTripper that sets the Authorization header (RFC
// 6750 §2.1) on a clone of each request and sends it through base, or
// http.DefaultTransport if that is nil. When the API answers 401, the token is
// refreshed and the request sent once more, if its body can be had again
// (http.Request.GetBody). It sends the token to whatever host a request names,
// so it must see requests to the Web API only; but when a redirect leads to
// another origin, the token does not go along.
func (a *Authenticator) RoundTripper(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &roundTripper{auth: a, base: base}
}

type roundTripper struct {
	auth *Authenticator
	base http.RoundTripper
}

// maxDiscard bounds what is read of an answer that is thrown away, so that its
// connection can be used again.
const maxDiscard = 64 << 10

// RoundTrip implements http.RoundTripper.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if redirectedAway(req) {
		return t.base.RoundTrip(req)
	}
	token, err := t.auth.Token(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.send(req, token, req.Body)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	// Even if this request cannot be sent again, the next one needs not fail.
	t.auth.Invalidate(token)
	body, err := again(req)
	if err != nil {
		return resp, nil //nolint:nilerr // the answer says what there is to say
	}
	newer, err := t.auth.Token(req.Context())
	if err != nil || newer.equal(token) {
		if body != nil {
			_ = body.Close()
		}
		return resp, nil //nolint:nilerr // the 401 is the answer, whatever kept the token from being refreshed
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscard)
	_ = resp.Body.Close()
	return t.send(req, newer, body)
}

// send sends a clone of req with the token: a RoundTripper must not change the
// request it is given, and what is left of the one with the token in it is
// nobody's business.
func (t *roundTripper) send(req *http.Request, token *Token, body io.ReadCloser) (*http.Response, error) {
	clone := req.Clone(req.Context())
	clone.Body = body
	if clone.Header == nil {
		clone.Header = make(http.Header, 1)
	}
	clone.Header["Authorization"] = token.Header()
	resp, err := t.base.RoundTrip(clone)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// redirectedAway reports whether an http.Client makes req because of a redirect
// from another origin. The client keeps the Authorization headers it knows of
// from leaving (RFC 9110 §15.4), and has never seen this one.
func redirectedAway(req *http.Request) bool {
	for hop := req; hop.Response != nil && hop.Response.Request != nil; {
		hop = hop.Response.Request
		if hop.URL.Scheme != req.URL.Scheme || hop.URL.Host != req.URL.Host {
			return true
		}
	}
	return false
}

var errBodyUsed = errors.New("the request's body cannot be sent again")

// again returns the request's body a second time.
func again(req *http.Request) (io.ReadCloser, error) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return req.Body, nil
	case req.GetBody == nil:
		return nil, errBodyUsed
	}
	return req.GetBody()
}

// TokenSource returns a as a source of golang.org/x/oauth2, for libraries that
// want one. Its errors are those of Token.
func (a *Authenticator) TokenSource() oauth2.TokenSource { return tokenSource{a} }

type tokenSource struct{ auth *Authenticator }

// Token implements oauth2.TokenSource.
func (s tokenSource) Token() (*oauth2.Token, error) {
	t, err := s.auth.Token(context.Background())
	if err != nil {
		return nil, err
	}
	return t.OAuth2(), nil
}
