package interop

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take to show what it should. It only bounds
// a failure: nothing waits for it to pass.
const patience = 30 * time.Second

// browser is a Chromium with one tab and a profile of its own.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string // errors and warnings that the pages wrote
}

// startBrowser starts Chromium, or skips the test where there is none. On a
// machine with much to do it sometimes dies before it says where to reach it;
// then another is started.
func startBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	for attempt := 1; ; attempt++ {
		b, err := tryBrowser(t, more)
		if err == nil {
			return b
		}
		if attempt == 3 {
			t.Fatalf("starting Chromium: %v", err)
		}
		t.Logf("starting Chromium once more: %v", err)
	}
}

func tryBrowser(t *testing.T, more []chromedp.ExecAllocatorOption) (*browser, error) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(time.Minute),
		chromedp.NoSandbox, // so that it runs as root, in a container
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-GB"),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(options, more...)...)
	t.Cleanup(cancel)
	return tryTab(t, ctx)
}

// newTab opens another tab of the same browser.
func (b *browser) newTab() *browser {
	b.t.Helper()
	tab, err := tryTab(b.t, b.ctx)
	if err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	return tab
}

func tryTab(t *testing.T, parent context.Context) (*browser, error) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	// The first run starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx, b.size(1280, 800, "light")); err != nil {
		return nil, err
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException() {
				b.mu.Lock()
				b.console = append(b.console, m.String())
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-reading
	})
	return b, nil
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no Chromium here: install chromium or google-chrome to run the tests that use a browser"
	if os.Getenv("CI_NO_SKIP") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// do runs the steps, all of them within the patience.
func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.failed(what, err)
	}
}

func read[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.failed(what, err)
	}
	return v
}

// failed ends the test with what the page looked like.
func (b *browser) failed(what string, err error) {
	b.t.Helper()
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("it did not happen in time")
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	where, _ := chromedp.Run(ctx, chromedp.Location())
	shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	b.picture("failed")
	b.t.Fatalf("%s: %v\nat %s, which shows:\n%s\nconsole: %q", what, err, where, shown, b.complaints())
}

// waitFor waits until a JavaScript expression is true in the page.
func (b *browser) waitFor(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	// By the clock and not by frames, of which a page out of sight has none.
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.failed("waiting until "+what, err)
	}
}

func (b *browser) text(id string) string {
	b.t.Helper()
	return strings.TrimSpace(read(b, "reading #"+id, chromedp.TextContent(chromedp.ID(id))))
}

func (b *browser) visible(id string) bool {
	b.t.Helper()
	return read(b, "looking for #"+id, chromedp.Evaluate[bool](`document.getElementById("`+id+`").checkVisibility()`))
}

func (b *browser) count(selector string) int {
	b.t.Helper()
	return read(b, "counting "+selector, chromedp.Evaluate[int]("document.querySelectorAll(`"+selector+"`).length"))
}

// loaded waits until every part of the demo's page has what it asked for.
func (b *browser) loaded() {
	b.t.Helper()
	b.waitFor("the page is complete", `document.body.dataset.state === "in"
		&& !document.getElementById("profile-name").classList.contains("loading")
		&& document.querySelectorAll("section[aria-busy=true]").length === 0`)
}

// tabTo presses Tab until the focus is on an element.
func (b *browser) tabTo(id string) {
	b.t.Helper()
	for range 40 {
		b.do("pressing Tab", chromedp.KeyEvent(kb.Tab))
		if read(b, "reading the focus", chromedp.Evaluate[string]("document.activeElement.id")) == id {
			return
		}
	}
	b.t.Fatalf("#%s cannot be reached with the Tab key", id)
}

func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.console...)
}

func (b *browser) size(width, height int64, scheme string) chromedp.Action[chromedp.Void] {
	options := []chromedp.EmulateViewportOption{}
	if width < 600 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateScale(2))
	}
	return chromedp.Steps(
		chromedp.EmulateViewport(width, height, options...),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
}

// pictures saves the page as it looks on a desktop and on a phone, in the
// light and in the dark, to the folder that $SCREENSHOTS names.
func (b *browser) pictures(name string) {
	b.t.Helper()
	if os.Getenv("SCREENSHOTS") == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		b.do("resizing", b.size(390, 844, scheme))
		b.picture(name + "-phone-" + scheme)
		b.do("resizing", b.size(1280, 800, scheme))
		b.picture(name + "-desktop-" + scheme)
	}
	b.do("resizing", b.size(1280, 800, "light"))
}

func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("taking the picture %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Logf("saving the picture %s: %v", name, err)
	}
}

// sessionCookie returns the value of the session cookie. For some seconds after
// a login there is another cookie, which only says that there was one.
func (b *browser) sessionCookie(origin string) string {
	b.t.Helper()
	result := read(b, "reading the cookies", func(ctx context.Context, _ *chromedp.Target) (network.GetCookiesResult, error) {
		return chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{origin}})
	})
	value := ""
	for _, c := range result.Cookies {
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" {
			b.t.Errorf("cookie %s: HttpOnly %v, SameSite %s, Path %s", c.Name, c.HTTPOnly, c.SameSite, c.Path)
		}
		switch {
		case c.Name == "spotify_session" && value == "" && len(c.Value) == 43:
			value = c.Value
		case len(c.Value) > 8:
			b.t.Errorf("the browser holds a cookie %s of %d characters", c.Name, len(c.Value))
		}
	}
	if value == "" {
		b.t.Fatal("the browser holds no session cookie")
	}
	return value
}

// expectDead checks that a session cookie from before a logout opens nothing.
func expectDead(t *testing.T, origin, cookie string) {
	t.Helper()
	for path, want := range map[string]string{
		"/spotify/session": `"authenticated":false`,
		"/spotify/v1/me":   `"reason":"login_required"`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "spotify_session", Value: cookie})
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), want) {
			t.Errorf("GET %s with the old cookie: status %d, %s", path, resp.StatusCode, body)
		}
	}
}
