package caddyspotify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O57
// Each wrong option is one line that names it and the remedy.
func TestShareWrongOptions(t *testing.T) {
	t.Setenv("SHARE_NOTHING", "")
	const owner, allow = "owner mira\n", "allow /v1/me\n"
	for _, c := range []struct{ options, want string }{
		{"", "share has no options"},
		{allow, "share owner is missing"},
		{owner, "share allow is missing"},
		{owner + owner + allow, "share owner is given twice"},
		{"owner mira mira\n" + allow, `share owner "mira" is given twice`},
		{"owner {env.SHARE_NOTHING}\n" + allow, "share owner is missing"},
		{owner + "allow /me", `share allow "/me" is not a path of the Web API`},
		{owner + "allow https://api.spotify.com/v1/me", "is not a path of the Web API"},
		{owner + "allow /v1/*", "write each path out"},
		{owner + "allow /v1/a/../b", "is not a plain path"},
		{owner + "allow /v1/me?a=%zz", "the query cannot be read"},
		{owner + "allow /v1/a?x=1&y=2 /v1/a?y=2&x=1", "is given twice"},
		{owner + "allow " + strings.Repeat("/v1/x ", 65), "list at most 64"},
		{owner + allow + "cache 10ms", "share cache 10ms is too short"},
		{owner + allow + "cache soon", `share cache "soon" is not a duration`},
		{owner + allow + "stale 1ms", "share stale 1ms is too short"},
		{owner + allow + "cors https://a.example/", `share cors "https://a.example/" is not an origin`},
		{owner + allow + "cors a.example", "is not an origin"},
		{owner + allow + "cors null", "is not an origin"},
		{owner + allow + "cors * https://a.example", "give it alone"},
		{owner + allow + "key short", "share key has 5 characters"},
		{owner + allow + "key {env.SHARE_NOTHING}", "share key is empty"},
		{owner + allow + "}\nallow GET /v1/albums/*\nrefresh {\nmargin 60s", "is not among what allow lets pass"},
		{owner + allow + "banana", `unknown option "banana" in share`},
	} {
		err := checkCaddyfile(t, fmt.Sprintf("http://127.0.0.1:8080 {\nspotify_proxy {\nclient_id %s\nredirect_uri http://127.0.0.1:8080/spotify/callback\nshare {\n%s\n}\n}\n}", proxytest.ClientID, c.options))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with %q", c.options, err, c.want)
		}
	}
}

func checkCaddyfile(t *testing.T, caddyfile string) error {
	cfg, err := proxytest.TryAdapt(caddyfile)
	if err != nil {
		return err
	}
	return validate(t, cfg)
}
