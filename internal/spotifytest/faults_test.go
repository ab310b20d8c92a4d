package spotifytest_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestFaultAnswers(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	for _, tc := range []struct {
		fault       spotifytest.Fault
		status      int
		contentType string
		body        string
		retryAfter  string
	}{
		{spotifytest.Fault{Effect: spotifytest.TokenExpired}, 401, "application/json", `{"error":{"status":401,"message":"The access token expired"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.TokenInvalid}, 401, "application/json", `{"error":{"status":401,"message":"Invalid access token"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.TokenMissing}, 401, "application/json", `{"error":{"status":401,"message":"Access token missing"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.ScopeMissing}, 403, "application/json", `{"error":{"status":403,"message":"Insufficient client scope"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.PremiumRequired}, 403, "application/json", `{"error":{"status":403,"message":"Player command failed: Premium required","reason":"PREMIUM_REQUIRED"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.ForbiddenEmpty}, 403, "", "", ""},
		{spotifytest.Fault{Effect: spotifytest.RateLimited}, 429, "application/json", `{"error":{"status":429,"message":"API rate limit exceeded"}}`, "5"},
		{spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: 23*time.Hour + time.Millisecond}, 429, "application/json", `{"error":{"status":429,"message":"API rate limit exceeded"}}`, "82801"},
		{spotifytest.Fault{Effect: spotifytest.RateLimitedBare}, 429, "text/plain", "Too many requests", ""},
		{spotifytest.Fault{Effect: spotifytest.QuotaExceeded}, 429, "application/json", `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.QuotaExceededHours}, 429, "application/json", `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`, "48925"},
		{spotifytest.Fault{Effect: spotifytest.TooManyRequests}, 429, "application/json", `{"error":{"status":429,"message":"Too many requests"}}`, "5"},
		{spotifytest.Fault{Effect: spotifytest.RateLimitedText}, 429, "text/plain", "Too many requests", "5"},
		{spotifytest.Fault{Effect: spotifytest.RateLimitedEmpty}, 429, "", "", ""},
		{spotifytest.Fault{Effect: spotifytest.RateLimitedZero}, 429, "application/json", `{"error":{"status":429,"message":"API rate limit exceeded"}}`, "0"},
		{spotifytest.Fault{Effect: spotifytest.Withdrawn}, 403, "application/json", `{"error":{"status":403,"message":"Forbidden"}}`, ""},
		{spotifytest.Fault{Effect: spotifytest.OwnerPremiumRequired}, 403, "text/plain", ownerPremium, ""},
		{spotifytest.Fault{Status: 418, Body: "short and stout", Header: http.Header{"Content-Type": {"text/plain"}}}, 418, "text/plain", "short and stout", ""},
	} {
		in := a.s.Inject(tc.fault)
		resp, body := a.api("GET", "/v1/me", token, "")
		in.Clear()
		contentType := resp.Header.Get("Content-Type")
		if resp.StatusCode != tc.status || body != tc.body || resp.Header.Get("Retry-After") != tc.retryAfter || !strings.HasPrefix(contentType, tc.contentType) {
			t.Errorf("%+v: %d %q %q %q", tc.fault, resp.StatusCode, contentType, body, resp.Header.Get("Retry-After"))
		}
	}
	for _, effect := range spotifytest.Effects() {
		if effect == spotifytest.Hang || effect == spotifytest.CutConnection || effect == spotifytest.ResetConnection {
			continue
		}
		in := a.s.Inject(spotifytest.Fault{Effect: effect})
		resp, _ := a.api("POST", "/v1/me", token, "body")
		in.Clear()
		if resp == nil || in.Hits() != 1 {
			t.Errorf("%s did not strike", effect)
		}
	}
	if resp, _ := a.api("GET", "/v1/me", token, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("after all faults: %d", resp.StatusCode)
	}
}

func TestFaultMatching(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	mira, jonas := a.login("mira", allScopes).AccessToken, newAppOn(t, a.s).login("jonas", allScopes).AccessToken
	hit := func(method, path, token string) bool {
		resp, _ := a.api(method, path, token, "")
		return resp.StatusCode == http.StatusServiceUnavailable
	}
	strike := func(f spotifytest.Fault) *spotifytest.Injected {
		f.Effect = spotifytest.Unavailable
		return a.s.Inject(f)
	}
	in := strike(spotifytest.Fault{Path: "/v1/me", Method: "GET", Skip: 1, Times: 2})
	want := []bool{false, true, true, false}
	for i, w := range want {
		if hit("GET", "/v1/me/tracks", mira) != w {
			t.Errorf("request %d: struck is not %v", i, w)
		}
	}
	if in.Hits() != 2 {
		t.Errorf("%d hits", in.Hits())
	}
	strike(spotifytest.Fault{Path: "/v1/me", Exact: true, User: "mira"})
	for _, tc := range []struct {
		method, path, token string
		want                bool
	}{
		{"GET", "/v1/me", mira, true}, {"GET", "/v1/me", jonas, false}, {"GET", "/v1/me/tracks", mira, false}, {"GET", "/v1/markets", mira, false},
	} {
		if hit(tc.method, tc.path, tc.token) != tc.want {
			t.Errorf("%s %s: struck is not %v", tc.method, tc.path, tc.want)
		}
	}
	a.s.ClearFaults()
	if hit("GET", "/v1/me", mira) {
		t.Error("struck after ClearFaults")
	}
	in = strike(spotifytest.Fault{Path: "/api/token", GrantType: "refresh_token"})
	a.login("mira", "")
	if in.Hits() != 0 {
		t.Error("the code exchange was struck")
	}
}

func TestCutConnections(t *testing.T) {
	a := newApp(t, spotifytest.Options{Rotation: spotifytest.RotateNew})
	tok := a.login("mira", allScopes)
	a.s.Inject(spotifytest.Fault{Path: "/api/token", Effect: spotifytest.CutConnection, AfterServing: true, Times: 1})
	if _, err := http.PostForm(a.s.TokenURL, refreshForm(tok.RefreshToken)); err == nil {
		t.Error("an answer came through a cut connection")
	}
	if a.s.Refreshes() != 1 {
		t.Error("the lost answer was never given")
	}

	a.s.Inject(spotifytest.Fault{Path: "/v1/me/top/tracks", CutAfter: 100, Times: 1})
	req, err := http.NewRequest(http.MethodGet, a.s.APIURL+"/v1/me/top/tracks", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+tok.AccessToken)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 100 || resp.ContentLength <= 100 {
		t.Errorf("%d bytes of %d, %v", len(body), resp.ContentLength, err)
	}
}

func TestResetConnection(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	a.s.Inject(spotifytest.Fault{Effect: spotifytest.ResetConnection, Times: 1})
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.s.APIURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v", err)
	}
}

func TestGzippedRateLimit(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", "").AccessToken
	a.s.Inject(spotifytest.Fault{Effect: spotifytest.RateLimitedGzip, Times: 1})
	resp, body := a.api("GET", "/v1/me", token, "", "Accept-Encoding", "identity")
	zr, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(zr); err != nil || string(plain) != `{"error":{"status":429,"message":"API rate limit exceeded"}}` || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%d %s, %v", resp.StatusCode, plain, err)
	}
}

func TestStreamIsFlushedAndHeld(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	const size = 2 << 20
	in := a.s.Inject(spotifytest.Fault{Path: "/v1/me", Stream: size, Chunk: 1000, Hold: true})
	resp, err := http.Get(a.s.APIURL + "/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	in.Release() // the first chunk came while the rest was held
	rest, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(first, rest...)
	if len(whole) != size || !json.Valid(whole) || !strings.Contains(string(whole[:4000]), a.s.APIURL+"/v1/tracks/") {
		t.Errorf("%d bytes, JSON: %v", len(whole), json.Valid(whole))
	}
}

func TestLatencyEndsWithTheClient(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	a.s.Inject(spotifytest.Fault{Latency: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.s.APIURL+"/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	a.s.Close() // would wait an hour if the request were still there
}

func TestReleaseOne(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", "").AccessToken
	in := a.s.Inject(spotifytest.Fault{Hold: true})
	done := make(chan int, 3)
	for range 3 {
		go func() {
			resp, _ := a.api("GET", "/v1/me", token, "")
			done <- resp.StatusCode
		}()
	}
	for range 3 {
		<-in.Entered()
	}
	in.ReleaseOne()
	if <-done != http.StatusOK || len(done) != 0 {
		t.Error("not just one was let go")
	}
	in.Clear()
	if <-done != http.StatusOK || <-done != http.StatusOK {
		t.Error("Clear does not let go")
	}
}

func TestRollingRateLimit(t *testing.T) {
	now := still()
	a := newApp(t, spotifytest.Options{RateLimit: 3, Now: func() time.Time { return now }})
	mira, jonas := a.login("mira", "").AccessToken, newAppOn(t, a.s).login("jonas", "").AccessToken
	ask := func(token string) (int, string) {
		resp, _ := a.api("GET", "/v1/me", token, "")
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	ask(mira)
	a.s.Advance(10 * time.Second)
	ask(jonas)
	ask(mira)
	if status, wait := ask(jonas); status != 429 || wait != "20" {
		t.Errorf("the fourth: %d, Retry-After %q", status, wait)
	}
	a.s.Advance(20 * time.Second)
	if status, _ := ask(jonas); status != 200 {
		t.Errorf("when the first has left the window: %d", status)
	}
	if status, wait := ask(mira); status != 429 || wait != "10" {
		t.Errorf("one more: %d, Retry-After %q", status, wait)
	}
	if n := a.s.RateLimitHits(); n != 2 {
		t.Errorf("%d refused", n)
	}
	a.s.SetRateLimit(0)
	if status, _ := ask(mira); status != 200 {
		t.Errorf("without a limit: %d", status)
	}
	other := newAppOn(t, a.s)
	a.s.SetRateLimit(1)
	ask(mira)
	_, tok := other.token(codeForm(other.approve("mira", "client_id", strings.Repeat("a", 32)).Get("code"), "client_id", strings.Repeat("a", 32)))
	if status, _ := ask(tok.AccessToken); status != 200 {
		t.Errorf("another app's window: %d", status)
	}
}
