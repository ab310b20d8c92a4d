package demo

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// assets returns the page as file_server gets it.
func assets(t *testing.T) fs.FS {
	t.Helper()
	a := new(Assets)
	if err := a.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAssets(t *testing.T) {
	if err := fstest.TestFS(assets(t), "index.html", "style.css", "app.js", "icon.svg"); err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		"spotify_demo":               true,
		"spotify_demo argument":      false,
		"spotify_demo {\n option\n}": false,
	} {
		err := new(Assets).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

var (
	elementID = regexp.MustCompile(`\sid="([^"]+)"`)
	wantedID  = regexp.MustCompile(`\$\("([^"]+)"\)|(?:showProblem|command|turn)\(\$?\(?"([^"]+)"`)
	imported  = regexp.MustCompile(`from "\./([^"]+)"`)
	linked    = regexp.MustCompile(`\s(?:src|href)="/([^"?]*)"`)
	elsewhere = regexp.MustCompile(`(?i)(?:src|href|url\(|import|from|fetch\()\s*=?\s*["'(]?(?:https?:)?//`)
	inline    = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:>|[^>]*[^>]>[^<])`)
)

// TestPageHangsTogether checks what no compiler does: that the scripts find
// the elements and the files they name.
func TestPageHangsTogether(t *testing.T) {
	site := assets(t)
	html := read(t, site, "index.html")
	var ids []string
	for _, m := range elementID.FindAllStringSubmatch(html, -1) {
		if slices.Contains(ids, m[1]) {
			t.Errorf("two elements have the id %s", m[1])
		}
		ids = append(ids, m[1])
	}
	for _, m := range linked.FindAllStringSubmatch(html, -1) {
		if m[1] != "" && !strings.HasPrefix(m[1], "spotify/") {
			read(t, site, m[1])
		}
	}
	scripts, err := fs.Glob(site, "*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	for _, name := range scripts {
		script := read(t, site, name)
		for _, m := range wantedID.FindAllStringSubmatch(script, -1) {
			if id := m[1] + m[2]; !slices.Contains(ids, id) {
				t.Errorf("%s wants #%s, which is not in the page", name, id)
			}
		}
		for _, m := range imported.FindAllStringSubmatch(script, -1) {
			read(t, site, m[1])
		}
	}
}

// TestPageIsSelfContained checks that the page needs nothing from elsewhere and
// runs under a policy without unsafe-inline.
func TestPageIsSelfContained(t *testing.T) {
	site := assets(t)
	names, err := fs.Glob(site, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := read(t, site, name)
		if m := elsewhere.FindString(text); m != "" {
			t.Errorf("%s refers to another origin: %s", name, m)
		}
		if m := inline.FindString(text); m != "" && strings.HasSuffix(name, ".html") {
			t.Errorf("%s has an inline script or style: %s", name, m)
		}
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for _, unsafe := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage.setItem", "Authorization:"} {
			if strings.Contains(text, unsafe) {
				t.Errorf("%s uses %s", name, unsafe)
			}
		}
	}
}

func read(t *testing.T, site fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(site, name)
	if err != nil {
		t.Errorf("the page wants %s: %v", name, err)
	}
	return string(b)
}
