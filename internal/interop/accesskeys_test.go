package interop

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/zmb3/spotify/v2"
	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

var shownKey = regexp.MustCompile(`>(spk_[A-Za-z0-9_-]{43})<`)

// createKey logs somebody in and has them create an access key.
func createKey(t *testing.T, origin, user string) string {
	t.Helper()
	visitor := newVisitor(t)
	answer, err := visitor.Get(spotifytest.Approve(t, visitor, origin+"/spotify/login", user))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	form := url.Values{"name": {"a test's"}, "life": {"max"}, "access": {"all"}}
	req, err := http.NewRequest(http.MethodPost, origin+"/spotify/keys", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	req.Header.Set("Accept", "text/html")
	if answer, err = visitor.Do(req); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := shownKey.FindSubmatch(page)
	if found == nil {
		t.Fatalf("no key was created: %d %s", answer.StatusCode, page)
	}
	return string(found[1])
}

// TestZmb3WithAccessKey calls the Web API with zmb3/spotify as published, whose
// token is an access key, and which needs nothing else but another base URL.
func TestZmb3WithAccessKey(t *testing.T) {
	origin := freeOrigin(t)
	// The client uses the old forms.
	sim := spotifytest.Start(t, spotifytest.Options{Mode: spotifytest.Extended, RedirectURIs: []string{origin + "/spotify/callback"}})
	p := startProxy(t, origin, zmb3Options(sim)+`
		access_keys`, "")
	key := createKey(t, origin, "mira")

	stock := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: key}))
	client := spotify.New(stock, spotify.WithBaseURL(origin+"/spotify/v1/"))
	makeZmb3Calls(t, sim, client, key)
	p.expectSecretsOut(t, append(sim.TokensIssued(), key, key[4:]))

	wrong := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "spk_" + strings.Repeat("A", 43)}))
	if _, err := spotify.New(wrong, spotify.WithBaseURL(origin+"/spotify/v1/")).CurrentUser(t.Context()); !isStatus(err, http.StatusUnauthorized) {
		t.Errorf("with a wrong key: %v, want an error with status 401", err)
	}
}

// TestTypeScriptSDKWithAccessKey runs Spotify's own client, as published, in Node,
// with an access key for a token and a fetcher that changes the base URL.
func TestTypeScriptSDKWithAccessKey(t *testing.T) {
	s := startNpmSite(t)
	key := createKey(t, s.origin, "mira")
	node := exec.CommandContext(t.Context(), "node", "ts-sdk-node.js", s.origin)
	node.Dir = s.dir
	node.Env = append(os.Environ(), "KEY="+key)
	node.Stdin = strings.NewReader(s.picture)
	node.Stderr = new(bytes.Buffer)
	report, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, node.Stderr)
	}
	s.expect(t, string(report))
	s.expectSecretsOut(t, []string{key, key[4:]})
}

// TestAccessKeysInBrowser has a person create, see, use and revoke a key, on pages
// that everybody can use.
func TestAccessKeysInBrowser(t *testing.T) {
	a := newAccessibility(t)
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		scopes user-read-private user-library-read
		store memory
		access_keys {
			max 2
		}
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, "respond / home")
	b := startBrowser(t)
	b.do("opening the page", chromedp.Navigate(origin+"/spotify/keys"))
	b.logIn("mira")
	b.arrive("there are no keys", `!!document.getElementById("none")`)
	a.inspect(b, "keys-none")

	// With a mistake first, which costs nothing that was entered.
	b.do("filling in the form",
		chromedp.SendKeys(chromedp.ID("name"), "Backup script on the NAS"),
		chromedp.Click(chromedp.CSS(`input[value=rules]`)),
		chromedp.SendKeys(chromedp.ID("rules"), "GET /me"),
		chromedp.Click(chromedp.CSS(`input[value=read]`)))
	if b.visible("rules") {
		t.Error("a list that does not count is shown")
	}
	b.do("sending the form",
		chromedp.Click(chromedp.CSS(`#create button`)))
	b.arrive("the page says that the list would not count", `!!document.getElementById("wrong")`)
	if !b.visible("rules") {
		t.Error("the list that is in the way is not shown")
	}
	a.inspect(b, "keys-unused-rules")
	b.do("choosing the list",
		chromedp.Click(chromedp.CSS(`input[value=rules]`)),
		chromedp.Click(chromedp.CSS(`#create button`)))
	b.arrive("the mistake is shown", `!!document.getElementById("wrong")`)
	a.inspect(b, "keys-wrong")
	if focus := read(b, "reading the focus", chromedp.Evaluate[string]("document.activeElement.id")); focus != "rules" {
		t.Errorf("the focus is on %q", focus)
	}
	b.do("mending it", chromedp.SetValue(chromedp.ID("rules"), "GET /v1/me /v1/me/*"), chromedp.Click(chromedp.CSS(`#create button`)))
	b.arrive("the key is shown", `!!document.getElementById("key")`)
	a.inspect(b, "keys-created")
	key, base := b.text("key"), b.text("base")
	if !shownKey.MatchString(">"+key+"<") || base != origin+"/spotify/v1/" {
		t.Fatalf("key %q, base %q", key, base)
	}
	// RFC 9700 §4.3: the callback's address, with its code, is not in the history.
	if address := read(b, "reading the address", chromedp.Evaluate[string]("location.href")); address != origin+"/spotify/keys" {
		t.Errorf("the address is %s", address)
	}
	// One click has it selected as a whole, to be copied.
	b.do("clicking on it", chromedp.Click(chromedp.ID("key")))
	if selected := read(b, "reading the selection", chromedp.Evaluate[string]("getSelection().toString().trim()")); selected != key {
		t.Errorf("selected is %q", selected)
	}

	get := func(path string) int {
		t.Helper()
		client := oauth2.NewClient(context.Background(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: key}))
		res, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if me, albums := get("me"), get("albums/1"); me != http.StatusOK || albums != http.StatusForbidden {
		t.Errorf("with the key: %d and %d", me, albums)
	}

	b.do("reloading", chromedp.Reload())
	b.arrive("the list is there instead", `!!document.querySelector("ul.keys")`)
	if n := b.count(`#key`); n != 0 {
		t.Error("the key is shown again")
	}
	a.inspect(b, "keys-list")
	if text := read(b, "reading the list", chromedp.TextContent(chromedp.CSS("ul.keys"))); !strings.Contains(text, "Backup script on the NAS") || !strings.Contains(text, "GET /v1/me /v1/me/*") || strings.Contains(text, key) {
		t.Errorf("listed: %s", text)
	}
	// A second one, by keyboard alone: then there is no room for a third.
	b.tabTo("name")
	b.do("typing", chromedp.KeyEvent("second\r"))
	b.arrive("the second key is shown", `!!document.getElementById("key")`)
	b.press("done")
	b.arrive("there is no form", `!!document.getElementById("full")`)
	a.inspect(b, "keys-full")

	b.do("revoking the first", chromedp.Click(chromedp.CSS("ul.keys li:last-child summary")), chromedp.Click(chromedp.CSS("ul.keys li:last-child details button")))
	b.arrive("one is left", `document.querySelectorAll("ul.keys li").length === 1 && !!document.getElementById("create")`)
	if left := read(b, "reading the list", chromedp.TextContent(chromedp.CSS("ul.keys h3"))); left != "second" {
		t.Logf("left is %q", left) // the two may be of the same second
		b.do("revoking the other", chromedp.Click(chromedp.CSS("ul.keys summary")), chromedp.Click(chromedp.CSS("ul.keys details button")))
		b.arrive("none is left", `!!document.getElementById("none")`)
	}
	if status := get("me"); status != http.StatusUnauthorized {
		t.Errorf("with the revoked key: %d", status)
	}
	for _, complaint := range b.complaints() {
		if !strings.Contains(complaint, "status of 400") { // the mistake
			t.Errorf("the console says %s", complaint)
		}
	}
}
