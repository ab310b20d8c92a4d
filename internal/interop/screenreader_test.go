package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	ax "github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// told returns what a screen reader has to tell of the page, in its order: a line for
// each element with its role, its name, and what else is said of it. Lines are indented
// below what they are in. Text without a role of its own has none.
func (b *browser) told() string {
	b.t.Helper()
	tree := read(b, "reading the accessibility tree", func(ctx context.Context, _ *chromedp.Target) (ax.GetFullAXTreeResult, error) {
		return chromedp.Call(ctx, ax.GetFullAXTree, ax.GetFullAXTreeParams{})
	})
	nodes := make(map[ax.NodeID]*ax.Node)
	for _, n := range tree.Nodes {
		nodes[n.NodeID] = n
	}
	var out strings.Builder
	var tell func(n *ax.Node, depth int)
	tell = func(n *ax.Node, depth int) {
		if line := tellOf(n); line != "" {
			fmt.Fprintf(&out, "%s%s\n", strings.Repeat("  ", depth), line)
			depth++
		}
		if axValue(n.Role) == "MenuListPopup" {
			return
		}
		for _, id := range n.ChildIDs {
			child := nodes[id]
			if child == nil || axValue(child.Role) == "StaticText" && strings.TrimSpace(axValue(child.Name)) == axValue(n.Name) {
				continue // has been told
			}
			if axValue(n.Role) != "StaticText" {
				tell(child, depth)
			}
		}
	}
	if len(tree.Nodes) > 0 {
		tell(tree.Nodes[0], 0)
	}
	return out.String()
}

// passedOver are roles of which a screen reader tells only what is in them.
var passedOver = []string{"generic", "none", "GenericContainer", "InlineTextBox", "ListMarker", "LineBreak", "paragraph", "MenuListPopup"}

// tellOf is what is told of one element, or nothing.
func tellOf(n *ax.Node) string {
	role, name := axValue(n.Role), axValue(n.Name)
	if n.Ignored || slices.Contains(passedOver, role) {
		return ""
	}
	if role == "form" && name == "" {
		return "" // no landmark (HTML-AAM); Chromium has it in the tree up to version 147
	}
	if role == "StaticText" {
		if strings.TrimSpace(name) == "" {
			return ""
		}
		return fmt.Sprintf("%q", name)
	}
	line := role
	if name != "" {
		line += fmt.Sprintf(" %q", name)
	}
	if v := axValue(n.Value); v != "" {
		line += fmt.Sprintf(" value %q", v)
	}
	if v := axValue(n.Description); v != "" {
		line += fmt.Sprintf(" description %q", v)
	}
	for _, p := range n.Properties {
		switch v := axValue(p.Value); p.Name {
		case "level", "live", "checked", "expanded", "invalid", "required", "readonly":
			if v != "" && v != "false" {
				line += fmt.Sprintf(" %s=%s", p.Name, v)
			}
		}
	}
	return line
}

// axValue is a value of the tree as text.
func axValue(v *ax.Value) string {
	if v == nil || len(v.Value) == 0 {
		return ""
	}
	var text string
	if json.Unmarshal(v.Value, &text) == nil {
		return text
	}
	return string(v.Value)
}

// varying is what is another at each run.
var varying = []struct {
	is  *regexp.Regexp
	now string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?`), "DATE"},
	{regexp.MustCompile(`spk_[A-Za-z0-9_-]{43}`), "spk_KEY"},
	{regexp.MustCompile(`\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b`), "CODE"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
}

// steady returns a text without what is another at each run.
func steady(text, origin string) string {
	text = strings.ReplaceAll(text, origin, "ORIGIN")
	for _, v := range varying {
		text = v.is.ReplaceAllLiteralString(text, v.now)
	}
	return text
}

// walk goes through the page with the Tab key alone. The focus has to come to
// everything that can be used, in the order of the document, and be seen there.
func (b *browser) walk(name string) {
	b.t.Helper()
	// Of radio buttons Tab comes to one of each group.
	b.do("finding what can be used", chromedp.Evaluate[chromedp.Void](`window.usable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
		.filter((e) => e.checkVisibility() && e.type !== "hidden" && (e.type !== "radio" || e.checked))`))
	want := read(b, "counting them", chromedp.Evaluate[int]("usable.length"))
	var order []int
	for range 2*want + 4 {
		b.do("pressing Tab", chromedp.KeyEvent("\t"))
		focus := read(b, "reading the focus", chromedp.Evaluate[struct {
			At   int
			Seen bool
			On   string
		}](`(e => ({
			at: usable.indexOf(e), on: e === document.body ? "" : e.outerHTML,
			seen: getComputedStyle(e).outlineStyle !== "none" && parseFloat(getComputedStyle(e).outlineWidth) >= 2,
		}))(document.activeElement)`))
		switch {
		case focus.At < 0 && focus.On != "":
			b.t.Errorf("%s: Tab comes to %s", name, focus.On)
		case focus.At < 0:
			continue // between the end of the page and its beginning
		case !focus.Seen:
			b.t.Errorf("%s: the focus cannot be seen on %s", name, focus.On)
		}
		if slices.Contains(order, focus.At) {
			break // once round
		}
		order = append(order, focus.At)
	}
	// It begins wherever the focus was.
	if first := slices.Index(order, 0); first > 0 {
		order = slices.Concat(order[first:], order[:first])
	}
	if len(order) != want || !slices.IsSorted(order) {
		b.t.Errorf("%s: Tab comes to %v, want all %d in their order", name, order, want)
	}
	b.do("leaving the focus", chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
}
