package caddyspotify_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// checked is a set-up for `caddy spotify check`, as the lines of its Caddyfile.
type checked struct {
	global, site, client, redirect, authorize, extra, before, around string
}

func (c checked) caddyfile() string {
	proxy := fmt.Sprintf("spotify_auth {\nclient_id %s\nredirect_uri %s\nscopes user-read-private\nauthorize_url %s/authorize\ntoken_url %[3]s/api/token\napi_url %[3]s\n%s\n}\n",
		c.client, c.redirect, c.authorize, c.extra)
	switch {
	case strings.HasSuffix(c.around, "\n"): // a block that has begun
		proxy = c.around + proxy + "}\n"
	case c.around != "":
		proxy = c.around + " {\n" + proxy + "}\n"
	}
	return fmt.Sprintf("{\n%s\n}\n%s {\n%s%s}\n", c.global, c.site, c.before, proxy)
}

var aKey = regexp.MustCompile(`[0-9a-f]{2}/[0-9a-f]{64}`)

// O57: what is wrong with a set-up is said in one line, with a remedy.
func TestCheckDiagnoses(t *testing.T) {
	sim := spotifytest.Start(t, spotifytest.Options{
		ClientIDs:    []string{proxytest.ClientID},
		RedirectURIs: []string{"http://127.0.0.1:8080/spotify/callback", "https://app.example.com/spotify/callback"},
	})
	simURL, err := url.Parse(sim.URL)
	if err != nil {
		t.Fatal(err)
	}
	tampered := func(change func(*http.Response)) string {
		proxy := httputil.NewSingleHostReverseProxy(simURL)
		proxy.ModifyResponse = func(res *http.Response) error { change(res); return nil }
		server := httptest.NewServer(proxy)
		t.Cleanup(server.Close)
		return server.URL
	}
	late := tampered(func(res *http.Response) {
		res.Header.Set("Date", time.Now().Add(-20*time.Minute).UTC().Format(http.TimeFormat))
	})
	sick := tampered(func(res *http.Response) { res.StatusCode = http.StatusServiceUnavailable })
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	untrusted.Config.ErrorLog = nil
	nobody := freeport.Address(t)
	notAFolder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notAFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	storage := t.TempDir()

	good := checked{
		global:    fmt.Sprintf("storage file_system %q", storage),
		site:      "http://127.0.0.1:8080",
		client:    proxytest.ClientID,
		redirect:  "http://127.0.0.1:8080/spotify/callback",
		authorize: sim.URL,
	}
	with := func(change func(*checked)) string {
		c := good
		change(&c)
		return c.caddyfile()
	}
	cases := []struct{ name, caddyfile string }{
		{"good", good.caddyfile()},
		{"good-https", with(func(c *checked) {
			c.site, c.redirect = "app.example.com", "https://app.example.com/spotify/callback"
		})},
		{"good-behind-development-server", with(func(c *checked) { c.global += "\ndefault_bind 127.0.0.1"; c.site = "http://127.0.0.1:8081" })},
		{"never-reached", with(func(c *checked) { c.around = "route {\nrespond hi\n" })},
		{"never-reached-redirect", with(func(c *checked) { c.before = "redir https://www.example.com{uri}\n" })},
		{"good-after-others", with(func(c *checked) {
			c.before = "redir /old /new\n@post method POST\nrespond @post no\n"
			c.around = "handle /other {\nrespond hi\n}\nhandle /spotify/*"
		})},
		// O60
		{"require-login-outside", with(func(c *checked) { c.around, c.extra = "handle /spotify/*", "require_login /app/*" })},
		{"require-login-answered-before", with(func(c *checked) {
			c.around, c.extra = "route {\nfile_server /app/*\n", "require_login /app/*"
		})},
		{"good-require-login", with(func(c *checked) { c.around, c.extra = "handle /s*", "require_login /secret /SHOP/*" })},
		{"client-id-cut", with(func(c *checked) { c.client = proxytest.ClientID[:31] })},
		{"client-id-unset", with(func(c *checked) { c.client = "{env.NOT_SET_ANYWHERE}" })},
		{"client-id-unknown", with(func(c *checked) { c.client = strings.Repeat("ab", 16) })},
		{"redirect-uri-localhost", with(func(c *checked) { c.redirect = "http://localhost:8080/spotify/callback" })},
		{"redirect-uri-http", with(func(c *checked) { c.redirect = "http://app.example.com/spotify/callback" })},
		{"redirect-uri-unregistered", with(func(c *checked) { c.redirect = "http://127.0.0.1:8080/music/callback" })},
		{"other-port", with(func(c *checked) { c.site = "http://127.0.0.1:9090" })},
		{"other-host", with(func(c *checked) {
			c.site, c.redirect = "www.example.com", "https://app.example.com/spotify/callback"
		})},
		{"other-path", with(func(c *checked) { c.around = "handle /music/*" })},
		{"store-not-writable", with(func(c *checked) { c.global = fmt.Sprintf("storage file_system %q", notAFolder) })},
		{"store-away", with(func(c *checked) { c.extra = "store redis " + nobody + " {\ntimeout 300ms\n}" })},
		{"clock-wrong", with(func(c *checked) { c.authorize = late })},
		{"name-unknown", with(func(c *checked) { c.authorize = "https://accounts.spotify.invalid" })},
		{"certificate-untrusted", with(func(c *checked) { c.authorize = untrusted.URL })},
		{"unreachable", with(func(c *checked) { c.authorize = "http://" + nobody })},
		{"spotify-sick", with(func(c *checked) { c.authorize = sick })},
		{"options-contradict", with(func(c *checked) { c.extra = "session {\nidle 3h\nlifetime 1h\n}" })},
		{"directive-missing", "http://127.0.0.1:8080 {\nrespond hello\n}\n"},
		{"option-misspelt", with(func(c *checked) { c.extra = "scope user-read-private" })},
	}
	hide := strings.NewReplacer(sim.URL, "http://SPOTIFY", simURL.Host, "SPOTIFY", late, "http://LATE", sick, "http://SICK",
		strings.TrimPrefix(late, "http://"), "LATE", strings.TrimPrefix(sick, "http://"), "SICK",
		strings.TrimPrefix(untrusted.URL, "https://"), "UNTRUSTED", nobody, "NOBODY", storage, "STORAGE", notAFolder, "FILE")
	outputs := make([]string, len(cases))
	t.Run("cases", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				cmd := proxytest.CaddyCommand(t, "spotify", "check")
				if err := os.WriteFile(filepath.Join(cmd.Dir, "Caddyfile"), []byte(strings.ReplaceAll(c.caddyfile, storage, filepath.Join(storage, c.name))), 0o600); err != nil {
					t.Fatal(err)
				}
				stdout, stderr, code := proxytest.Finish(t, cmd)
				if want := map[bool]int{true: 0, false: 2}[strings.HasPrefix(c.name, "good")]; code != want {
					t.Errorf("exit code %d, want %d: %s%s", code, want, stdout, stderr)
				}
				if stderr != "" {
					t.Errorf("it says on the side: %s", stderr)
				}
				if n := strings.Count(stdout, "✗"); code == 2 && n != 1 {
					t.Errorf("%d lines say what is wrong", n)
				}
				outputs[i] = fmt.Sprintf("# %s: exit code %d\n%s\n", c.name, code, aKey.ReplaceAllString(hide.Replace(stdout), "KEY"))
			})
		}
	})
	golden(t, "check.golden", strings.Join(outputs, ""))
	left := 0
	_ = filepath.WalkDir(storage, func(_ string, d os.DirEntry, _ error) error {
		if d != nil && strings.HasSuffix(d.Name(), ".json") {
			left++
		}
		return nil
	})
	if left > 0 {
		t.Errorf("%d files are left in the store", left)
	}
}

// golden compares what a command says with what it said when somebody looked.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "command", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; look at it, and run the test with -update if it is right:\n%s", path, got)
	}
}

// O57: offline, nothing is asked of the network.
func TestCheckOffline(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connected := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
			connected <- struct{}{}
		}
	}()
	cmd := proxytest.CaddyCommand(t, "spotify", "check", "--offline", "--json", "--config", "-", "--adapter", "caddyfile")
	cmd.Stdin = strings.NewReader(checked{
		global: fmt.Sprintf("storage file_system %q", t.TempDir()),
		site:   "http://127.0.0.1:8080", client: proxytest.ClientID, redirect: "http://127.0.0.1:8080/spotify/callback",
		authorize: "http://" + listener.Addr().String(),
	}.caddyfile())
	stdout, stderr, code := proxytest.Finish(t, cmd)
	var report struct {
		OK    bool
		Sites []struct {
			Site   string
			Checks []struct{ Check, Status, Message string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if !report.OK || len(report.Sites) != 1 || len(report.Sites[0].Checks) != 5 || report.Sites[0].Checks[4].Status != "skipped" {
		t.Errorf("report: %+v", report)
	}
	select {
	case <-connected:
		t.Error("it asked all the same")
	default:
	}
}

func TestCheckCannotTell(t *testing.T) {
	for name, args := range map[string][]string{
		"no Caddyfile":   {"check"},
		"no such file":   {"check", "--config", "nowhere"},
		"not JSON":       {"check", "--config", "/dev/null"},
		"no adapter":     {"check", "--config", "-", "--adapter", "nothing"},
		"unknown flag":   {"check", "--ofline"},
		"stray argument": {"check", "Caddyfile"},
		"no command":     {"chekc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := proxytest.RunCaddy(t, append([]string{"spotify"}, args...)...)
			if code != 1 || stderr == "" || stdout != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}
