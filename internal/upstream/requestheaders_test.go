package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// browserHeaders is what Chromium sends with a fetch.
func browserHeaders() http.Header {
	return http.Header{
		"Accept":             {"*/*"},
		"Accept-Encoding":    {"gzip, deflate, br, zstd"},
		"Accept-Language":    {"en-GB,en;q=0.9"},
		"Cache-Control":      {"no-cache"},
		"User-Agent":         {"Mozilla/5.0 (X11; Linux x86_64)"},
		"Content-Type":       {"application/json"},
		"Cookie":             {"__Host-spotify_session=secret; theme=dark"},
		"Authorization":      {"Bearer of-the-client"},
		"Origin":             {"https://app.example"},
		"Referer":            {"https://app.example/private/page"},
		"Dnt":                {"1"},
		"Priority":           {"u=1, i"},
		"Sec-Fetch-Site":     {"same-origin"},
		"Sec-Ch-Ua-Platform": {`"Linux"`},
	}
}

// P43
func TestRequestHeadersOfClients(t *testing.T) {
	client := browserHeaders()
	for _, name := range []string{
		"X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For", "X.Forwarded.For", "X-Forwarded-Anything", "Forwarded",
		"X-Real-Ip", "X_real_ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Original-Url", "X-Rewrite-Url",
		"X-Http-Method-Override", "X-Csrf-Token", "X-Requested-With", "X-Auth-Request-Email", "Remote-User", "Traceparent", "Baggage",
		"Cookie2", "Http_cookie", "Http_authorization", "Authorization_", "Proxy-Authorization", "Proxy_authorization",
		"Spotify-Proxy-Reason", "Via", "Te", "Trailer", "Upgrade", "Connection", "X-Api-Key", "Sec-WebSocket-Key",
	} {
		client.Set(name, "sent by the client")
	}
	directed := client.Clone()
	// What reverse_proxy does.
	directed["X-Forwarded-For"] = []string{"203.0.113.9"}
	directed["X-Forwarded-Proto"] = []string{"https"}
	directed["X-Forwarded-Host"] = []string{"app.example"}
	directed["Via"] = append(directed["Via"], "2.0 Caddy")

	got := make(http.Header)
	setRequestHeaders(got, directed, client, false)
	want := []string{"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type", "User-Agent"}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("sent on: %q, want %q", names, want)
	}
}

// P43
func TestRequestHeadersOfSite(t *testing.T) {
	client := browserHeaders()
	client["X-Tenant"] = []string{"guessed"}
	client["X-Trace"] = []string{"of the client"}
	directed := client.Clone()
	directed["User-Agent"] = []string{"my-app/1.0"} // header_up User-Agent …
	directed["X-Api-Key"] = []string{"of the site"}
	directed["X-Tenant"] = []string{"acme"}
	directed["X-Trace"] = append(directed["X-Trace"], "of the site") // header_up +X-Trace …
	for _, name := range []string{"X-Forwarded-User", "X_forwarded_user", "Cookie", "Cookie2", "Proxy-Authorization", "X-Real-IP", "Forwarded", "Sec-WebSocket-Key"} {
		directed[name] = []string{"added"}
	}
	got := make(http.Header)
	setRequestHeaders(got, directed, client, false)
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type"} {
		delete(got, name)
	}
	want := http.Header{
		"User-Agent": {"my-app/1.0"},
		"X-Api-Key":  {"of the site"},
		"X-Tenant":   {"acme"},
		"X-Trace":    {"of the site"},
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("sent on: %v, want %v", got, want)
	}
	if !slices.Equal(directed["X-Trace"], []string{"of the client", "of the site"}) {
		t.Errorf("reverse_proxy's headers were changed: %q", directed["X-Trace"])
	}
}

// P43: not knowing what the client sent is no licence to send it on.
func TestRequestHeadersOfUnknownClient(t *testing.T) {
	got := make(http.Header)
	setRequestHeaders(got, http.Header{"Accept": {"*/*"}, "X-Secret": {"x"}}, nil, false)
	if len(got) != 1 || strings.Join(got["Accept"], "") != "*/*" {
		t.Errorf("sent on: %v", got)
	}
}

// P57: where links are rewritten, a part of a response would not fit the rest.
func TestRequestHeadersForWholeResponses(t *testing.T) {
	client := http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"br"}, "Range": {"bytes=5-"}, "If-Range": {`"tag"`}}
	for whole, want := range map[bool][]string{
		true:  {"Accept"},
		false: {"Accept", "Accept-Encoding", "If-Range", "Range"},
	} {
		got := make(http.Header)
		setRequestHeaders(got, client.Clone(), client, whole)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
			t.Errorf("whole %v: sent on: %q, want %q", whole, names, want)
		}
	}
}
