package webapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestAllowRules(t *testing.T) {
	rules := []Rule{
		{Methods: []string{"GET"}, Paths: []string{"/v1/me", "/v1/me/*", "/v1/playlists/*/tracks"}},
		{Methods: []string{"PUT", "POST"}, Paths: []string{"/v1/me/player/*"}},
		{Paths: []string{"/v1/*/status", "/v1/albums/"}},
	}
	for _, rule := range rules {
		if err := rule.Check(); err != nil {
			t.Fatal(err)
		}
	}
	for request, want := range map[string]bool{
		"GET /v1/me":                           true,
		"HEAD /v1/me":                          true,
		"PUT /v1/me":                           false,
		"OPTIONS /v1/me":                       false,
		"GET /v1/me/":                          false, // nothing is below it
		"GET /v1/me/top/artists":               true,
		"GET /v1/me/player/":                   true,
		"GET /v1/mexico":                       false,
		"GET /v1/ME":                           false,
		"GET /v1/me;x=1":                       false,
		"GET /v1/me?x=1":                       false, // it came as %3F
		"GET /v1/me/a%2e%2e":                   false, // it was encoded twice
		"GET /v1/me/%":                         false,
		"PUT /v1/me/player/play":               true,
		"HEAD /v1/me/player/play":              true, // by the first rule
		"DELETE /v1/me/player/play":            false,
		"PUT /v1/me/player":                    false,
		"GET /v1/playlists/abc/tracks":         true,
		"GET /v1/playlists//tracks":            false,
		"GET /v1/playlists/abc/def/tracks":     false,
		"GET /v1/playlists/abc/tracks/":        false,
		"GET /v1/playlists/abc/tracks/x":       false,
		"GET /v1/playlists/abc":                false,
		"GET /v1/playlists/*/tracks":           true,
		"DELETE /v1/x/status":                  true,
		"HEAD /v1/x/status":                    true,
		"GET /v1/x/statuses":                   false,
		"GET /v1/albums":                       false,
		"GET /v1/albums/":                      true,
		"GET /v1/":                             false,
		"GET ":                                 false,
		"GET /":                                false,
		"GET /v2/me":                           false,
		"GET " + strings.Repeat("/v1", 1000):   false,
		"GET /v1/me" + strings.Repeat("/", 10): true, // PlainPath refuses it before
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := Allowed(rules, method, path); got != want {
			t.Errorf("%.60s: %v, want %v", request, got, want)
		}
	}
	if !Allowed(nil, http.MethodPut, "/v1/%") {
		t.Error("without rules something is refused")
	}
}

func BenchmarkAllowed(b *testing.B) {
	rules := []Rule{
		{Methods: []string{"GET"}, Paths: []string{"/v1/search", "/v1/me", "/v1/me/*"}},
		{Paths: []string{"/v1/playlists/*/tracks"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if !Allowed(rules, "GET", "/v1/playlists/37i9dQZF1DXcBWIGoYBM5M/tracks") {
			b.Fatal("refused")
		}
	}
}
