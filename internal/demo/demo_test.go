package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	// spotify_proxy itself.
	_ "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/demo"
)

// TestRun runs the demo in this process and stops it.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- demo.Run(ctx, demo.Options{Listen: "0", Out: write}) }()

	var greeting []byte
	url := regexp.MustCompile(`(?m)^  (http://\S+)$`)
	for !url.Match(greeting) {
		b := make([]byte, 4096)
		n, err := read.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		greeting = append(greeting, b[:n]...)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	origin := string(url.FindSubmatch(greeting)[1])

	page := get(t, origin+"/")
	if !strings.Contains(page.body, `id="login"`) || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("the page: %s\n%s", page.header.Get("Content-Type"), page.body)
	}
	policy := page.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'self'; img-src 'self' http://127.0.0.1:") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy: %s", policy)
	}
	if script := get(t, origin+"/app.js"); !strings.Contains(script.header.Get("Content-Type"), "javascript") {
		t.Errorf("a script has the type %s", script.header.Get("Content-Type"))
	}
	if session := get(t, origin+"/spotify/session"); !strings.Contains(session.body, `"authenticated":false`) {
		t.Errorf("the session of a stranger: %s", session.body)
	}

	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
	_ = write.Close()
	// A connection kept open from before would be closed, not refused.
	http.DefaultClient.CloseIdleConnections()
	if resp, err := http.Get(origin); err == nil {
		resp.Body.Close()
		t.Error("the demo still answers")
	}
}

// TestRunForScripts reads where the demo is, as a script would.
func TestRunForScripts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- demo.Run(ctx, demo.Options{Listen: "0", JSON: true, Out: write}) }()
	var said struct {
		URL       string
		Spotify   string  `json:"spotify_url"`
		TokenLife float64 `json:"token_life_seconds"`
	}
	if err := json.NewDecoder(read).Decode(&said); err != nil {
		t.Fatal(err)
	}
	if said.TokenLife != 120 || said.Spotify == "" {
		t.Errorf("it says %+v", said)
	}
	get(t, said.URL+"/")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

type answer struct {
	header http.Header
	body   string
}

func get(t *testing.T, url string) answer {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.Header, string(body)}
}

// TestPrintConfig checks that what is printed is a Caddyfile, as caddy fmt
// would have it.
func TestPrintConfig(t *testing.T) {
	kinds := map[string]demo.Options{
		"default": {Listen: "0"},
		"debug":   {Listen: "0", Debug: true},
	}
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
		ln.Close()
		kinds["IPv6"] = demo.Options{Listen: "[::1]:0"}
	}
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o.Out = &out
			if err := demo.PrintConfig(o); err != nil {
				t.Fatal(err)
			}
			_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(out.Bytes(), map[string]any{"filename": "Caddyfile"})
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v, %v\n%s", err, warnings, out.String())
			}
		})
	}
}

func TestWrongOptions(t *testing.T) {
	for want, o := range map[string]demo.Options{
		"listen":     {Listen: "0.0.0.0:8080"},
		"token-life": {Listen: "0", TokenLife: time.Millisecond},
	} {
		o.Out = io.Discard
		for _, f := range []func() error{
			func() error { return demo.Run(t.Context(), o) },
			func() error { return demo.PrintConfig(o) },
		} {
			if err := f(); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "use ") {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
}
