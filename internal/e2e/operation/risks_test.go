package operation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O57: what others on the network could read is said when the configuration is
// loaded, and what stays on this machine or is encrypted is not complained of.
func TestRisksAreSaidAtLoad(t *testing.T) {
	const (
		unverified = "tls_insecure_skip_verify is set"
		password   = "redis password is sent to another host without TLS"
		redisTLS   = "redis tls insecure_skip_verify is set"
	)
	s := proxytest.Start(t, proxytest.Options{})
	for options, want := range map[string]string{
		"store memory": "",
		"transport {\ntls_insecure_skip_verify\n}":                              unverified,
		"store redis 10.0.0.1 {\npassword a\n}":                                 password,
		"store redis redis://:a@redis.internal":                                 password,
		"store redis 127.0.0.1:6379 10.0.0.1:6379 {\npassword a\n}":             password,
		"store redis {\nsentinel main {\naddress 127.0.0.1\n}\npassword a\n}":   password,
		"store redis {\nsentinel main {\naddress 10.0.0.1\npassword a\n}\n}":    password,
		"store redis 10.0.0.1 {\npassword a\ntls {\ninsecure_skip_verify\n}\n}": redisTLS,
		"store redis 10.0.0.1":                                                  "",
		"store redis rediss://:a@redis.internal":                                "",
		"store redis 10.0.0.1 {\npassword a\ntls\n}":                            "",
		"store redis {\npassword a\n}":                                          "",
		"store redis redis://:a@localhost":                                      "",
		"store redis redis://:a@[::1]":                                          "",
		"store redis 127.1.2.3:6380 {\npassword a\n}":                           "",
		"store redis /run/redis.sock {\npassword a\n}":                          "",
	} {
		said := len(s.Log.String())
		config := strings.Replace(s.Caddyfile(""), "api_url       "+s.Sim.APIURL, fmt.Sprintf("api_url https://127.0.0.1:1\n%s", options), 1)
		if err := caddy.Load(proxytest.Adapt(t, config), true); err != nil {
			t.Fatalf("%s: %v", options, err)
		}
		log := s.Log.String()[said:]
		for _, risk := range []string{unverified, password, redisTLS} {
			if strings.Contains(log, risk) != (risk == want) {
				t.Errorf("%q: said %q: %v", options, risk, risk != want)
			}
		}
	}
}
