package pkce

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Spotify's endpoints.
const (
	DefaultAuthorizeURL = "https://accounts.spotify.com/authorize"
	DefaultTokenURL     = "https://accounts.spotify.com/api/token" //nolint:gosec // a URL, not a credential
)

// LoginRequest is an authorization request (RFC 6749 §4.1.1) with PKCE (RFC
// 7636 §4.3). The response type is always code and the challenge method S256.
type LoginRequest struct {
	// AuthorizeURL is the authorization endpoint; empty means Spotify's. Query
	// parameters that it has are kept.
	AuthorizeURL string
	// ClientID is the app's. Required.
	ClientID string
	// RedirectURI is where the browser comes back, exactly as registered; it
	// may have a custom scheme, such as myapp://callback. Required.
	RedirectURI string
	// State binds the answer to the browser that asked (RFC 6749 §10.12): a
	// value that nobody can guess, kept until the browser comes back. Required.
	State string
	// Codes come from GenerateCodes; only the challenge is used. Required.
	Codes Codes
	// Scopes that the user is asked for. None is enough for public data.
	Scopes []string
	// ShowDialog has Spotify ask even a user who agreed before, who can then
	// also switch accounts.
	ShowDialog bool
}

// URL returns the URL to send the browser to. It returns an error that names
// the field if a required one is missing or malformed.
func (r LoginRequest) URL() (string, error) {
	for _, f := range []struct{ name, value string }{
		{"client id", r.ClientID}, {"redirect URI", r.RedirectURI}, {"state", r.State}, {"code challenge", r.Codes.Challenge},
	} {
		if f.value == "" {
			return "", fmt.Errorf("login request: %s is missing", f.name)
		}
	}
	if err := checkRedirectURI(r.RedirectURI); err != nil {
		return "", fmt.Errorf("login request: %w", err)
	}
	endpoint := r.AuthorizeURL
	if endpoint == "" {
		endpoint = DefaultAuthorizeURL
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("login request: authorize URL is not an absolute URL")
	}
	q := u.Query()
	q.Set("client_id", r.ClientID)
	q.Set("response_type", "code")
	q.Set("redirect_uri", r.RedirectURI)
	q.Set("state", r.State)
	q.Set("code_challenge_method", "S256")
	q.Set("code_challenge", r.Codes.Challenge)
	if len(r.Scopes) > 0 {
		q.Set("scope", strings.Join(r.Scopes, " "))
	}
	if r.ShowDialog {
		q.Set("show_dialog", "true")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// checkRedirectURI checks what RFC 6749 §3.1.2 asks: absolute, no fragment.
func checkRedirectURI(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "" && u.Path == "") {
		return errors.New("redirect URI is not an absolute URI")
	}
	if strings.Contains(raw, "#") {
		return errors.New("redirect URI has a fragment")
	}
	return nil
}
