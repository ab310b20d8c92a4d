package browser

import "testing"

// P41: what Caddy's path matchers take for a path below the prefix is ours, and what
// is not spelt as it should be is no endpoint.
func TestBelow(t *testing.T) {
	site := Redirect{Prefix: "/spotify"}
	for _, test := range []struct {
		path, rest string
		ours       bool
	}{
		{"/spotify/v1/me", "/v1/me", true},
		{"/spotify/", "/", true},
		{"/spotify", "", true},
		{"/SPOTIFY/v1/me", "", true},
		{"//spotify/v1/me", "", true},
		{"/x/../Spotify/v1/me", "", true},
		{"/./spotify", "", true},
		{"/spotify/../app", "/../app", true},
		{"/spotifyer/v1/me", "", false},
		{"/spotif", "", false},
		{"/app/spotify/v1/me", "", false},
		{"/", "", false},
	} {
		if rest, ours := site.Below(test.path); rest != test.rest || ours != test.ours {
			t.Errorf("Below(%q) = %q, %v, want %q, %v", test.path, rest, ours, test.rest, test.ours)
		}
	}
}
