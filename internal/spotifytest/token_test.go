package spotifytest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestTokenRefusals(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	for _, tc := range []struct {
		name        string
		form        func(code string) url.Values
		code        string
		description string
	}{
		{"no grant type", func(c string) url.Values { return codeForm(c, "grant_type", "") }, "unsupported_grant_type", "grant_type parameter is missing"},
		{"password", func(c string) url.Values { return codeForm(c, "grant_type", "password") }, "unsupported_grant_type", "grant_type must be client_credentials, authorization_code or refresh_token"},
		{"no client id", func(c string) url.Values { return codeForm(c, "client_id", "") }, "invalid_client", ""},
		{"bad client id", func(c string) url.Values { return codeForm(c, "client_id", "me") }, "invalid_client", "Invalid client"},
		{"another client id", func(c string) url.Values { return codeForm(c, "client_id", strings.Repeat("f", 32)) }, "invalid_grant", "Invalid authorization code"},
		{"a secret", func(c string) url.Values { return codeForm(c, "client_secret", "s") }, "invalid_client", "Invalid client secret"},
		{"no code", func(c string) url.Values { return codeForm("") }, "invalid_request", "code must be supplied"},
		{"wrong code", func(c string) url.Values { return codeForm(c + "x") }, "invalid_grant", "Invalid authorization code"},
		{"no redirect URI", func(c string) url.Values { return codeForm(c, "redirect_uri", "") }, "invalid_request", "redirect_uri must be supplied"},
		{"another redirect URI", func(c string) url.Values { return codeForm(c, "redirect_uri", redirectURI+"2") }, "invalid_grant", "Invalid redirect URI"},
		{"no verifier", func(c string) url.Values { return codeForm(c, "code_verifier", "") }, "invalid_request", "code_verifier must be supplied"},
		{"short verifier", func(c string) url.Values { return codeForm(c, "code_verifier", verifier[:42]) }, "invalid_request", "code_verifier must be 43 to 128 unreserved characters"},
		{"wrong verifier", func(c string) url.Values { return codeForm(c, "code_verifier", verifier+"x") }, "invalid_grant", "code_verifier was incorrect"},
		{"unknown refresh token", refreshForm, "invalid_grant", "Invalid refresh token"},
		{"no refresh token", func(string) url.Values { return refreshForm("") }, "invalid_request", "refresh_token must be supplied"},
		{"repeated", func(c string) url.Values { f := codeForm(c); f.Add("code", c); return f }, "invalid_request", "code must not be repeated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, out := a.token(tc.form(a.approve("mira").Get("code")))
			if status != http.StatusBadRequest || out.Error != tc.code || out.Description != tc.description || out.AccessToken != "" {
				t.Errorf("got %d %+v", status, out)
			}
		})
	}
}

func TestTokenRequestForm(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	form := codeForm(a.approve("mira").Get("code"))
	for _, tc := range []struct {
		name, method, query, contentType, authorization string
		want                                            int
	}{
		{"GET", "GET", "?" + form.Encode(), "application/x-www-form-urlencoded", "", http.StatusMethodNotAllowed},
		{"query", "POST", "?x=1", "application/x-www-form-urlencoded", "", http.StatusBadRequest},
		{"JSON", "POST", "", "application/json", "", http.StatusUnsupportedMediaType},
		{"Basic", "POST", "", "application/x-www-form-urlencoded", "Basic eDp5", http.StatusBadRequest},
		{"right", "POST", "", "application/x-www-form-urlencoded; charset=utf-8", "", http.StatusOK},
	} {
		header := []string{"Content-Type", tc.contentType}
		if tc.authorization != "" {
			header = append(header, "Authorization", tc.authorization)
		}
		resp, body := a.api(tc.method, "/api/token"+tc.query, "", form.Encode(), header...)
		if resp.StatusCode != tc.want {
			t.Errorf("%s: status %d, want %d: %s", tc.name, resp.StatusCode, tc.want, body)
		}
	}
}

func TestCodeIsUsedOnce(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	code := a.approve("mira").Get("code")
	_, tok := a.token(codeForm(code))
	if status, out := a.token(codeForm(code)); status != http.StatusBadRequest || out.Error != "invalid_grant" {
		t.Errorf("second use: %d %+v", status, out)
	}
	if resp, body := a.api("GET", "/v1/me", tok.AccessToken, ""); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "Invalid access token") {
		t.Errorf("the access token survived the reuse of its code: %d %s", resp.StatusCode, body)
	}
	if _, out := a.token(refreshForm(tok.RefreshToken)); out.Description != "Refresh token revoked" {
		t.Errorf("the refresh token survived: %+v", out)
	}

	code = a.approve("mira").Get("code")
	a.token(codeForm(code, "code_verifier", strings.Repeat("x", 43)))
	if status, _ := a.token(codeForm(code)); status != http.StatusBadRequest {
		t.Error("a code can be tried against several verifiers")
	}

	code = a.approve("mira").Get("code")
	a.s.Advance(10 * time.Minute)
	if _, out := a.token(codeForm(code)); out.Description != "Authorization code expired" {
		t.Errorf("old code: %+v", out)
	}
}

func TestRotation(t *testing.T) {
	for _, tc := range []struct {
		mode                 spotifytest.Rotation
		rotates, oldDies, ok bool // ok: the newest refresh token works after an old one was used
	}{
		{spotifytest.RotateOmit, false, false, true},
		{spotifytest.RotateEmpty, false, false, true},
		{spotifytest.RotateKeep, true, false, true},
		{spotifytest.RotateNew, true, true, true},
		{spotifytest.RotateRevoke, true, true, false},
	} {
		t.Run(tc.mode.String(), func(t *testing.T) {
			a := newApp(t, spotifytest.Options{Rotation: tc.mode})
			first := a.login("mira", "user-read-private")
			status, second := a.token(refreshForm(first.RefreshToken))
			if status != http.StatusOK || second.AccessToken == first.AccessToken {
				t.Fatalf("refresh: %d %+v", status, second)
			}
			if (second.RefreshToken != "") != tc.rotates {
				t.Errorf("answer has refresh token %q", second.RefreshToken)
			}
			newest := second.RefreshToken
			if newest == "" {
				newest = first.RefreshToken
			}
			if resp, _ := a.api("GET", "/v1/me", first.AccessToken, ""); resp.StatusCode != http.StatusOK {
				t.Error("a refresh ended the access token before its time")
			}
			if status, out := a.token(refreshForm(first.RefreshToken)); (status != http.StatusOK) != tc.oldDies {
				t.Errorf("old refresh token: %d %+v", status, out)
			}
			if status, out := a.token(refreshForm(newest)); (status == http.StatusOK) != tc.ok {
				t.Errorf("newest refresh token: %d %+v", status, out)
			}
			if resp, _ := a.api("GET", "/v1/me", second.AccessToken, ""); (resp.StatusCode == http.StatusOK) != tc.ok {
				t.Errorf("access token afterwards: %d", resp.StatusCode)
			}
		})
	}
}

func TestRefreshWithoutAndWithAnEmptyRefreshToken(t *testing.T) {
	for mode, want := range map[spotifytest.Rotation]any{spotifytest.RotateOmit: nil, spotifytest.RotateEmpty: ""} {
		a := newApp(t, spotifytest.Options{Rotation: mode})
		form := refreshForm(a.login("mira", "").RefreshToken).Encode()
		_, body := a.api("POST", "/api/token", "", form, "Content-Type", "application/x-www-form-urlencoded")
		var out map[string]any
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatal(err)
		}
		if got, there := out["refresh_token"]; got != want || there != (want != nil) {
			t.Errorf("%s: refresh token %q, there: %v", mode, got, there)
		}
	}
}

func TestTokensEnd(t *testing.T) {
	a := newApp(t, spotifytest.Options{TokenLife: 3 * time.Second})
	tok := a.login("mira", "user-read-private")
	if tok.ExpiresIn != 3 {
		t.Errorf("expires_in %d", tok.ExpiresIn)
	}
	expired := func(token string) bool {
		resp, body := a.api("GET", "/v1/me", token, "")
		return resp.StatusCode == http.StatusUnauthorized && body == `{"error":{"status":401,"message":"The access token expired"}}`
	}
	if expired(tok.AccessToken) {
		t.Error("expired at once")
	}
	a.s.Advance(3 * time.Second)
	if !expired(tok.AccessToken) {
		t.Error("not expired in time")
	}
	a.s.SetTokenLife(time.Hour)
	_, tok2 := a.token(refreshForm(tok.RefreshToken))
	a.s.ExpireAccessTokens()
	if !expired(tok2.AccessToken) {
		t.Error("not expired on command")
	}
	// Refreshing all along does not move the end of the six months.
	ends := a.s.Grants()[0].RefreshEnds
	for a.s.Now().Add(20 * 24 * time.Hour).Before(ends) {
		a.s.Advance(20 * 24 * time.Hour)
		if status, out := a.token(refreshForm(tok.RefreshToken)); status != http.StatusOK {
			t.Fatalf("at %s: %+v", a.s.Now(), out)
		}
	}
	a.s.Advance(ends.Sub(a.s.Now()))
	if _, out := a.token(refreshForm(tok.RefreshToken)); out.Error != "invalid_grant" {
		t.Errorf("after six months: %+v", out)
	}
}

func TestRevokeUser(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	mira, jonas := a.login("mira", ""), newAppOn(t, a.s).login("jonas", "")
	if n := a.s.RevokeUser("mira"); n != 1 {
		t.Errorf("%d grants ended", n)
	}
	if _, out := a.token(refreshForm(mira.RefreshToken)); out.Error != "invalid_grant" || out.Description != "Refresh token revoked" {
		t.Errorf("refresh: %+v", out)
	}
	if resp, _ := a.api("GET", "/v1/me", mira.AccessToken, ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("access token: %d", resp.StatusCode)
	}
	if resp, _ := a.api("GET", "/v1/me", jonas.AccessToken, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("another user: %d", resp.StatusCode)
	}
}

func TestLedgerTellsAll(t *testing.T) {
	a := newApp(t, spotifytest.Options{Rotation: spotifytest.RotateNew})
	back := a.approve("mira")
	_, first := a.token(codeForm(back.Get("code")))
	_, second := a.token(refreshForm(first.RefreshToken))
	a.token(refreshForm(first.RefreshToken))
	want := []string{back.Get("code"), verifier, first.RefreshToken, first.AccessToken, second.RefreshToken, second.AccessToken}
	if got := a.s.TokensIssued(); !slices.Equal(got, want) {
		t.Errorf("secrets are %q\nwant %q", got, want)
	}
	if n := a.s.TokenRequests("refresh_token"); n != 2 {
		t.Errorf("%d refresh requests", n)
	}
	if a.s.TokenRequests("authorization_code") != 1 || a.s.TokenRequests("") != 3 || a.s.Refreshes() != 1 || a.s.RefreshesRefused() != 1 {
		t.Error("counters are wrong")
	}
	g := a.s.Grants()[0]
	var kinds []string
	for _, e := range g.Events {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []string{"authorized", "exchanged", "refreshed", "reuse"}) || g.User != "mira" || g.Refreshes != 1 {
		t.Errorf("history is %v of %+v", kinds, g)
	}
}

// A token request is held when the simulator has acted: the old refresh token is
// spent although nobody has the new one yet.
func TestHoldBeforeTokenAnswer(t *testing.T) {
	a := newApp(t, spotifytest.Options{Rotation: spotifytest.RotateNew})
	tok := a.login("mira", "")
	held := a.s.Inject(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token", AfterServing: true, Hold: true, Times: 1})
	answered := make(chan tokens)
	go func() {
		_, out := a.token(refreshForm(tok.RefreshToken))
		answered <- out
	}()
	<-held.Entered()
	if a.s.Refreshes() != 1 {
		t.Error("the refresh has not happened yet")
	}
	if _, out := a.token(refreshForm(tok.RefreshToken)); out.Error != "invalid_grant" {
		t.Errorf("the old refresh token is still good: %+v", out)
	}
	select {
	case out := <-answered:
		t.Fatalf("answered while held: %+v", out)
	default:
	}
	held.Release()
	if out := <-answered; out.AccessToken == "" {
		t.Errorf("after release: %+v", out)
	}
}

func TestHungTokenRequestEndsWithItsClient(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	hang := a.s.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.s.TokenURL, strings.NewReader(refreshForm("x").Encode()))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-hang.Entered()
		cancel()
	}()
	if resp, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", resp, err)
	}
}
