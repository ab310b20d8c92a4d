package caddyspotify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each golden file is a Caddyfile, a line, and the JSON it adapts to.
func TestAdapt(t *testing.T) {
	const line = "----------\n"
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, ok := strings.Cut(string(content), line)
			if !ok {
				t.Fatal("no line between the Caddyfile and its JSON")
			}
			var got bytes.Buffer
			if err := json.Indent(&got, proxytest.Adapt(t, text), "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(text+line+got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("got:\n%s", got.String())
			}
		})
	}
}

// O57
func TestGoldenConfigsValidate(t *testing.T) {
	t.Setenv("SPOTIFY_CLIENT_ID", proxytest.ClientID)
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, _, _ := strings.Cut(string(content), "----------")
			if err := validate(t, proxytest.Adapt(t, text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// validate does what `caddy validate` does.
func validate(t *testing.T, cfg []byte) error {
	t.Helper()
	var c caddy.Config
	if err := json.Unmarshal(cfg, &c); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&c)
}

// wrongConfigs are configurations that are refused, with what the operator reads.
var wrongConfigs = []struct{ name, options, want string }{
	{"no client id", "redirect_uri http://127.0.0.1:8080/spotify/callback", "client_id is missing"},
	{"empty client id", "client_id \"\"\nredirect_uri http://127.0.0.1:8080/spotify/callback", "client_id takes one value"},
	{"client id from an unset variable", "client_id {env.SPOTIFY_TEST_UNSET}\nredirect_uri http://127.0.0.1:8080/spotify/callback", "set that variable"},
	{"client id with a space", "client_id \"a b\"\nredirect_uri http://127.0.0.1:8080/spotify/callback", "client_id \"a b\" has spaces"},
	{"no redirect uri", "client_id x", "redirect_uri is missing"},
	{"localhost", "client_id x\nredirect_uri http://localhost:8080/spotify/callback", "use 127.0.0.1 instead"},
	{"http on a public host", "client_id x\nredirect_uri http://app.example.com/spotify/callback", "plain http on a public host, which Spotify refuses: use https"},
	{"relative redirect uri", "client_id x\nredirect_uri /spotify/callback", "is not an absolute URL"},
	{"custom scheme", "client_id x\nredirect_uri myapp://callback/spotify/callback", "use https, or http on 127.0.0.1"},
	{"redirect uri with a query", "client_id x\nredirect_uri https://app.example.com/spotify/callback?x=1", "has a user, query or fragment"},
	{"redirect uri without callback", "client_id x\nredirect_uri https://app.example.com/spotify", "must end in a prefix and /callback"},
	{"redirect uri without prefix", "client_id x\nredirect_uri https://app.example.com/callback", "must end in a prefix and /callback"},
	{"redirect uri with dots", "client_id x\nredirect_uri https://app.example.com/a/../b/callback", "has a path that is not plain"},
	{"redirect uri placeholder", "client_id x\nredirect_uri {env.X}/spotify/callback", "use {$VARIABLE}"},
	{"unknown option", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nbanana y", "unrecognized subdirective banana"},
	{"misspelt option", "clientid x\nredirect_uri http://127.0.0.1:8080/spotify/callback", "unknown option \"clientid\" in spotify_proxy: did you mean client_id?"},
	{"option in the singular", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nscope user-top-read", "did you mean scopes?"},
	{"option of the transport", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nreplaybody 1MiB", "did you mean replay_body?"},
	{"another after one of reverse_proxy's", "client_id x\nredirect_url http://127.0.0.1:8080/spotify/callback\nheader_up X-A b", "did you mean redirect_uri?"},
	{"secret", "client_id x\nclient_secret hidden\nredirect_uri http://127.0.0.1:8080/spotify/callback", "logins use PKCE, which needs no secret"},
	{"secret, misspelt", "client_id x\nclientSecret hidden\nredirect_uri http://127.0.0.1:8080/spotify/callback", "logins use PKCE, which needs no secret"},
	{"misspelt in a block", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nlife_time 1h\n}", "unknown option \"life_time\" in session: did you mean lifetime?"},
	{"duration in words", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle 30 days\n}", "session idle \"30 days\" is not a duration: write 30d"},
	{"duration without a unit", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle 30\n}", "session idle \"30\" is not a duration: write it like 90s, 5m or 30d"},
	{"retry with a wait in words", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nretry 2 10 seconds", "write it like retry 2 10s"},
	{"repeated option", "client_id x\nclient_id y\nredirect_uri http://127.0.0.1:8080/spotify/callback", "client_id is given twice: remove one"},
	{"repeated block", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle 1h\n}\nsession {\nidle 2h\n}", "session is given twice: remove one"},
	{"repeated in a block", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle 1h\nidle 2h\n}", "session idle is given twice: remove one"},
	{"unknown in a block", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nttl 1h\n}", "unknown option \"ttl\" in session"},
	{"empty block", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrefresh {\n}", "refresh has no options"},
	{"unknown store", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nstore sqlite", "store \"sqlite\" is not in this build: use caddy, memory or redis"},
	{"store without a name", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nstore", "store needs a name"},
	{"negative duration", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle -1h\n}", "session idle -1h is not positive"},
	{"no duration", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrefresh {\nmargin soon\n}", "refresh margin \"soon\" is not a duration"},
	{"tiny timeout", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrefresh {\ntimeout 1ms\n}", "refresh timeout 1ms is too short"},
	{"idle beyond lifetime", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\nidle 2h\nlifetime 1h\n}", "session idle 2h0m0s is longer than session lifetime 1h0m0s"},
	{"ahead below margin", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrefresh {\nmargin 5m\nahead 1m\n}", "refresh ahead 1m0s is shorter than refresh margin 5m0s"},
	{"same_site none", "client_id x\nredirect_uri https://app.example.com/spotify/callback\nsession {\nsame_site none\n}", "use lax or strict"},
	{"cookie without prefix on https", "client_id x\nredirect_uri https://app.example.com/spotify/callback\nsession {\ncookie music\n}", "call it \"__Host-music\""},
	{"cookie with prefix on http", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\ncookie __Host-music\n}", "leave the prefix out"},
	{"cookie that is no name", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nsession {\ncookie \"a b\"\n}", "is not a cookie name"},
	{"scopes with commas", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nscopes user-read-private,user-top-read", "separate scopes by spaces"},
	{"scope twice", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nscopes user-top-read user-top-read", "is given twice"},
	{"require_login without slash", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrequire_login app", "begin with a slash"},
	{"require_login encoded", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrequire_login /a%20b", "write it decoded"},
	{"require_login by placeholder", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nrequire_login /{env.X}", "is not a plain path"},
	{"allow without a path", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow GET", "a rule names no path"},
	{"allow nothing", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow", "a rule names no path"},
	{"allow an unknown method", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow get /v1/me", "\"get\" is neither a method of the Web API nor a path: use GET"},
	{"allow a method after a path", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /v1/me PUT", "\"PUT\" is not the Web API's: begin with /v1/"},
	{"allow with the prefix", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /spotify/v1/me", "without the prefix of redirect_uri"},
	{"allow a path with dots", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /v1/../me", "is not plain: write it decoded"},
	{"allow an encoded path", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /v1/%6de", "is not plain: write it decoded"},
	{"allow a query", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /v1/search?type=track", "without a query"},
	{"allow a part of a segment", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow /v1/me*", "use * for whole segments only"},
	{"allow_origin *", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin *", "list the origins one by one"},
	{"allow_origin with a wildcard", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin https://*.example.com", "list the origins one by one"},
	{"allow_origin null", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin null", "list the origins one by one"},
	{"allow_origin without a scheme", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin www.example.com", "write it like https://www.example.com"},
	{"allow_origin with a slash", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin https://www.example.com/", "also a slash"},
	{"allow_origin in the clear", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin http://www.example.com", "use the scheme of redirect_uri"},
	{"allow_origin on another site", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin https://example.net", "is another site than api.example.com"},
	{"allow_origin on localhost", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nallow_origin http://localhost:5173", "is another site than 127.0.0.1"},
	{"allow_origin that is its own", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin https://API.example.com:443", "is the site's own origin"},
	{"allow_origin without a value", "client_id x\nredirect_uri https://api.example.com/spotify/callback\nallow_origin", "allow_origin needs at least one value"},
	{"token_url in the clear", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\ntoken_url http://accounts.example.com/token", "would send tokens in the clear"},
	{"api_url in the clear", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\napi_url http://api.example.com", "would send tokens in the clear"},
	{"authorize_url relative", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nauthorize_url /authorize", "authorize_url \"/authorize\" is not an absolute URL"},
	{"upstream of its own", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nto https://evil.example", "spotify_proxy has one upstream"},
	{"transport of its own", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\ntransport http", "spotify_proxy brings its own transport"},
	{"links nonsense", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nlinks drop", "links \"drop\" is unknown: use rewrite or keep"},
	{"compression nonsense", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\ncompression gzip", "compression \"gzip\" is unknown: use off"},
	{"retry without a number", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nretry often", "write it like retry 2 10s"},
	{"retry too often", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nretry 1000", "give 1 to 10 times"},
	{"retry with a bad wait", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nretry 2 -1s", "is not a positive duration"},
	{"expose_token with a value", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nexpose_token yes", "expose_token takes no value"},
	{"scope both fixed and optional", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nscopes streaming\noptional_scopes streaming", "is given twice"},
	{"pages with a colour that is a comment", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\npages {\naccent #1db954\n}", "if it begins with #, quote it"},
	{"pages with a colour by name", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\npages {\naccent green\n}", "pages accent \"green\" is not a colour"},
	{"pages with a logo in the clear", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\npages {\nlogo http://example.com/logo.svg\n}", "pages logo \"http://example.com/logo.svg\" would be fetched in the clear"},
	{"pages with an unknown option", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\npages {\ncolor 123456\n}", "unknown option \"color\" in pages: use accent, logo, name"},
	{"replay_body nonsense", "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\nreplay_body much", "replay_body"},
}

// O57, S17
func TestWrongConfigs(t *testing.T) {
	for _, c := range wrongConfigs {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := proxytest.TryAdapt("http://127.0.0.1:8080 {\nspotify_proxy {\n" + c.options + "\n}\n}")
			if err == nil {
				err = validate(t, cfg)
			}
			if err == nil {
				t.Fatal("it is accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hidden") {
				t.Errorf("message: %v", err)
			}
		})
	}
}

// O57: the same mistakes in spotify_auth.
func TestWrongAuthConfigs(t *testing.T) {
	for name, c := range map[string]struct{ directive, want string }{
		"argument":       {"spotify_auth now {\nclient_id x\n}", "unexpected argument \"now\""},
		"unknown option": {"spotify_auth {\nreplay_body 1MiB\n}", "unknown option \"replay_body\" in spotify_auth: use access_keys, allow, allow_origin, "},
		"misspelt":       {"spotify_auth {\nscope x\n}", "did you mean scopes?"},
		"secret":         {"spotify_auth {\nclient_secret hidden\n}", "logins use PKCE, which needs no secret"},
		"two values":     {"spotify_auth {\nclient_id x y\n}", "client_id takes one value, not 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := proxytest.TryAdapt("http://127.0.0.1:8080 {\n" + c.directive + "\n}")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("message: %v", err)
			}
		})
	}
}
