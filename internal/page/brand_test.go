package page

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

const (
	testOrigin = "https://app.example.com"
	testPrefix = "/spotify"
)

// What is configured cannot leave the attribute, the policy's source or the page's
// text that it is for.
func TestBrandIsShownAndAllowed(t *testing.T) {
	for logo, want := range map[string]struct{ src, source string }{
		"/logo.svg":                            {testOrigin + "/logo.svg", testOrigin + "/logo.svg"},
		"/logo.svg?v=2":                        {testOrigin + "/logo.svg?v=2", testOrigin + "/logo.svg"},
		"/a;script-src,b.png":                  {testOrigin + "/a;script-src,b.png", testOrigin + "/a%3Bscript-src%2Cb.png"},
		"/my logo.png":                         {testOrigin + "/my%20logo.png", testOrigin + "/my%20logo.png"},
		"https://cdn.example.net:8443/i/l.png": {"https://cdn.example.net:8443/i/l.png", "https://cdn.example.net:8443/i/l.png"},
	} {
		brand, err := NewBrand(`Mira's <i>"{{room}}"`, logo, "", testOrigin, testPrefix)
		if err != nil {
			t.Errorf("%s: %v", logo, err)
			continue
		}
		r := Renderer{Prefix: testPrefix, Issuer: "https://accounts.spotify.com", Brand: brand}
		for name, write := range map[string]func(w *httptest.ResponseRecorder) error{
			"a pop-up": func(w *httptest.ResponseRecorder) error {
				return r.ServePopup(w, httptest.NewRequest("GET", "/spotify/popup", nil))
			},
			"the keys": func(w *httptest.ResponseRecorder) error {
				return r.Keys(w, httptest.NewRequest("GET", "/spotify/keys", nil), 200, Keys{})
			},
		} {
			w := httptest.NewRecorder()
			if err := write(w); err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer("&#123;", "{", "&#125;", "}", "&#40;", "(", "&#41;", ")").Replace(w.Body.String())
			if !strings.Contains(text, `<img src="`+want.src+`" alt="" referrerpolicy="no-referrer"><span>Mira&#39;s &lt;i&gt;&#34;{{room}}&#34;</span>`) {
				t.Errorf("%s on %s: %s", logo, name, text)
			}
			if !regexp.MustCompile(`<title>[^<]+ – Mira&#39;s &lt;i&gt;`).MatchString(text) {
				t.Errorf("the title of %s: %s", name, text)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy+"; ", "; img-src "+want.source+"; ") {
				t.Errorf("%s on %s: policy %s", logo, name, policy)
			}
		}
	}
}

// A logo without a name beside it says whose page it is by itself, and a page without a
// brand has no picture and allows none.
func TestLogoWithoutName(t *testing.T) {
	brand, err := NewBrand("", "/logo.svg", "", testOrigin, testPrefix)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := (Renderer{Prefix: testPrefix, Brand: brand}).ServePopup(w, httptest.NewRequest("GET", "/spotify/popup", nil)); err != nil {
		t.Fatal(err)
	}
	if text := w.Body.String(); !strings.Contains(text, `alt="app.example.com"`) || strings.Contains(text, " – ") {
		t.Errorf("the page: %s", text)
	}
	w = httptest.NewRecorder()
	if err := (Renderer{Prefix: testPrefix}).ServePopup(w, httptest.NewRequest("GET", "/spotify/popup", nil)); err != nil {
		t.Fatal(err)
	}
	if text, policy := w.Body.String(), w.Header().Get("Content-Security-Policy"); strings.Contains(text, "<img") || strings.Contains(text, "brand") || strings.Contains(policy, "img-src") {
		t.Errorf("without a brand: %s\n%s", policy, text)
	}
}

var generated = regexp.MustCompile(`:root\{--accent:(#[0-9a-f]{6});--on-accent:(#[0-9a-f]{6});--mark:(\S+?)\}`)

// Whatever the colour, what is on it can be read and what is around it seen, in the
// light and in the dark.
func TestAccentCanBeRead(t *testing.T) {
	text := [2]colour{{0x14, 0x16, 0x14}, {0xee, 0xf1, 0xee}}
	check := func(c colour) {
		t.Helper()
		brand, err := NewBrand("", "", c.String(), testOrigin, testPrefix)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := (Renderer{Brand: brand}).ServeStyle(w, httptest.NewRequest("GET", "/spotify/page.css", nil)); err != nil {
			t.Fatal(err)
		}
		found := generated.FindAllStringSubmatch(w.Body.String(), -1)
		if len(found) != 2 || w.Header().Get("Etag") == plainStyle.etag {
			t.Fatalf("%s: %q", c, found)
		}
		for i, m := range found {
			on, err := parseColour(m[2])
			if err != nil || m[1] != c.String() {
				t.Fatalf("%s: %v %v", c, m, err)
			}
			if contrast(c, on) < 4.5 {
				t.Errorf("%s on %s: contrast %.2f", on, c, contrast(c, on))
			}
			mark := text[i]
			if m[3] != "var(--text)" {
				mark = c
			}
			for _, ground := range grounds[i] {
				if contrast(mark, ground) < 3 {
					t.Errorf("%s around %s on %s: contrast %.2f", mark, c, ground, contrast(mark, ground))
				}
			}
		}
	}
	for _, text := range []string{"#000", "#fff", "767676", "#777", "#1db954", "#1ed760", "ffd500", "#0b7d3e", "#00f", "#f00"} {
		c, err := parseColour(text)
		if err != nil {
			t.Fatal(err)
		}
		check(c)
	}
	random := rand.New(rand.NewPCG(18, 5))
	for range 500 {
		check(colour{uint8(random.Uint32()), uint8(random.Uint32()), uint8(random.Uint32())})
	}
}

// The grounds that contrasts are computed with are those of the style, and so is the
// text.
func TestGroundsAreThoseOfTheStyle(t *testing.T) {
	for i, scheme := range regexp.MustCompile(`--bg:(\S+?);--card:(\S+?);--text:(\S+?);`).FindAllStringSubmatch(mustReadPage("html/page.css"), -1) {
		for j, ground := range grounds[i] {
			if c, err := parseColour(scheme[1+j]); err != nil || c != ground {
				t.Errorf("scheme %d: %s, want %s", i, c, ground)
			}
		}
		if want := []string{"#141614", "#eef1ee"}[i]; scheme[3] != want {
			t.Errorf("scheme %d: text %s, want %s", i, scheme[3], want)
		}
	}
}

func TestWrongBrand(t *testing.T) {
	for _, c := range []struct{ name, logo, accent, want string }{
		{name: strings.Repeat("x", 61), want: "at most 60"},
		{name: "two\nlines", want: "pages name"},
		{name: "right\u202eleft", want: "pages name"},
		{logo: "logo.svg", want: "neither of this site nor https"},
		{logo: "//cdn.example.net/logo.svg", want: "neither of this site nor https"},
		{logo: "http://cdn.example.net/logo.svg", want: "in the clear"},
		{logo: "data:image/png;base64,AAAA", want: "data URL"},
		{logo: "javascript:alert(1)", want: "neither of this site nor https"},
		{logo: "https://user@cdn.example.net/logo.svg", want: "user or fragment"},
		{logo: "/logo.svg#dark", want: "user or fragment"},
		{logo: "https://bücher.example/logo.svg", want: "xn--"},
		{logo: "https://*.example.net/logo.svg", want: "more than one host"},
		{logo: "https://cdn.example.net", want: "no plain path"},
		{logo: "/../logo.svg", want: "no plain path"},
		{logo: "/%2e%2e/logo.svg", want: "no plain path"},
		{logo: "/images/", want: "no plain path"},
		{logo: "/spotify/logo.svg", want: "the proxy's own"},
		{logo: "/logo.svg\r\nx", want: "not a URL"},
		{accent: "teal", want: "pages accent"},
		{accent: "#12345", want: "hexadecimal"},
		{accent: "#1db95480", want: "hexadecimal"},
		{accent: "rgb(1,2,3)", want: "hexadecimal"},
		{accent: "#+12345", want: "hexadecimal"},
		{accent: "##1234", want: "hexadecimal"},
		{accent: "red;}*{display:none", want: "hexadecimal"},
	} {
		t.Run(fmt.Sprintf("%.20s%.20s%.20s", c.name, c.logo, c.accent), func(t *testing.T) {
			if b, err := NewBrand(c.name, c.logo, c.accent, testOrigin, testPrefix); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v: %v, want %q", b, err, c.want)
			}
		})
	}
}
