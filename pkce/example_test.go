package pkce_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// A new pair of codes for each login.
func ExampleGenerateCodes() {
	codes := pkce.GenerateCodes()
	fmt.Println(len(codes.Verifier), len(codes.Challenge))
	// Output: 100 43
}

// A verifier of another length, between 43 and 128 characters.
func ExampleGenerateCodesLength() {
	codes, err := pkce.GenerateCodesLength(120)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(codes.Verifier))

	_, err = pkce.GenerateCodesLength(42)
	fmt.Println(errors.Is(err, pkce.ErrVerifier))
	// Output:
	// 120
	// true
}

// A verifier of one's own; this one is from RFC 7636 appendix B.
func ExampleCodesFromVerifier() {
	codes, err := pkce.CodesFromVerifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(codes.Challenge)
	// Output: E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
}

// The URL to send the browser to.
func ExampleLoginRequest_URL() {
	codes, err := pkce.CodesFromVerifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") // GenerateCodes, in earnest
	if err != nil {
		log.Fatal(err)
	}
	login, err := pkce.LoginRequest{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "http://127.0.0.1:5543/callback",
		State:       "af0ifjsldkj",
		Codes:       codes,
		Scopes:      []string{pkce.ScopePlaylistReadPrivate, pkce.ScopePlaylistReadCollaborative},
	}.URL()
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(login)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Host + u.Path)
	for _, name := range []string{"client_id", "response_type", "redirect_uri", "state", "scope", "code_challenge_method", "code_challenge"} {
		fmt.Println(name, "=", u.Query().Get(name))
	}
	// Output:
	// accounts.spotify.com/authorize
	// client_id = 0123456789abcdef0123456789abcdef
	// response_type = code
	// redirect_uri = http://127.0.0.1:5543/callback
	// state = af0ifjsldkj
	// scope = playlist-read-private playlist-read-collaborative
	// code_challenge_method = S256
	// code_challenge = E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
}

// An app on a phone or a desktop comes back through a scheme of its own.
func ExampleLoginRequest_URL_customScheme() {
	login, err := pkce.LoginRequest{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "myapp://callback",
		State:       "af0ifjsldkj",
		Codes:       pkce.GenerateCodes(),
	}.URL()
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(login)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.Query().Get("redirect_uri"))
	// Output: myapp://callback
}

// What the browser brings back to the redirect URI is exchanged for a token.
func ExampleConfig_Exchange() {
	spotify := newSpotify()
	defer spotify.Close()
	config := &pkce.Config{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "http://127.0.0.1:5543/callback",
		TokenURL:    spotify.URL + "/api/token", // leave it out for the real one
	}
	codes := pkce.GenerateCodes()

	token, err := config.Exchange(context.Background(), "the-code", codes.Verifier)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Lifetime(), token.Scopes())

	_, err = config.Exchange(context.Background(), "a-used-code", codes.Verifier)
	fmt.Println(err)
	// Output:
	// 1h0m0s [playlist-read-private]
	// token endpoint answered 400 invalid_grant: Invalid authorization code
}

// One refresh by hand. An Authenticator does it when it is time.
func ExampleConfig_Refresh() {
	spotify := newSpotify()
	defer spotify.Close()
	config := &pkce.Config{
		ClientID: "0123456789abcdef0123456789abcdef",
		TokenURL: spotify.URL + "/api/token",
	}

	token, err := config.Refresh(context.Background(), "refresh-1")
	switch {
	case errors.Is(err, pkce.ErrReauthorize):
		fmt.Println("the user has to log in again")
	case errors.Is(err, pkce.ErrTemporary):
		fmt.Println("try again later")
	default:
		// Spotify may leave the refresh token out; then the old one stays.
		fmt.Println(token.RefreshToken())
	}
	// Output: refresh-1
}

// An Authenticator keeps the token fresh; OnRefresh says when there is a new one.
func ExampleConfig_NewAuthenticator() {
	spotify := newSpotify()
	defer spotify.Close()
	config := &pkce.Config{
		ClientID: "0123456789abcdef0123456789abcdef",
		TokenURL: spotify.URL + "/api/token",
		OnRefresh: func(_ *pkce.Authenticator, ev pkce.RefreshEvent) {
			fmt.Println(ev.Outcome, ev.Token.Lifetime())
		},
	}
	expired := pkce.NewToken(pkce.TokenFields{
		AccessToken: "access-1", RefreshToken: "refresh-1",
		Expiry: time.Now().Add(-time.Minute), Lifetime: time.Hour,
	})
	auth := config.NewAuthenticator(expired, nil)

	token, err := auth.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccessToken())
	// Output:
	// refreshed 1h0m0s
	// access-2
}

// A client for the Web API that is always logged in.
func ExampleAuthenticator_Client() {
	spotify := newSpotify()
	defer spotify.Close()
	config := &pkce.Config{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "http://127.0.0.1:5543/callback",
		TokenURL:    spotify.URL + "/api/token",
	}
	token, err := config.Exchange(context.Background(), "the-code", pkce.GenerateCodes().Verifier)
	if err != nil {
		log.Fatal(err)
	}
	client := config.NewAuthenticator(token, nil).Client()

	resp, err := client.Get(spotify.URL + "/v1/me")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status, string(body))
	// Output: 200 OK {"id":"smedjan"}
}

// newSpotify stands in for Spotify: it exchanges one code and knows one user.
func newSpotify() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/v1/me" && r.Header.Get("Authorization") == "Bearer access-1":
			fmt.Fprint(w, `{"id":"smedjan"}`)
		case r.URL.Path == "/api/token" && r.PostFormValue("code") == "the-code":
			fmt.Fprint(w, `{"access_token":"access-1","token_type":"Bearer","scope":"playlist-read-private","expires_in":3600,"refresh_token":"refresh-1"}`)
		case r.URL.Path == "/api/token" && r.PostFormValue("refresh_token") == "refresh-1":
			fmt.Fprint(w, `{"access_token":"access-2","token_type":"Bearer","expires_in":3600}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`)
		}
	}))
}
