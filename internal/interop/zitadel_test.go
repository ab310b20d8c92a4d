package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestZitadel logs in at an authorization server that nobody here wrote, the
// one of zitadel/oidc with its own login page, and calls an API that asks that
// server about each token.
//
// R39 R33 R35
func TestZitadel(t *testing.T) {
	op := startZitadel(t)
	p := startProxy(t, op.client, op.options(), "")
	visitor := newVisitor(t)
	op.logIn(t, visitor)

	me := getJSON(t, visitor, p.origin+"/spotify/v1/me", http.StatusOK)
	if me["id"] != "id1" || me["display_name"] != "Test User" {
		t.Fatalf("me: %v", me)
	}

	// The API takes the token for expired: one refresh, one replay, and zitadel
	// has forgotten the token from before.
	before := op.lastBearer()
	op.expire(before)
	getJSON(t, visitor, p.origin+"/spotify/v1/me", http.StatusOK)
	if op.lastBearer() == before {
		t.Error("the API was called again with a token it had refused")
	}
	if n := op.granted("refresh_token"); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	// And again, with the refresh token that the first refresh brought.
	op.expire(op.lastBearer())
	getJSON(t, visitor, p.origin+"/spotify/v1/me", http.StatusOK)
	if n := op.granted("refresh_token"); n != 2 {
		t.Errorf("%d refreshes, want 2", n)
	}

	// Zitadel ends the grant. The session is over, and says so.
	op.endSession(t)
	op.expire(op.lastBearer())
	answer := getJSON(t, visitor, p.origin+"/spotify/v1/me", http.StatusUnauthorized)
	problem, _ := answer["error"].(map[string]any)
	if problem["login_url"] != "/spotify/login" || !strings.Contains(fmt.Sprint(problem["reason"]), "required") {
		t.Errorf("after the grant ended: %v", answer)
	}
	if session := getJSON(t, visitor, p.origin+"/spotify/session", http.StatusOK); session["authenticated"] != false {
		t.Errorf("after the grant ended: %v", session)
	}

	// A new login works, in the same browser.
	op.logIn(t, visitor)
	getJSON(t, visitor, p.origin+"/spotify/v1/me", http.StatusOK)
	p.expectSecretsOut(t, op.secrets())
}

// TestZitadelInBrowser is the flow with the demo's page and real clicks, the
// login page of zitadel's included.
//
// S15 S17 P47
func TestZitadelInBrowser(t *testing.T) {
	b := startBrowser(t)
	op := startZitadel(t)
	p := startProxy(t, op.client, op.options(), "file_server {\n\tfs demo\n}")

	b.do("opening the page", chromedp.Navigate(p.origin), chromedp.WaitVisible(chromedp.ID("login")))
	b.do("logging in",
		chromedp.Click(chromedp.ID("login")),
		chromedp.WaitVisible(chromedp.ID("username")),
		chromedp.SendKeys(chromedp.ID("username"), zitadelUser),
		chromedp.SendKeys(chromedp.ID("password"), zitadelPassword),
		chromedp.Click(chromedp.CSS("button[type=submit]")),
		chromedp.WaitVisible(chromedp.ID("profile-name")))
	b.waitFor("the profile is there", `document.getElementById("profile-name").textContent === "Test User"`)

	b.waitFor("the playlists are there", `document.getElementById("page-number").textContent === "Page 1 of 2"`)
	b.do("turning the page", chromedp.Click(chromedp.ID("next-page")))
	b.waitFor("the second page is there", `document.getElementById("page-number").textContent === "Page 2 of 2"`)
	if names := b.text("playlists"); !strings.Contains(names, "Playlist 7") || strings.Contains(names, "Playlist 1") {
		t.Errorf("second page of playlists: %q", names)
	}
	b.pictures("zitadel")

	cookie := b.sessionCookie(p.origin)
	b.do("logging out", chromedp.Click(chromedp.ID("logout")), chromedp.WaitVisible(chromedp.ID("login")))
	expectDead(t, p.origin, cookie)
	for _, secret := range op.secrets() {
		if strings.Contains(cookie, secret) {
			t.Error("the cookie holds a token")
		}
	}
	p.expectSecretsOut(t, op.secrets())
}

var authRequestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logIn logs in at the proxy, filling in zitadel's form.
func (op *zitadel) logIn(t *testing.T, visitor *http.Client) {
	t.Helper()
	page, err := visitor.Get(op.client + "/spotify/login")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	html, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := authRequestID.FindSubmatch(html)
	if id == nil {
		t.Fatalf("no login form at %s, status %d:\n%s", page.Request.URL, page.StatusCode, html)
	}
	back, err := visitor.PostForm(op.issuer+"/login/username", url.Values{
		"id": {string(id[1])}, "username": {zitadelUser}, "password": {zitadelPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	if session := getJSON(t, visitor, op.client+"/spotify/session", http.StatusOK); session["authenticated"] != true {
		t.Fatalf("logging in ended at %s with status %d", back.Request.URL.Path, back.StatusCode)
	}
}

func getJSON(t *testing.T, client *http.Client, rawURL string, status int) map[string]any {
	t.Helper()
	resp, err := client.Get(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatalf("GET %s: status %d, %v", rawURL, resp.StatusCode, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("GET %s: status %d, want %d: %v", rawURL, resp.StatusCode, status, v)
	}
	return v
}
