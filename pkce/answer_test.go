package pkce_test

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// refresh returns what Config.Refresh makes of an answer.
func refresh(t *testing.T, status int, header http.Header, body string) (*pkce.Token, error) {
	t.Helper()
	cfg := &pkce.Config{
		ClientID: "client", TokenURL: "https://accounts.example/api/token", Clock: fakeclock.New(noon),
		HTTPClient: &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) {
			return answered(status, header, body), nil
		})},
	}
	return cfg.Refresh(t.Context(), "refresh-0")
}

func TestGrantedAnswers(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, tc := range []struct {
		name   string
		header http.Header
		body   string
		life   time.Duration
	}{
		{"usual", nil, `{"access_token":"a","token_type":"Bearer","expires_in":3600}`, time.Hour},
		{"lower case", nil, `{"access_token":"a","token_type":"bearer","expires_in":3600}`, time.Hour},
		{"life as a string", nil, `{"access_token":"a","token_type":"Bearer","expires_in":"3600"}`, time.Hour},
		{"no life", nil, `{"access_token":"a","token_type":"Bearer"}`, 0},
		{"negative life", nil, `{"access_token":"a","token_type":"Bearer","expires_in":-5}`, 0},
		{"endless life", nil, `{"access_token":"a","token_type":"Bearer","expires_in":9223372036854775807}`, (1<<31 - 1) * time.Second},
		{"form", form, `access_token=a&token_type=Bearer&expires_in=3600`, time.Hour},
	} {
		token, err := refresh(t, http.StatusOK, tc.header, tc.body)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		want := time.Time{}
		if tc.life > 0 {
			tc.life = min(tc.life, 10*365*24*time.Hour)
			want = noon.Add(tc.life)
		}
		if token.AccessToken() != "a" || token.Lifetime() != tc.life || !token.Expiry().Equal(want) {
			t.Errorf("%s: lives for %v, until %v", tc.name, token.Lifetime(), token.Expiry())
		}
	}
}

// R35: which answers end a grant, which are the app's fault, and which say
// nothing about it.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		status     int
		body       string
		code       string // of the TokenError, "" if there is none
		reauth     bool
		temporary  bool
		statusSeen int
	}{
		{400, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`, "invalid_grant", true, false, 400},
		{401, `{"error":"invalid_grant"}`, "invalid_grant", true, false, 401},
		{400, `{"error":"invalid_client"}`, "invalid_client", false, false, 400},
		{401, `{"error":"invalid_client"}`, "invalid_client", false, false, 401},
		{400, `{"error":"unsupported_grant_type"}`, "unsupported_grant_type", false, false, 400},
		{400, `{"error":"Invalid_Grant"}`, "Invalid_Grant", false, false, 400},
		{400, `{"error":"invalid_grant_or_so"}`, "invalid_grant_or_so", false, false, 400},
		{400, `{"error":{"status":400,"message":"invalid_grant"}}`, "", false, true, 400},
		{400, `{"error_description":"invalid_grant"}`, "", false, true, 400},
		{400, `invalid_grant`, "", false, true, 400},
		{403, `{"error":"invalid_grant"}`, "", false, true, 403},
		{404, ``, "", false, true, 404},
		{429, `{"error":"invalid_grant"}`, "", false, true, 429},
		{500, `{"error":"server_error"}`, "server_error", false, true, 500},
		{503, `{"error":"invalid_grant"}`, "", false, true, 503},
		{200, `{"error":"invalid_grant","access_token":"a"}`, "", false, true, 200},
	} {
		_, err := refresh(t, tc.status, nil, tc.body)
		refused, ok := errors.AsType[*pkce.TokenError](err)
		if !ok {
			t.Errorf("%d %s: no TokenError in %v", tc.status, tc.body, err)
			continue
		}
		if refused.Code != tc.code || refused.StatusCode != tc.statusSeen ||
			errors.Is(err, pkce.ErrReauthorize) != tc.reauth || errors.Is(err, pkce.ErrTemporary) != tc.temporary {
			t.Errorf("%d %s: %#v", tc.status, tc.body, err)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"token endpoint answered with status 502":                              &pkce.TokenError{StatusCode: 502},
		"token endpoint answered 400 invalid_grant":                            &pkce.TokenError{StatusCode: 400, Code: "invalid_grant"},
		"token endpoint answered 400 invalid_grant: Refresh token revoked":     &pkce.TokenError{StatusCode: 400, Code: "invalid_grant", Description: "Refresh token revoked"},
		"no token can be had just now":                                         &pkce.TemporaryError{RetryAfter: time.Second},
		"no token can be had just now: no route to host":                       &pkce.TemporaryError{Err: errNoRoute},
		"the authorization has ended; the user must log in again":              pkce.ErrReauthorize,
		"code verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~":    pkce.ErrVerifier,
		"no token can be had just now: token endpoint answered with status 12": &pkce.TemporaryError{Err: &pkce.TokenError{StatusCode: 12}},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// R35: whatever a token endpoint answers is a token or an error of the right
// kind. The seeds are in testdata.
func FuzzTokenAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, aboveOK int, contentType, retryAfter, body string) {
		status := 200 + (aboveOK%400+400)%400
		header := http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}}
		token, err := refresh(t, status, header, body)
		if (token == nil) == (err == nil) {
			t.Fatalf("got %v and %v", token, err)
		}
		if err == nil {
			checkGranted(t, token)
			return
		}
		temporary, isTemporary := errors.AsType[*pkce.TemporaryError](err)
		refused, isRefused := errors.AsType[*pkce.TokenError](err)
		switch {
		case !isTemporary && !isRefused, isTemporary && errors.Is(err, pkce.ErrReauthorize):
			t.Fatalf("%v is neither one thing nor the other", err)
		case isTemporary && (temporary.RetryAfter < 0 || temporary.RetryAfter > 24*time.Hour):
			t.Fatalf("RetryAfter is %v", temporary.RetryAfter)
		case isRefused && len(refused.Code)+len(refused.Description) > 400:
			t.Fatalf("the error has %d characters", len(refused.Code)+len(refused.Description))
		case errors.Is(err, pkce.ErrReauthorize) && ((status != 400 && status != 401) || !saysInvalidGrant(contentType, body)):
			t.Fatalf("%d %s ended the grant", status, body)
		}
		for _, c := range err.Error() {
			if c < ' ' || c > '~' {
				t.Fatalf("the error has %q in it: %q", c, err)
			}
		}
		if strings.Contains(err.Error(), "refresh-0") {
			t.Fatalf("the error shows the refresh token: %v", err)
		}
	})
}

func checkGranted(t *testing.T, token *pkce.Token) {
	t.Helper()
	if token.AccessToken() == "" || token.RefreshToken() == "" || token.Lifetime() < 0 {
		t.Fatalf("the token lacks something: %v", token)
	}
	for _, c := range token.Header()[0] {
		if c < ' ' || c > '~' {
			t.Fatalf("the header has %q in it", c)
		}
	}
	if life := token.Expiry().Sub(noon); !token.Expiry().IsZero() && life != token.Lifetime() {
		t.Fatalf("the token lives %v and expires after %v", token.Lifetime(), life)
	}
	if strings.Contains(token.String(), token.AccessToken()) && len(token.AccessToken()) > 8 {
		t.Fatalf("the token shows: %v", token)
	}
}

// saysInvalidGrant reads an answer as a careful reader would.
func saysInvalidGrant(contentType, body string) bool {
	switch media, _, _ := mime.ParseMediaType(contentType); media {
	case "application/x-www-form-urlencoded", "text/plain":
		form, err := url.ParseQuery(body)
		return err == nil && form.Get("error") == "invalid_grant"
	}
	var answer struct {
		Error string `json:"error"`
	}
	return json.Unmarshal([]byte(body), &answer) == nil && answer.Error == "invalid_grant"
}
