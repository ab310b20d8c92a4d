package upstream

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

// P51
func TestResponseHeadersOfAPI(t *testing.T) {
	h := make(http.Header)
	for _, name := range []string{
		"Set-Cookie", "Set-Cookie2", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers",
		"Access-Control-Max-Age", "Alt-Svc", "Strict-Transport-Security", "Public-Key-Pins", "Clear-Site-Data", "Service-Worker-Allowed",
		"Report-To", "Reporting-Endpoints", "NEL", "Server-Timing", "Timing-Allow-Origin", "Refresh", "Cross-Origin-Resource-Policy",
		"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Surrogate-Control", "X-Accel-Redirect", "X-Accel-Expires", "Spotify-Proxy-Reason",
		"Content-Security-Policy-Report-Only", "Set-Login",
	} {
		h.Add(name, "of the API")
		h.Add(name, "again")
	}
	passed := http.Header{
		"Content-Type":     {"application/json; charset=utf-8"},
		"Content-Length":   {"17"},
		"Etag":             {`"abc"`},
		"Retry-After":      {"7"},
		"Location":         {"https://i.scdn.co/image/ab67"},
		"Www-Authenticate": {`Bearer realm="spotify"`},
		"Date":             {"Mon, 02 Nov 2026 10:00:00 GMT"},
	}
	maps.Copy(h, passed)
	h["Content-Security-Policy"] = []string{"script-src *"}
	setResponseHeaders(h, new(headerValues))
	want := maps.Clone(passed)
	want["Cache-Control"] = []string{"private"}
	want["Vary"] = []string{"Cookie"}
	want["X-Content-Type-Options"] = []string{"nosniff"}
	want["Content-Security-Policy"] = []string{"default-src 'none'; frame-ancestors 'none'; sandbox"}
	if !maps.EqualFunc(h, want, slices.Equal) {
		t.Errorf("got  %v\nwant %v", h, want)
	}
}

// P49
func TestResponseHeadersArePrivate(t *testing.T) {
	for _, test := range []struct{ cacheControl, want []string }{
		{nil, []string{"private"}},
		{[]string{""}, []string{"private"}},
		{[]string{"private, max-age=0"}, []string{"private, max-age=0"}},
		{[]string{"max-age=0, Private"}, []string{"max-age=0, Private"}},
		{[]string{"no-store"}, []string{"no-store"}},
		{[]string{"max-age=10", "no-store"}, []string{"max-age=10", "no-store"}},
		{[]string{"public, max-age=60"}, []string{"private, max-age=60"}},
		{[]string{"Public,max-age=60,S-MaxAge=600,must-revalidate"}, []string{"private, max-age=60, must-revalidate"}},
		{[]string{"private, s-maxage = 600"}, []string{"private"}},
		{[]string{"no-store, public"}, []string{"private, no-store"}},
		{[]string{"max-age=60"}, []string{"private, max-age=60"}},
		{[]string{"no-cache"}, []string{"private, no-cache"}},
		{[]string{"max-age=60", "public"}, []string{"private, max-age=60"}},
		{[]string{`private="Set-Cookie"`}, []string{"private"}},
		{[]string{`private="X-A, X-B", max-age=60`}, []string{"private"}},
		{[]string{"private=x, max-age=60"}, []string{"private, max-age=60"}},
	} {
		h := http.Header{}
		if test.cacheControl != nil {
			h["Cache-Control"] = slices.Clone(test.cacheControl)
		}
		setResponseHeaders(h, new(headerValues))
		if !slices.Equal(h["Cache-Control"], test.want) {
			t.Errorf("Cache-Control %q became %q, want %q", test.cacheControl, h["Cache-Control"], test.want)
		}
	}
	for _, test := range []struct{ vary, want []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept-Encoding"}, []string{"Accept-Encoding", "Cookie"}},
		{[]string{"Accept-Encoding", "Origin"}, []string{"Accept-Encoding", "Origin", "Cookie"}},
		{[]string{"Accept-Encoding, cookie"}, []string{"Accept-Encoding, cookie"}},
		{[]string{"*"}, []string{"*"}},
		{[]string{"X-Cookie"}, []string{"X-Cookie", "Cookie"}},
	} {
		h := http.Header{}
		if test.vary != nil {
			h["Vary"] = slices.Clone(test.vary)
		}
		setResponseHeaders(h, new(headerValues))
		if !slices.Equal(h["Vary"], test.want) {
			t.Errorf("Vary %q became %q, want %q", test.vary, h["Vary"], test.want)
		}
	}
}

// What header_down appends to one header must not end up in another.
func TestResponseHeadersDoNotShareRoom(t *testing.T) {
	h := http.Header{"Vary": {"Accept"}}
	setResponseHeaders(h, new(headerValues))
	for name := range h {
		h[name] = append(h[name], "added to "+name)
	}
	for name, values := range h {
		for _, v := range values[:len(values)-1] {
			if v == "" || len(v) > 5 && v[:5] == "added" {
				t.Errorf("%s: %q", name, values)
			}
		}
		if last := values[len(values)-1]; last != "added to "+name {
			t.Errorf("%s ends with %q", name, last)
		}
	}
}
