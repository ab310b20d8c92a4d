package interop

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// standInSDK does what Spotify's Web Playback SDK does with the page: it asks for
// a token, and says that it is a device.
const standInSDK = `
let token, answered = 0;
window.fetch = ((real) => async (...args) => {
  const answer = await real(...args);
  if (++answered === 3) { // the token, the devices, and that this is the one to play
    const shown = document.createElement("pre");
    shown.id = "token";
    shown.textContent = token;
    document.body.append(shown);
  }
  return answer;
})(window.fetch);
window.Spotify = { Player: class {
  constructor(options) { this.options = options; this.listeners = {}; }
  addListener(name, listener) { this.listeners[name] = listener; }
  connect() {
    this.options.getOAuthToken(async (given) => {
      token = given;
      const { devices } = await (await fetch("/spotify/v1/me/player/devices")).json();
      this.listeners.ready({ device_id: devices[0].id });
    });
  }
} };
addEventListener("load", () => window.onSpotifyWebPlaybackSDKReady());
`

// TestPlaybackInPage runs the page of docs/web-playback.md as it is written
// there, with a stand-in for Spotify's script.
func TestPlaybackInPage(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "web-playback.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```html\n")
	page, _, _ := strings.Cut(rest, "```")
	if !strings.Contains(page, "https://sdk.scdn.co/spotify-player.js") {
		t.Fatalf("the document's page is not what it was:\n%s", page)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"index.html": `<!doctype html><link rel="icon" href="data:,"><body>` + strings.Replace(page, "https://sdk.scdn.co/spotify-player.js", "/sdk.js", 1),
		"sdk.js":     standInSDK,
		"other.html": `<!doctype html><link rel="icon" href="data:,"><p id="other">another page`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	p := startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		scopes `+stockScopes+`
		optional_scopes streaming user-read-email
		expose_token
		store memory
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, "root * "+dir+"\nfile_server")
	b := startBrowser(t)
	agree := func(what, address, then string) {
		b.do(what, chromedp.Navigate(origin+address),
			chromedp.Click(chromedp.CSS(`label:has(#user-mira)`)),
			chromedp.Click(chromedp.ID("agree")),
			chromedp.WaitVisible(chromedp.ID(then)))
	}
	agree("logging in", "/spotify/login?return_to=/other.html", "other")
	// For want of a scope the page sends the visitor to grant it, and comes back.
	agree("playing", "/", "token")
	token := b.text("token")
	if !slices.Contains(sim.TokensIssued(), token) {
		t.Errorf("%.12q is no token of Spotify's", token)
	}
	called := sim.RequestsTo("/v1/me/player")
	if !slices.ContainsFunc(called, func(r spotifytest.Request) bool {
		return r.Method == http.MethodPut && r.Path == "/v1/me/player" && r.Status == http.StatusNoContent
	}) {
		t.Errorf("nothing was told to play in the page: %+v", called)
	}
	if log := string(p.loggedByPlugin(t)); strings.Count(log, "token exposed") != 1 {
		t.Errorf("the log does not say once that a token was handed out:\n%s", log)
	}
	p.expectSecretsOut(t, sim.TokensIssued())
}
