package interop

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// P45, P51: a front end on another origin of the same site works as the README shows it,
// preflight included, and the others still get nothing.
func TestAllowedOriginInBrowser(t *testing.T) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(freeOrigin(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	origin, frontEnd := "https://app.example.test:"+port, "https://www.example.test:"+port
	w := startHostileWorld(t, origin, frontEnd, "https://other.example.test:"+port, "allow_origin "+frontEnd)

	page := w.attacker // a friend this time
	page.do("opening the front end", chromedp.Navigate(frontEnd+"/"))
	ask := func(what, script string) string {
		return read(page, what, chromedp.Evaluate[string](strings.ReplaceAll(script, "$ORIGIN", origin), chromedp.EvalAwaitPromise))
	}
	if got := ask("asking who is logged in", `fetch("$ORIGIN/spotify/session", { credentials: "include" }).then(r => r.json()).then(s => s.account.display_name)`); !strings.HasPrefix(got, "Mira") {
		t.Errorf("logged in is %q", got)
	}
	if got := ask("calling the API", `fetch("$ORIGIN/spotify/v1/me/player/volume?volume_percent=30", {
		method: "PUT", credentials: "include", body: "{}", headers: { "content-type": "application/json", authorization: "Bearer -" },
	}).then(r => r.status + " " + (r.headers.get("spotify-proxy-reason") ?? "")).catch(String)`); !strings.HasPrefix(got, "204") && !strings.Contains(got, "insufficient_scope") && !strings.Contains(got, "premium_required") {
		t.Errorf("PUT: %q", got)
	}
	if n := len(w.sim.RequestsTo("/v1/me/player/volume")); n != 1 {
		t.Errorf("%d requests reached Spotify", n)
	}
	if got := ask("calling it without credentials", `fetch("$ORIGIN/spotify/v1/me").then(r => r.json()).then(e => e.error.reason).catch(String)`); got != "login_required" {
		t.Errorf("without credentials: %q", got)
	}
	w.sim.ForgetRequests()
	w.attempt(t, w.stranger, `return await ask("$ORIGIN/spotify/session") + await ask("$ORIGIN/spotify/v1/me") + await ask("$ORIGIN/spotify/v1/me/player/pause", { method: "PUT" })`)

	// The page's code in docs/other-origin.md, which logs out in the end.
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "other-origin.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```js\n")
	code, _, _ := strings.Cut(rest, "```")
	code = strings.ReplaceAll(code, "https://api.example.com", "$ORIGIN")
	page.do("opening the front end", chromedp.Navigate(frontEnd+"/"))
	if got := ask("running the document's code", "(async () => {"+code+"; return me.display_name })().catch(String)"); !strings.HasPrefix(got, "Mira") {
		t.Errorf("the document's code: %q", got)
	}
	if who := w.whoAmI(); who != "nobody" {
		t.Errorf("after the logout %s is logged in", who)
	}
}
