package doccheck_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// What readers copy works: each Caddyfile of the examples, and each block of a document
// that is one, is a whole file, formatted as caddy fmt does it, and valid.
func TestCaddyfilesOfDocuments(t *testing.T) {
	inRepository(t)
	t.Setenv("SITE", "https://app.example.com")
	t.Setenv("SPOTIFY_CLIENT_ID", proxytest.ClientID)
	t.Setenv("SPOTIFY_OWNER", "mira")
	t.Setenv("REDIS_PASSWORD", "a store's")
	t.Setenv("NOTIFY_URL", "https://ntfy.example.com/topic")
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	secret := filepath.Join(t.TempDir(), "store_password")
	if err := os.WriteFile(secret, []byte("a store's"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, pattern := range []string{"Caddyfile.example", "examples/*/Caddyfile", "contrib/*/Caddyfile"} {
		for _, name := range glob(t, pattern) {
			files[name] = readFile(t, name)
		}
	}
	block := regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$")
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md"} {
		for _, name := range glob(t, pattern) {
			for i, m := range block.FindAllStringSubmatch(readFile(t, name), -1) {
				files[fmt.Sprintf("%s, block %d", name, i+1)] = m[1]
			}
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d Caddyfiles are found", len(files))
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
				t.Errorf("caddy fmt would make it\n%s", formatted)
			}
			adapted, err := proxytest.TryAdapt(strings.ReplaceAll(text, "/run/secrets/store_password", secret))
			if err != nil {
				t.Fatal(err)
			}
			var config caddy.Config
			if err := json.Unmarshal(adapted, &config); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(&config); err != nil {
				t.Errorf("it adapts, but is not valid: %v", err)
			}
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	for i, name := range names {
		if strings.Contains(name, "node_modules") {
			t.Errorf("%s is not ours", name)
		}
		names[i] = filepath.ToSlash(name)
	}
	return names
}
