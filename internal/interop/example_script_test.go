package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestExampleScript creates an access key on the page, gives it to the script,
// and revokes it.
func TestExampleScript(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startExample(t, "script")
	script := filepath.Join(t.TempDir(), "script")
	build := exec.Command("go", "build", "-o", script, ".")
	build.Dir = example(t, "script")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the script: %v\n%s", err, output)
	}
	run := func(key string) (string, error) {
		cmd := exec.CommandContext(t.Context(), script)
		cmd.Env = append(os.Environ(), "SPOTIFY_KEY="+key, "SPOTIFY_BASE="+d.url+"/spotify/v1/")
		output, err := cmd.CombinedOutput()
		return string(output), err
	}

	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.arrive("the page of keys is there", `document.getElementById("create") !== null`)
	a.inspect(b, "keys-none")
	b.tabTo("name")
	b.do("naming the key", chromedp.KeyEvent("A script"), chromedp.KeyEvent("\r"))
	b.arrive("the key is there", `document.getElementById("key") !== null`)
	a.inspect(b, "keys-created")
	key := b.text("key")
	b.press("done")
	b.arrive("the list is there", `document.querySelector("ul.keys li") !== null`)
	a.inspect(b, "keys-one")

	output, err := run(key)
	if err != nil || strings.Count(output, ", by ") != 34 || !strings.Contains(output, "Top artists\n  Cinder Parade\n") || !strings.Contains(output, "34 playlists\n") {
		t.Errorf("the script: %v\n%s", err, output)
	}

	b.do("revoking the key", chromedp.Evaluate[chromedp.Void](`document.querySelector("summary").click()`),
		chromedp.Click(chromedp.CSS(`button.bad[name="key"]`)))
	b.arrive("the key is gone", `document.getElementById("none") !== null`)
	if output, err := run(key); err == nil || !strings.Contains(output, "revoked") {
		t.Errorf("the script with a key that was revoked: %v\n%s", err, output)
	}
	if output, err := run(""); err == nil || !strings.Contains(output, "SPOTIFY_KEY is not set") {
		t.Errorf("the script without a key: %v\n%s", err, output)
	}
	if strings.Contains(d.printed(), key) {
		t.Error("the log has the key in it")
	}
	b.expectQuiet()
	d.interrupt()
}
