package caddyspotify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O57
// Each wrong option is one line that names it and the remedy.
func TestAccessKeysWrongOptions(t *testing.T) {
	t.Setenv("KEYS_NOTHING", "")
	for _, c := range []struct{ options, want string }{
		{"access_keys on", `unexpected argument "on": put the options of access_keys in a block`},
		{"access_keys\naccess_keys", "access_keys is given twice"},
		{"access_keys {\nbanana\n}", `unknown option "banana" in access_keys`},
		{"access_keys {\nlife 1d\n}", `unknown option "life" in access_keys: did you mean lifetime?`},
		{"access_keys {\nlifetime 1 week\n}", `access_keys lifetime "1 week" is not a duration: write 7d`},
		{"access_keys {\nlifetime\n}", "access_keys lifetime takes one value"},
		{"access_keys {\nlifetime soon\n}", `access_keys lifetime "soon" is not a duration`},
		{"access_keys {\nlifetime 10s\n}", "access_keys lifetime 10s is too short: give at least 1m"},
		{"access_keys {\nlifetime -1h\n}", "access_keys lifetime -1h is not positive"},
		{"access_keys {\nlifetime 181d\n}", "is longer than Spotify's grants last: give at most 180d"},
		{"access_keys {\nlifetime 1d\nlifetime 2d\n}", "access_keys lifetime is given twice"},
		{"access_keys {\nmax many\n}", `access_keys max "many" is not a number from 1 to 100`},
		{"access_keys {\nmax 0\n}", `access_keys max "0" is not a number from 1 to 100`},
		{"access_keys {\nmax 101\n}", `access_keys max "101" is not a number from 1 to 100`},
		{"access_keys {\nallow\n}", "access_keys allow: a rule names no path"},
		{"access_keys {\nallow GET /me\n}", `access_keys allow: the path "/me" is not the Web API's`},
		{"access_keys {\nallow FETCH /v1/me\n}", `access_keys allow: "FETCH" is neither a method`},
		{"access_keys {\nallow /v1/a..b/../c\n}", "is not plain"},
		{"access_keys {\nkey short\n}", "access_keys key has 5 characters: give at least 32"},
		{"access_keys {\nkey {env.KEYS_NOTHING}\n}", "access_keys key is empty: set the variable"},
		{"device_login", "device_login gives devices access keys, and there are none: add access_keys"},
		{"access_keys\ndevice_login on", `device_login takes no value: remove "on"`},
		{"access_keys\ndevice_login\ndevice_login", "device_login is given twice"},
		{"access_keys\ndevice_logins", `unknown option "device_logins" in spotify_proxy: did you mean device_login?`},
	} {
		err := checkCaddyfile(t, fmt.Sprintf("http://127.0.0.1:8080 {\nspotify_proxy {\nclient_id %s\nredirect_uri http://127.0.0.1:8080/spotify/callback\n%s\n}\n}", proxytest.ClientID, c.options))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with %q", c.options, err, c.want)
		}
	}
	// JSON has no parser of ours before it.
	for options, want := range map[string]string{
		`"max": -1`: "access_keys max -1 is out of range", `"lifetime": -5`: "access_keys lifetime -5ns is negative",
		`"allow": [{"paths": ["me"]}]`: "access_keys allow: the path", `"key": "x"`: "access_keys key has 1 characters",
	} {
		err := validate(t, []byte(fmt.Sprintf(`{"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:0"],"routes":[{"handle":[{
			"handler":"spotify_auth","client_id":%q,"redirect_uri":"http://127.0.0.1:8080/spotify/callback","access_keys":{%s}}]}]}}}}}`, proxytest.ClientID, options)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", options, err, want)
		}
	}
}
