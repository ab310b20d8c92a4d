package attack_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// marker is in every hostile input, and canary is what a template would make of some.
const marker, canary = "zqx7", "the-canary-has-sung"

// hostileInputs are markup, templates, other syntax and what is no text at all.
var hostileInputs = []string{
	"<svg/onload=alert(1)>", `"><img src=x onerror=alert(1)>`, "'-alert(1)-'", "</title><script>alert(1)</script>",
	`{{env "SPOTIFY_CANARY"}}`, "{{env `SPOTIFY_CANARY`}}", "{{placeholder `env.SPOTIFY_CANARY`}}", "{env.SPOTIFY_CANARY}", "{{", "}}{{.}}",
	"a\r\nX-Injected: 1", "a\nb", "a\x00b", "\xff\xfe", "\xc0\xae\xc0\xae", "%", "%zz", "&amp;", "&x=y", "a;b", "`id`", `\`, "../..", "//evil.example", "\u202e", "\u2028",
	strings.Repeat("<", 900), strings.Repeat("A", 7000),
}

// hostileRequest is a place that input can be put into.
type hostileRequest struct {
	method, path string
	params       []string // in the query, or in the form of a POST to the keys
	status       string   // what the answers are, as a regular expression
}

var hostileRequests = []hostileRequest{
	{"GET", "/spotify/login", []string{"scope", "return_to", "show_dialog", "other"}, "302|400"},
	{"GET", "/spotify/callback", []string{"state", "code", "error", "error_description", "iss", "other"}, "400"},
	{"GET", "/spotify/callback?state=" + strings.Repeat("A", 43), []string{"code", "error", "error_description", "iss"}, "400"},
	{"POST", "/spotify/callback", []string{"state"}, "405"},
	{"POST", "/spotify/logout", []string{"return_to", "other"}, "200|204|303"},
	{"GET", "/spotify/session", []string{"state", "other"}, "200"},
	{"POST", "/spotify/token", []string{"code", "other"}, "403"},
	{"GET", "/spotify/popup", []string{"code", "other"}, "200"},
	{"GET", "/spotify/client.js", []string{"other"}, "200"},
	{"GET", "/spotify/health", []string{"other"}, "200"},
	{"GET", "/spotify/share", []string{"other"}, "200"},
	{"GET", "/spotify/share/connect", []string{"scope", "return_to", "other"}, "302"},
	{"GET", "/spotify/keys", []string{"show_dialog", "other"}, "200"},
	{"POST", "/spotify/keys", []string{"name", "life", "access", "rules", "show_dialog", "other"}, "302|400"},
	{"POST", "/spotify/keys/revoke", []string{"key", "other"}, "404"},
	{"DELETE", "/spotify/keys/", nil, "404"},
	{"GET", "/spotify/", nil, "400|404"},
	{"PUT", "/spotify/session/", nil, "404"},
	{"GET", "/spotify/v1/", []string{"q"}, "400|403|404"},
	{"GET", "/app/", []string{"other"}, "200|302"},
}

// P55: nothing that a client sends stands in a message of the proxy's own, in
// {err.message}, or anywhere in a response where it would be markup or executed:
// not on the pages that come with it, not where templates wrap the whole site, and
// not in an error page of the site's. Nothing that is sent is an error of the server's.
func TestAttackHostileInput(t *testing.T) {
	t.Setenv("SPOTIFY_CANARY", canary)
	const auth = `expose_token
		allow /v1/me /v1/search /v1/me/top/tracks
		require_login /app/*
		optional_scopes user-library-read
		access_keys
		share {
			owner mira
			allow /v1/me/top/tracks?limit=2
		}`
	for name, o := range map[string]proxytest.Options{
		"its own pages":          {Auth: auth},
		"templates around it":    {Auth: auth, Global: "order templates first", Site: "templates\nrespond \"the app\""},
		"an error page":          {Auth: auth, Site: "respond \"the app\"\nhandle_errors {\nheader Content-Type text/html\nrespond \"<p>{err.message}</p>\"\n}"},
		"a template as an error": {Auth: auth, Site: "respond \"the app\"\nhandle_errors {\nheader Content-Type text/html\ntemplates\nrespond \"<p>{err.message}</p>\"\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			o.Level = "INFO"
			s := proxytest.Start(t, o)
			b := s.NewBrowser()
			b.Login("mira")
			for _, input := range hostileInputs {
				l := begin(b)
				query := "?state=" + l.state + "&error_description=" + url.QueryEscape(input) + "&error=" + url.QueryEscape(marker+input)
				back := hostileRequest{method: "GET"}.request(t, s.Origin, "/spotify/callback"+query, "")
				checkHostile(t, b, back, true, "502", input)
			}
			session := "spotify_session=" + b.SessionCookie()
			b.Client.Jar = nil
			for _, h := range hostileRequests {
				for _, input := range hostileInputs {
					for _, send := range h.requests(t, s.Origin, marker+input+marker) {
						// A logout is of nobody's session, so that it ends none.
						if h.path != "/spotify/logout" {
							send.Header.Set("Cookie", session)
						}
						for _, person := range []bool{true, false} {
							checkHostile(t, b, send, person, h.status, input)
						}
					}
				}
			}
		})
	}
}

// requests returns the ways in which input can be put into a request.
func (h hostileRequest) requests(t *testing.T, origin, input string) (all []*http.Request) {
	add := func(target, form string) { all = append(all, h.request(t, origin, target, form)) }
	sep := "?"
	if strings.Contains(h.path, "?") {
		sep = "&"
	}
	if h.params == nil {
		add(h.path+url.PathEscape(input), "")
	}
	isForm := h.method == "POST" && strings.HasPrefix(h.path, "/spotify/keys")
	for _, param := range h.params {
		pair := param + "=" + url.QueryEscape(input)
		if isForm {
			form := proxytest.KeyForm("a")
			form.Set("access", "rules")
			form.Set(param, input)
			add(h.path, form.Encode())
			continue
		}
		add(h.path+sep+pair, "")
		if h.path == "/spotify/v1/" {
			add(h.path+url.PathEscape(input)+sep+pair, "")
		}
	}
	if len(h.params) > 0 && !isForm {
		named := url.QueryEscape(input) + "=1"
		add(h.path+sep+named, "")
		add(h.path+sep+named+"&"+named, "")
	}
	return all
}

// request returns a request for a target as it is, which the client does not repair.
func (h hostileRequest) request(t *testing.T, origin, target, form string) *http.Request {
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	u.Opaque, u.RawQuery = "//"+u.Host+path, query
	req := &http.Request{Method: h.method, URL: u, Host: u.Host, Header: make(http.Header)}
	if form != "" {
		req.ContentLength = int64(len(form))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(form)), nil }
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

var errorMessage = regexp.MustCompile(`<p[^>]*>([^<]*)</p>`)

// checkHostile sends a request, as a person or as code, and looks at the answer.
func checkHostile(t *testing.T, b *proxytest.Browser, req *http.Request, person bool, status, input string) {
	t.Helper()
	req = req.Clone(t.Context())
	if req.GetBody != nil {
		req.Body, _ = req.GetBody()
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": b.Origin} {
		req.Header.Set(name, value)
	}
	if person {
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		req.Header.Set("Accept", "text/html")
	}
	what := fmt.Sprintf("%s %.200s?%.200s with %.40q, a person: %v", req.Method, req.URL.Opaque, req.URL.RawQuery, input, person)
	res, err := b.Client.Do(req)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	body := string(raw)
	// Caddy itself refuses some paths, and code is not redirected to log in.
	if !regexp.MustCompile("^(" + status + "|400|401)$").MatchString(fmt.Sprint(res.StatusCode)) {
		t.Errorf("%s: %d, want %s: %.300s", what, res.StatusCode, status, body)
	}
	if res.Header.Get("X-Injected") != "" {
		t.Errorf("%s: a header was injected", what)
	}
	for name, values := range res.Header {
		for _, value := range values {
			if name != "Set-Cookie" && strings.ContainsAny(value, "<>{}`") || strings.Contains(value, canary) {
				t.Errorf("%s: %s: %q", what, name, value)
			}
		}
	}
	for _, executed := range []string{canary, "<svg", "<img", "<script>alert", "onerror=alert(1)>", "{{", "{env."} {
		if strings.Contains(body, executed) {
			t.Errorf("%s: %q in %.600s", what, executed, body)
		}
	}
	if res.StatusCode < 400 {
		return
	}
	var e struct {
		Error struct {
			Status          int
			Message, Reason string
		}
	}
	switch mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); {
	case mediaType == "application/json":
		if json.Unmarshal(raw, &e) != nil || e.Error.Status != res.StatusCode || e.Error.Reason != res.Header.Get("Spotify-Proxy-Reason") || e.Error.Message == "" {
			t.Errorf("%s: not an error of ours: %.300s", what, body)
		}
		if strings.Contains(e.Error.Message, marker) || strings.ContainsAny(e.Error.Message, "<>{}`&") {
			t.Errorf("%s: the message is %q", what, e.Error.Message)
		}
	case mediaType == "text/html":
		for _, found := range errorMessage.FindAllStringSubmatch(body, -1) {
			if said := html.UnescapeString(found[1]); strings.Contains(said, marker) || strings.ContainsAny(said, "<>{}`&") {
				t.Errorf("%s: the page says %q", what, said)
			}
		}
	case res.Header.Get("Spotify-Proxy-Reason") != "":
		t.Errorf("%s: content type %q", what, mediaType)
	}
}
