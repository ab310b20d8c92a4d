package spotifytest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func TestRequestsAreRecorded(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", allScopes).AccessToken
	a.s.ForgetRequests()
	a.api("PUT", "/v1/me/player/volume?volume_percent=5", token, "the body", "X-Custom", "1")
	a.s.Inject(spotifytest.Fault{Effect: spotifytest.TokenMissing, Times: 1})
	a.api("GET", "/v1/me", token, "")
	all := a.s.Requests()
	if len(all) != 2 {
		t.Fatalf("%d requests", len(all))
	}
	first := all[0]
	sum := sha256.Sum256([]byte("the body"))
	if first.Method != "PUT" || first.Path != "/v1/me/player/volume" || first.RawQuery != "volume_percent=5" || first.User != "mira" ||
		first.ClientID != clientID || first.Status != 204 || first.Header.Get("X-Custom") != "1" || first.Header.Get("Authorization") != "Bearer "+token {
		t.Errorf("recorded %+v", first)
	}
	if first.BodyLength != 8 || first.BodySHA256 != hex.EncodeToString(sum[:]) {
		t.Error("a body that the endpoint ignores is not digested")
	}
	if all[1].Fault != "token_missing" || all[1].Status != 401 {
		t.Errorf("recorded %+v", all[1])
	}
	a.api("PUT", "/v1/me/player/play", token, `{"uris":["spotify:track:x"]}`)
	sum = sha256.Sum256([]byte(`{"uris":["spotify:track:x"]}`))
	if last := a.s.RequestsTo("/v1/me/player/play")[0]; last.BodyLength != 28 || last.BodySHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("body of %d bytes, %s", last.BodyLength, last.BodySHA256)
	}
	if a.s.APIAnswers(401) != 1 || a.s.APIAnswers(204) != 1 || a.s.APIAnswers(0) != 3 {
		t.Error("counters are wrong")
	}
}

func TestViolationsAreNamed(t *testing.T) {
	a := newApp(t, spotifytest.Options{})
	token := a.login("mira", "").AccessToken
	a.s.ForgetRequests()
	if a.api("GET", "/v1/me", token, "", "Accept", "x"); len(a.s.Violations()) != 0 {
		t.Fatalf("an innocent request is accused: %+v", a.s.Violations())
	}
	for _, tc := range [][2]string{
		{"Cookie", "a=b"}, {"X-Forwarded-For", "10.0.0.1"}, {"X_Forwarded_Host", "h"}, {"X-Forwarded_Proto", "h"}, {"Forwarded", "for=x"},
		{"X-Real-Ip", "10.0.0.1"}, {"Proxy-Authorization", "x"},
	} {
		a.s.ForgetRequests()
		a.api("GET", "/v1/me", token, "", tc[0], tc[1])
		got := a.s.Violations()
		if len(got) != 1 || !slices.Equal(got[0].Violations, []string{"header " + http.CanonicalHeaderKey(tc[0])}) {
			t.Errorf("%s: %+v", tc[0], got)
		}
	}
	a.s.ForgetRequests()
	a.api("GET", "/v1/me", token, "", "Authorization", "Bearer other")
	if got := a.s.Violations(); len(got) != 1 || got[0].Violations[0] != "more than one Authorization" {
		t.Errorf("two credentials: %+v", got)
	}
}

func TestRecordIsBounded(t *testing.T) {
	a := newApp(t, spotifytest.Options{RecordLimit: 8})
	for range 30 {
		a.api("GET", "/v1/me", "", "")
	}
	a.api("GET", "/v1/markets", "", "")
	all := a.s.Requests()
	if len(all) > 8 || all[len(all)-1].Path != "/v1/markets" {
		t.Errorf("%d requests kept, last %s", len(all), all[len(all)-1].Path)
	}
}

// command posts to the control endpoint.
func (a *app) command(want int, method, path, body string) map[string]any {
	a.t.Helper()
	return a.do(want, method, "/_control"+path, "", body)
}

func TestControl(t *testing.T) {
	a := newApp(t, spotifytest.Options{Control: true})
	tok := a.login("mira", "")
	id := a.command(200, "POST", "/faults", `{"path":"/v1/me","effect":"rate_limited","retry_after":"90s","latency":"1ms","times":1}`)["id"]
	if resp, _ := a.api("GET", "/v1/me", tok.AccessToken, ""); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "90" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	state := a.command(200, "GET", "/state", "")
	if dig(state, "faults", 0, "hits") != 1.0 || dig(state, "faults", 0, "id") != id || dig(state, "token_requests", "authorization_code") != 1.0 {
		t.Errorf("state %v", state)
	}
	a.command(200, "DELETE", "/faults/1", "")
	a.command(400, "DELETE", "/faults/1", "")
	a.command(400, "POST", "/faults", `{"effect":"nonsense"}`)
	a.command(400, "POST", "/faults", `{"efect":"rate_limited"}`)
	a.command(200, "POST", "/expire", "")
	if resp, _ := a.api("GET", "/v1/me", tok.AccessToken, ""); resp.StatusCode != 401 {
		t.Errorf("after expire: %d", resp.StatusCode)
	}
	a.command(400, "POST", "/settings", `{"rotation":"sometimes"}`)
	a.command(200, "POST", "/settings", `{"rotation":"new","token_life":"3s","rate_limit":1}`)
	_, next := a.token(refreshForm(tok.RefreshToken))
	if next.RefreshToken == "" || next.ExpiresIn != 3 {
		t.Errorf("after settings: %+v", next)
	}
	before := a.s.Now()
	a.command(200, "POST", "/advance", `{"by":"24h"}`)
	if passed := a.s.Now().Sub(before); passed < 24*time.Hour {
		t.Errorf("advanced by %v", passed)
	}
	if got := a.command(200, "POST", "/revoke", `{"user":"mira"}`)["revoked"]; got != 1.0 {
		t.Errorf("revoked %v", got)
	}
	for path, want := range map[string]string{"/secrets": next.RefreshToken, "/grants": `"kind":"revoked"`, "/requests?to=/v1/": `"path":"/v1/me"`} {
		_, body := a.api("GET", "/_control"+path, "", "")
		var list []any
		if err := json.Unmarshal([]byte(body), &list); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %v %.200s", path, err, body)
		}
	}
	if resp, _ := a.api("POST", "/_control/expire", "", "", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", resp.StatusCode)
	}
	shut := newApp(t, spotifytest.Options{})
	if resp, _ := shut.api("GET", "/_control/state", "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("control is open by default: %d", resp.StatusCode)
	}
}
