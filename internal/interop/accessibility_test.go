package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// screen is a window and what its user likes.
type screen struct {
	name          string
	width, height int64
	scheme        string
}

var screens = []screen{
	{"desktop-light", 1280, 800, "light"},
	{"desktop-dark", 1280, 800, "dark"},
	{"phone-light", 390, 844, "light"},
}

// finding is what axe-core has against a page.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML, FailureSummary string
	}
}

// accessibility inspects pages with axe-core.
type accessibility struct{ axe string }

func newAccessibility(t *testing.T) accessibility {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join(installNpm(t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return accessibility{string(axe)}
}

// inspect looks at the page on each screen, takes its picture, and fails the
// test for what keeps people out.
func (a accessibility) inspect(b *browser, name string) {
	b.t.Helper()
	b.do("loading axe-core", chromedp.Evaluate[chromedp.Void](a.axe+";0"))
	for _, s := range screens {
		b.do("resizing", b.size(s.width, s.height, s.scheme))
		a.check(b, name+", "+s.name, "serious", "critical")
		if wide := read(b, "measuring", chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); wide > 0 {
			b.t.Errorf("%s, %s: the page is %d pixels wider than the window", name, s.name, wide)
		}
		b.picture(name + "-" + s.name)
	}
	if os.Getenv("SCREENSHOTS") != "" {
		b.do("resizing", b.size(390, 844, "dark"))
		b.picture(name + "-phone-dark")
	}
	b.do("resizing", b.size(1280, 800, "light"))
	// What axe-core thinks only moderately of.
	for what, selector := range map[string]string{
		"language":         `html[lang]`,
		"main landmark":    `main`,
		"top-level header": `h1`,
	} {
		if n := read(b, "counting", chromedp.Evaluate[int]("[...document.querySelectorAll(`"+selector+"`)].filter((e) => e.checkVisibility()).length")); n != 1 {
			b.t.Errorf("%s: %d of %s, want one %s", name, n, selector, what)
		}
	}
}

// check fails the test for what axe-core has against the page as it is. Of problems
// whose impact is not among those given it only logs a line; without any, all fail.
func (a accessibility) check(b *browser, name string, impacts ...string) {
	b.t.Helper()
	report := read(b, "running axe-core", chromedp.Evaluate[string](
		`axe.run({ resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations))`, chromedp.EvalAwaitPromise))
	var found []finding
	if err := json.Unmarshal([]byte(report), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		if len(impacts) > 0 && !slices.Contains(impacts, f.Impact) {
			b.t.Logf("%s: %s (%s)", name, f.Help, f.Impact)
			continue
		}
		for _, n := range f.Nodes {
			b.t.Errorf("%s: %s (%s, %s)\n%s\n%s", name, f.Help, f.ID, f.Impact, n.HTML, n.FailureSummary)
		}
	}
}

// press goes to an element with the Tab key, checks that the focus can be seen,
// and presses Enter.
func (b *browser) press(id string) {
	b.t.Helper()
	b.tabTo(id)
	if !read(b, "looking at the focus", chromedp.Evaluate[bool](`(({ outlineStyle, outlineWidth }) =>
		outlineStyle !== "none" && parseFloat(outlineWidth) >= 2)(getComputedStyle(document.activeElement))`)) {
		b.t.Errorf("the focus on #%s cannot be seen", id)
	}
	b.do("pressing Enter", chromedp.KeyEvent("\r"))
}

// TestDemoIsAccessible has axe-core look at the demo.
func TestDemoIsAccessible(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startDemo(t, "--listen", "0")
	b.do("opening the page", chromedp.Navigate(d.url), chromedp.WaitVisible(chromedp.ID("login")))
	a.inspect(b, "demo-logged-out")
	b.do("going to log in", chromedp.Click(chromedp.ID("login")), chromedp.WaitVisible(chromedp.ID("agree")))
	a.inspect(b, "consent")
	b.logIn("mira")
	b.arrive("the visitor is back", `document.body?.dataset.state === "in"`)
	b.loaded()
	a.inspect(b, "demo-logged-in")
}
