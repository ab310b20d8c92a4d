package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// stockScopes are those that a music app commonly asks for.
const stockScopes = "user-read-private user-library-read playlist-read-private playlist-modify-private playlist-modify-public user-read-playback-state user-modify-playback-state ugc-image-upload"

// exercised is what the scripts in the folder npm report.
type exercised struct {
	Error     string
	User      string
	Found     int
	Total     int
	Items     int
	Different int
	Paused    bool
	Playing   bool
	Volume    int
	Playlist  string
	Images    int
}

// npmSite is a proxy that also serves the folder npm, with its packages, as a
// site would serve its own scripts.
type npmSite struct {
	*proxy
	sim     *spotifytest.Running
	dir     string
	picture string // base64 of a JPEG
}

func startNpmSite(t *testing.T) *npmSite {
	t.Helper()
	dir := installNpm(t)
	origin := freeOrigin(t)
	// The clients use the old forms.
	sim := spotifytest.Start(t, spotifytest.Options{Mode: spotifytest.Extended, RedirectURIs: []string{origin + "/spotify/callback"}})
	jpg := new(bytes.Buffer)
	if err := jpeg.Encode(jpg, image.NewRGBA(image.Rect(0, 0, 64, 64)), nil); err != nil {
		t.Fatal(err)
	}
	s := &npmSite{sim: sim, dir: dir, picture: base64.StdEncoding.EncodeToString(jpg.Bytes())}
	s.proxy = startProxy(t, origin, `
		client_id 0123456789abcdef0123456789abcdef
		scopes `+stockScopes+`
		store memory
		access_keys
		authorize_url `+sim.AuthorizeURL+`
		token_url `+sim.TokenURL+`
		api_url `+sim.APIURL, fmt.Sprintf("respond /picture.txt %q\nroot * %q\nfile_server", s.picture, dir))
	return s
}

// installNpm has npm install the packages that npm/package-lock.json names.
func installNpm(t *testing.T) string {
	t.Helper()
	return installIn(t, "npm")
}

// installIn has npm install what a folder's package-lock.json names, and returns the
// folder's absolute path. Without Node.js or the registry the test is skipped.
func installIn(t *testing.T, folder string) string {
	t.Helper()
	dir, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		missing := "no " + tool + " here: install Node.js and npm to run the tests that use packages of npm"
		if os.Getenv("CI_NO_SKIP") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	// Once installed they need not be fetched again, nor the network be there.
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(dir, "node_modules", ".installed")
	sum := fmt.Sprintf("%x\n", sha256.Sum256(lock))
	if done, err := os.ReadFile(stamp); err == nil && string(done) == sum {
		return dir
	}
	install := exec.CommandContext(t.Context(), "npm", "ci")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		unreachable := fmt.Sprintf("npm ci: %v\n%s", err, output)
		if os.Getenv("CI_NO_SKIP") == "1" {
			t.Fatal(unreachable)
		}
		t.Skip(unreachable)
	}
	if err := os.WriteFile(stamp, []byte(sum), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// expect checks what a client reported and what the Web API saw of it.
func (s *npmSite) expect(t *testing.T, report string) {
	t.Helper()
	var got exercised
	if err := json.Unmarshal([]byte(report), &got); err != nil || got.Error != "" {
		t.Fatalf("the client failed: %v\n%s\n%s", err, got.Error, report)
	}
	want := exercised{
		User: "mira", Found: got.Found, Total: 540, Items: 540, Different: got.Different,
		Paused: true, Playing: true, Volume: 37, Playlist: got.Playlist, Images: got.Images,
	}
	if got != want || got.Found == 0 || got.Different < 500 || got.Playlist == "" || got.Images == 0 {
		t.Errorf("the client reported %+v, want %+v", got, want)
	}

	pages, uploaded := 0, false
	for _, r := range s.sim.RequestsTo("/v1/") {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/tracks") && strings.Contains(r.RawQuery, "offset=") {
			pages++
		}
		if r.Method == http.MethodPut && r.Path == "/v1/playlists/"+got.Playlist+"/images" {
			uploaded = r.Status == http.StatusAccepted && r.BodySHA256 == fmt.Sprintf("%x", sha256.Sum256([]byte(s.picture)))
		}
		if r.Status >= 400 {
			t.Errorf("%s %s: the Web API said %d", r.Method, r.Path, r.Status)
		}
		if strings.Contains(r.Header.Get("Authorization"), "stock-client") {
			t.Errorf("%s %s: the client's own token reached Spotify", r.Method, r.Path)
		}
	}
	if pages < 10 {
		t.Errorf("the Web API saw %d pages after the first", pages)
	}
	if !uploaded {
		t.Error("the picture did not arrive as it was sent")
	}
	if odd := s.sim.Violations(); len(odd) > 0 {
		t.Errorf("the simulator was sent what it must not be: %v", odd)
	}
	s.expectSecretsOut(t, s.sim.TokensIssued())
}

// TestTypeScriptSDKInNode runs Spotify's own client, as published, in Node.
//
// P43
func TestTypeScriptSDKInNode(t *testing.T) {
	s := startNpmSite(t)
	visitor := newVisitor(t)
	answer, err := visitor.Get(spotifytest.Approve(t, visitor, s.origin+"/spotify/login", "mira"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	origin, err := url.Parse(s.origin)
	if err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, c := range visitor.Jar.Cookies(origin) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	node := exec.CommandContext(t.Context(), "node", "ts-sdk-node.js", s.origin)
	node.Dir = s.dir
	node.Env = append(os.Environ(), "COOKIE="+strings.Join(cookies, "; "))
	node.Stdin = strings.NewReader(s.picture)
	node.Stderr = new(bytes.Buffer)
	report, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, node.Stderr)
	}
	s.expect(t, string(report))
}

// TestJavaScriptClientsInBrowser runs published clients in a page of the site.
// They are given a fetcher, or the base URL, and nothing else.
//
// P43
func TestJavaScriptClientsInBrowser(t *testing.T) {
	for name, page := range map[string]string{
		"web-api-ts-sdk":     "/ts-sdk.html",
		"spotify-web-api-js": "/spotify-web-api-js.html",
	} {
		t.Run(name, func(t *testing.T) {
			s := startNpmSite(t)
			b := startBrowser(t)
			b.do("logging in",
				chromedp.Navigate(s.origin+"/spotify/login?return_to="+page),
				chromedp.Click(chromedp.CSS(`label:has(#user-mira)`)),
				chromedp.Click(chromedp.ID("agree")),
				chromedp.WaitVisible(chromedp.ID("result")))
			s.expect(t, b.text("result"))
		})
	}
}
