package upstream

import (
	"net/http"
	"strings"
	"testing"
)

func TestParseAPIOrigin(t *testing.T) {
	for raw, want := range map[string]Origin{
		"https://api.spotify.com":           {Scheme: "https", host: "api.spotify.com", address: "api.spotify.com:443"},
		"https://API.Spotify.com:443/":      {Scheme: "https", host: "api.spotify.com", address: "api.spotify.com:443"},
		"https://api.spotify.com:8443":      {Scheme: "https", host: "api.spotify.com:8443", address: "api.spotify.com:8443"},
		"https://gateway.example/music/api": {Scheme: "https", host: "gateway.example", address: "gateway.example:443", basePath: "/music/api"},
		"http://127.0.0.1:9090/":            {Scheme: "http", host: "127.0.0.1:9090", address: "127.0.0.1:9090"},
		"http://localhost":                  {Scheme: "http", host: "localhost", address: "localhost:80"},
		"http://[::1]":                      {Scheme: "http", host: "[::1]", address: "[::1]:80"},
		"http://[::1]:9090":                 {Scheme: "http", host: "[::1]:9090", address: "[::1]:9090"},
	} {
		got, err := ParseOrigin(raw)
		if err != nil || *got != want {
			t.Errorf("parseAPIOrigin(%q) = %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"", "api.spotify.com", "/v1", "http://api.spotify.com", "http://localhost.evil.example", "ftp://127.0.0.1",
		"https://user@api.spotify.com", "https://api.spotify.com#x", "https://api.spotify.com?x=1", "https://api.spotify.com?",
		"https://api.spotify.com/a/../b", "https://api.spotify.com/a%2fb", "https://api.spotify.com//", "https://:443", "https://",
	} {
		o, err := ParseOrigin(raw)
		if err == nil {
			t.Errorf("parseAPIOrigin(%q) = %+v, want an error", raw, o)
		} else if !strings.HasPrefix(err.Error(), "api_url ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("parseAPIOrigin(%q): %v: not a line that names the option", raw, err)
		}
	}
}

// P41. What reverse_proxy dials is covered by TestForeignUpstreamGetsNoToken.
func TestAPIOriginLeadsTo(t *testing.T) {
	origin, err := ParseOrigin("https://api.spotify.com")
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]bool{
		"https://api.spotify.com/v1/me":               true,
		"https://api.spotify.com:443/v1/me":           true,
		"//api.spotify.com:443/v1/me":                 true, // as reverse_proxy leaves it
		"//API.SPOTIFY.COM:443/v1/me":                 true,
		"http://api.spotify.com/v1/me":                false,
		"http://api.spotify.com:443/v1/me":            false,
		"//api.spotify.com:80/v1/me":                  false,
		"//api.spotify.com:8443/v1/me":                false,
		"//evil.example:443/v1/me":                    false,
		"//api.spotify.com.evil.example:443/v1/me":    false,
		"//evilapi.spotify.com:443/v1/me":             false,
		"//api.spotify.com.:443/v1/me":                false,
		"/v1/me":                                      false,
		"https://api.spotify.com@evil.example:443/v1": false,
	} {
		req, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "api.spotify.com" // proves nothing
		if got := origin.leadsTo(req, false); got != want {
			t.Errorf("leadsTo(%q) = %v, want %v", target, got, want)
		}
	}
}
