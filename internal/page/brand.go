package page

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is how many characters the name of a site may have.
const longestName = 60

// Brand is what makes our pages a site's own: its name, its logo and its colour. It does
// not change after it is made. A nil Brand changes nothing about a page.
type Brand struct {
	Name string // shown above the page's heading, and in its title; may be empty
	Logo string // the URL of the picture beside it; may be empty
	Alt  string // what a screen reader says in place of the logo

	imageSource string // the logo as the policy of a page allows it
	style       *Asset // page.css with the site's colour, or nil
}

// NewBrand returns the brand of the site with the origin and the prefix, or nil if all
// texts are empty. The logo is a path on the site or an https URL, and the accent a
// colour as in CSS, of three or six hexadecimal digits. An error names the option below
// pages that is wrong, and says what to do.
func NewBrand(name, logo, accent, origin, prefix string) (*Brand, error) {
	name, logo, accent = strings.TrimSpace(name), strings.TrimSpace(logo), strings.TrimSpace(accent)
	if name == "" && logo == "" && accent == "" {
		return nil, nil
	}
	b := &Brand{Name: name}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > longestName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, fmt.Errorf("pages name %q is not a name: give at most %d printable characters", name, longestName)
	}
	if logo != "" {
		u, err := parseLogo(logo, origin, prefix)
		if err != nil {
			return nil, err
		}
		b.Logo = u.String()
		if name == "" {
			_, b.Alt, _ = strings.Cut(origin, "://")
		}
		// A source names no query, and is ended by these.
		u.RawQuery, u.ForceQuery = "", false
		b.imageSource = strings.NewReplacer(";", "%3B", ",", "%2C").Replace(u.String())
	}
	if accent != "" {
		c, err := parseColour(accent)
		if err != nil {
			return nil, err
		}
		style := NewAsset([]byte(mustReadPage("html/page.css")+c.style()), styleSheet)
		b.style = &style
	}
	return b, nil
}

// parseLogo returns the URL of a logo, which is absolute: a page under another of the
// site's host names shows it, too, and the policy names it.
func parseLogo(logo, origin, prefix string) (*url.URL, error) {
	const remedy = "give a path on this site, such as /logo.svg, or an https URL"
	u, err := url.Parse(logo)
	if err != nil {
		return nil, fmt.Errorf("pages logo %q is not a URL: %s", logo, remedy)
	}
	switch {
	case u.Scheme == "data":
		return nil, fmt.Errorf("pages logo is a data URL, which every page would hold, and for which the pages' policy would have to allow any: %s", remedy)
	case u.Scheme == "http":
		return nil, fmt.Errorf("pages logo %q would be fetched in the clear: %s", logo, remedy)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("pages logo %q has a user or fragment: remove it", logo)
	case u.Scheme == "https" && u.Host != "":
		if strings.ContainsFunc(u.Host, func(r rune) bool { return r >= utf8.RuneSelf || r == ';' || r == ',' }) {
			return nil, fmt.Errorf("pages logo %q has a host that is not ASCII: write it as browsers send it, with xn--", logo)
		}
		if strings.Contains(u.Host, "*") {
			return nil, fmt.Errorf("pages logo %q names more than one host, all of which the pages' policy would allow: %s", logo, remedy)
		}
	case u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/"):
		return nil, fmt.Errorf("pages logo %q is neither of this site nor https: %s", logo, remedy)
	case u.Path == prefix || strings.HasPrefix(u.Path, prefix+"/"):
		return nil, fmt.Errorf("pages logo %q is below %s, which is the proxy's own: put the file elsewhere on the site", logo, prefix)
	}
	if strings.HasSuffix(u.Path, "/") || path.Clean(u.Path) != u.Path || strings.Contains(u.Path, `\`) {
		return nil, fmt.Errorf("pages logo %q has no plain path to a file: %s", logo, remedy)
	}
	if u.Host != "" {
		return u, nil
	}
	return url.Parse(origin + u.String())
}

// colour is a colour of sRGB.
type colour [3]uint8

// parseColour reads a colour of three or six hexadecimal digits, with or without the #:
// in a Caddyfile that would begin a comment.
func parseColour(text string) (c colour, err error) {
	digits := strings.TrimPrefix(text, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) != 6 {
		return c, fmt.Errorf("pages accent %q is not a colour: give three or six hexadecimal digits, such as \"#0b7d3e\"", text)
	}
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil //nolint:gosec // n has 24 bits, and each takes its eight
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	channel := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(c[0]) + 0.7152*channel(c[1]) + 0.0722*channel(c[2])
}

// contrast is the contrast ratio of two colours in WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// Contrasts that WCAG 2.2 asks for: of text (1.4.3), and of what shows where the focus
// is and where a button ends (1.4.11).
const (
	textContrast = 4.5
	markContrast = 3
)

// The grounds of page.css: the page and the card on it, in the light and in the dark.
var grounds = [2][2]colour{{{0xf6, 0xf7, 0xf6}, {0xff, 0xff, 0xff}}, {{0x0f, 0x12, 0x10}, {0x18, 0x1c, 0x19}}}

// style is what page.css is followed by. The colour is used as it is, and what is on it or
// around it is chosen so that it can be read and seen: white text if that is readable, or
// else black, which then is, and outlines in the colour of the text where the ground is
// too much like the colour. Forced colours are left alone: they replace all of these.
func (c colour) style() string {
	on := colour{0xff, 0xff, 0xff}
	if contrast(c, on) < textContrast {
		on = colour{}
	}
	mark := func(grounds [2]colour) string {
		for _, ground := range grounds {
			if contrast(c, ground) < markContrast {
				return "var(--text)"
			}
		}
		return c.String()
	}
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s;--mark:%s}\n@media (prefers-color-scheme:dark){:root{--accent:%[1]s;--on-accent:%[2]s;--mark:%[4]s}}\n",
		c, on, mark(grounds[0]), mark(grounds[1]))
}

var plainStyle = NewAsset([]byte(mustReadPage("html/page.css")), styleSheet)

// ServeStyle responds with the style of all our pages, in the site's colour.
func (p Renderer) ServeStyle(w http.ResponseWriter, r *http.Request) error {
	if p.Brand != nil && p.Brand.style != nil {
		return p.Brand.style.Serve(w, r)
	}
	return plainStyle.Serve(w, r)
}

// policy is the policy of a page with the logo allowed, and no other picture.
func (b *Brand) policy(page string) string {
	if b == nil || b.imageSource == "" {
		return page
	}
	return page + "; img-src " + b.imageSource
}
