package page

import (
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// hostile would be executed as a template, whatever its delimiters are, or be markup.
const hostile = "{{env `HOME`}} [[env `HOME`]] ((env `HOME`)) <%env `HOME`%> {%env%} ||x|| <svg onload=alert(1)> </textarea>\"'"

// P55: a page of ours that is executed as a template stays what it is, and shows
// what people entered as they entered it.
func TestPagesAreInert(t *testing.T) {
	r := Renderer{Prefix: "/spotify", Issuer: "https://accounts.spotify.com"}
	render := func(write func(w *httptest.ResponseRecorder) error) string {
		t.Helper()
		w := httptest.NewRecorder()
		if err := write(w); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	req := httptest.NewRequest("GET", "/spotify/keys", nil)
	pages := map[string]string{
		"a return": render(func(w *httptest.ResponseRecorder) error {
			return r.Page(w, req, 200, Data{Kind: KindReturn, Next: "/app?x={{env`HOME`}}[[env`HOME`]]((x))"})
		}),
		"a problem": render(func(w *httptest.ResponseRecorder) error {
			return r.Page(w, req, 400, Problem(&problem.Problem{Status: 400, Reason: reason.BadRequest, Message: hostile, LoginURL: "/spotify/login?return_to={{1}}"}))
		}),
		"a pop-up": render(func(w *httptest.ResponseRecorder) error {
			return r.Page(w, req, 200, Data{Kind: KindPopup})
		}),
		"a new key": render(func(w *httptest.ResponseRecorder) error {
			return r.Keys(w, req, 200, Keys{Created: &CreatedKey{Name: hostile, Key: "spk_x"}, Path: "/spotify/keys"})
		}),
		"a device's code": render(func(w *httptest.ResponseRecorder) error {
			return r.Device(w, req, 200, Device{Step: DeviceEnter, Wrong: DeviceMalformed, Typed: hostile})
		}),
		"a device": render(func(w *httptest.ResponseRecorder) error {
			return r.Device(w, req, 200, Device{Step: DeviceConfirm, Name: hostile, Code: "BCDF-GHJK", Scopes: []string{hostile}})
		}),
		"a device that is connected": render(func(w *httptest.ResponseRecorder) error {
			return r.Device(w, req, 200, Device{Step: DeviceDone, Name: hostile, Account: hostile})
		}),
		"the keys": render(func(w *httptest.ResponseRecorder) error {
			return r.Keys(w, req, 200, Keys{
				Account: hostile, Keys: []Key{{Ref: "0123456789ab", Name: hostile, Rules: []string{hostile}, Scopes: []string{hostile}}},
				Form: KeyForm{Name: hostile, Access: "rules", Rules: hostile}, Wrong: &FormError{Field: "name", Text: hostile},
			})
		}),
	}
	for name, page := range pages {
		for _, delims := range [][2]string{{"{{", "}}"}, {"[[", "]]"}, {"((", "))"}, {"<%", "%>"}, {"{%", "%}"}, {"||", "||"}} {
			if strings.Contains(page, delims[0]) {
				t.Errorf("%s has %s", name, delims[0])
			}
			tmpl, err := texttemplate.New("").Delims(delims[0], delims[1]).Parse(page)
			if err != nil {
				t.Errorf("%s as a template: %v", name, err)
				continue
			}
			var out strings.Builder
			if err := tmpl.Execute(&out, nil); err != nil || out.String() != page {
				t.Errorf("%s is executed: %v", name, err)
			}
		}
		if strings.Contains(page, "<svg") || strings.Contains(page, "onload=\"") {
			t.Errorf("%s has markup that was entered: %s", name, page)
		}
	}
	for _, shown := range []string{
		regexp.MustCompile(`(?s)<textarea[^>]*>(.*)</textarea>`).FindStringSubmatch(pages["the keys"])[1],
		regexp.MustCompile(`<h3 id="name-0123456789ab">(.*)</h3>`).FindStringSubmatch(pages["the keys"])[1],
		regexp.MustCompile(`<input type="text"[^>]* value="([^"]*)"`).FindStringSubmatch(pages["the keys"])[1],
	} {
		if html.UnescapeString(shown) != hostile {
			t.Errorf("shown as %q", shown)
		}
	}
	// A script or style in the page would be changed, so there is none.
	for name, page := range pages {
		if regexp.MustCompile(`<style|\sstyle=|<script[^>]*>[^<]|<script>`).MatchString(page) {
			t.Errorf("%s has a style or script of its own: %s", name, page)
		}
	}
	if next := regexp.MustCompile(`id="go-on" href="([^"]*)"`).FindStringSubmatch(pages["a return"])[1]; strings.ContainsAny(next, delimiters) ||
		!strings.Contains(html.UnescapeString(next), "[[env%60HOME%60]]") {
		t.Errorf("the return path is %s", next)
	}
}
