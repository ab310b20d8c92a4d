package login

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/page"
)

// L04, P52: whatever comes in a callback's query, what is taken for an answer
// is whole, and what is said about the rest is harmless.
func FuzzCallbackQuery(f *testing.F) {
	state := strings.Repeat("A", 43)
	for _, query := range []string{
		"", "state=" + state + "&code=x", "state=" + state + "&error=access_denied", "state=" + state + "&code=x&iss=https%3A%2F%2Faccounts.spotify.com",
		"state=" + state + "&state=" + state + "&code=x", "state=" + state + "&code=x&code=y", "state=" + state, "code=x",
		"state=" + state + ".3s0&code=x", "state=" + state + ".x-s0&code=x", "state=" + state + ".q&code=x", "state=" + state + ".300&code=x",
		"state=" + state + "&code=x&error=y", "state=" + state + ";code=x", "state=%zz", "state=" + state + "%00&code=x",
		"state=" + state + "&error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%22%3E%3Cimg%20src=x%3E", "&&&=&=", "%73tate=" + state + "&c%6fde=x",
	} {
		f.Add(query)
	}
	s := &Flow{issuer: IssuerOf("https://accounts.spotify.com/authorize")}
	pages := page.Renderer{Prefix: "/spotify", Issuer: s.issuer}
	f.Fuzz(func(t *testing.T, query string) {
		a, p := parseCallback(query)
		if p == nil {
			values, err := url.ParseQuery(query)
			if err != nil || len(values["state"]) != 1 || len(values["code"]) > 1 || len(values["error"]) > 1 || len(values["iss"]) > 1 {
				t.Errorf("%q is taken for an answer", query)
			}
			if !isSecret(a.state.nonce) || (a.code == "") == (a.err == "") {
				t.Errorf("%q: %+v", query, a)
			}
			if p = s.validate(a); p == nil && (a.code == "" || a.issuer != "" && a.issuer != s.issuer) {
				t.Errorf("%q passes for a success", query)
			}
		}
		if p == nil {
			return
		}
		if p.Status < 400 {
			t.Errorf("%q: status %d", query, p.Status)
		}
		if !json.Valid(p.Body()) {
			t.Errorf("%q: %s", query, p.Body())
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/spotify/callback", nil)
		if err := pages.Page(w, r, p.Status, page.Problem(p)); err != nil {
			t.Fatal(err)
		}
		pg, bland := w.Body.String(), httptest.NewRecorder()
		harmless := *p
		harmless.Message = "words"
		if err := pages.Page(bland, r, p.Status, page.Problem(&harmless)); err != nil {
			t.Fatal(err)
		}
		for _, special := range []string{"<", ">", `"`, "'", "script", "\x00"} {
			if special == "script" && strings.Contains(p.Message, special) {
				continue // a word like others
			}
			if strings.Count(pg, special) != strings.Count(bland.Body.String(), special) {
				t.Errorf("%q: a page with %q of the query's: %s", query, special, pg)
			}
		}
	})
}
