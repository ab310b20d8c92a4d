package interop

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDocumentationSite builds the documentation as a site, which fails for a link that
// leads nowhere, and reads it on a phone. No request may leave for elsewhere.
func TestDocumentationSite(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	dist := t.TempDir()
	build := exec.CommandContext(t.Context(), "npm", "run", "build", "--", "--outDir", dist)
	build.Dir = installIn(t, filepath.Join("..", "..", "docs", "site"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the site: %v\n%s", err, out)
	}
	// Addresses have no .html, as most hosts of static files serve them.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page := filepath.Join(dist, filepath.FromSlash(r.URL.Path)+".html"); filepath.Ext(r.URL.Path) == "" && !strings.HasSuffix(r.URL.Path, "/") {
			http.ServeFile(w, r, page)
			return
		}
		http.FileServer(http.Dir(dist)).ServeHTTP(w, r)
	}))
	defer server.Close()
	expectOwn := func() {
		t.Helper()
		elsewhere := read(b, "looking at requests", chromedp.Evaluate[string](
			`performance.getEntriesByType("resource").map((e) => e.name).filter((url) => !url.startsWith(location.origin)).join(" ")`))
		if elsewhere != "" {
			t.Errorf("the page asks for %s", elsewhere)
		}
	}

	b.do("opening the first page", b.size(390, 844, "light"), chromedp.Navigate(server.URL+"/"))
	b.waitFor("the page is there", `document.querySelector("h1")?.textContent.startsWith("caddy-spotify")`)
	a.inspect(b, "docs-home")
	expectOwn()
	b.do("opening the options", chromedp.Navigate(server.URL+"/docs/options"))
	b.waitFor("the page is there", `document.querySelector("main h1")?.textContent.startsWith("Options")`)
	a.inspect(b, "docs-options")

	// The search works without a server.
	b.do("opening the search", chromedp.Evaluate[chromedp.Void](`document.querySelector(".DocSearch-Button").click()`))
	b.waitFor("the search is there", `document.activeElement?.id === "localsearch-input"`)
	b.do("searching", chromedp.KeyEvent("require_login"))
	b.waitFor("the option is found", `[...document.querySelectorAll(".VPLocalSearchBox .result")].some((r) => r.getAttribute("href").startsWith("/docs/options"))`)
	expectOwn()

	text, err := os.ReadFile(filepath.Join(dist, "llms.txt"))
	if err != nil || !strings.Contains(string(text), "(/md/docs/options.md)") {
		t.Errorf("llms.txt: %v\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(dist, "md", "docs", "options.md")); err != nil {
		t.Error(err)
	}
}
