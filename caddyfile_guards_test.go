package caddyspotify_test

import (
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O60: a matcher that keeps pages of require_login from the directive is refused,
// since nothing would guard them.
func TestGuardsOutsideTheMatcher(t *testing.T) {
	for name, c := range map[string]struct {
		matcher, guarded string
		ok               bool
	}{
		"none":                     {"", "/app/*", true},
		"all":                      {"*", "/app/*", true},
		"other":                    {"/spotify/*", "/app/*", false},
		"the same":                 {"/app/*", "/app/*", true},
		"another case":             {"/APP/*", "/app/*", true},
		"wider":                    {"/a*", "/app/*", true},
		"narrower":                 {"/app/admin/*", "/app/*", false},
		"one page":                 {"/app", "/app", true},
		"one page of many":         {"/app", "/app*", false},
		"without what is at it":    {"/app/*", "/app*", false},
		"several, of which one":    {"@several", "/app/*", true},
		"several, one page is not": {"@several", "/app/* /me", false},
		"a host":                   {"@host", "/app/*", true},
		"cannot be told":           {"@pattern", "/app/*", true},
	} {
		for _, directive := range []string{"spotify_proxy", "spotify_auth"} {
			t.Run(directive+"/"+name, func(t *testing.T) {
				_, err := proxytest.TryAdapt("http://127.0.0.1:8080 {\n@several path /spotify/* /app/*\n@host host 127.0.0.1\n@pattern path /*/x\n" +
					directive + " " + c.matcher + " {\nclient_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrequire_login " + c.guarded + "\n}\n}")
				switch {
				case c.ok && err != nil:
					t.Errorf("it is refused: %v", err)
				case !c.ok && (err == nil || !strings.Contains(err.Error(), "nothing would guard it: remove the matcher, or have it take")):
					t.Errorf("message: %v", err)
				}
			})
		}
	}
}
