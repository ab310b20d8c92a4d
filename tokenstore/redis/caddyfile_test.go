package redis_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

func unmarshal(t *testing.T, input string) (*redis.Provider, error) {
	t.Helper()
	p := new(redis.Provider)
	d := caddyfile.NewTestDispenser(input)
	err := p.UnmarshalCaddyfile(d)
	return p, err
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ input, want string }{
		"nothing":   {`redis`, `{}`},
		"addresses": {`redis 10.0.0.1 10.0.0.2:7000`, `{"addresses":["10.0.0.1","10.0.0.2:7000"]}`},
		"url":       {`redis rediss://user:secret@redis.example.com/3`, `{"addresses":["rediss://user:secret@redis.example.com/3"]}`},
		"tls alone": {"redis {\n tls\n}", `{"tls":{}}`},
		"all": {`redis {
			address      10.0.0.1:6379 10.0.0.2:6379
			username     app
			password     {env.REDIS_PASSWORD}
			database     2
			tls {
				ca          ca.pem
				cert        client.pem client-key.pem
				server_name redis.example.com
				insecure_skip_verify
			}
			key_prefix   music:
			lease        20s
			timeout      500ms
			dial_timeout 1m
		}`, `{
			"addresses": ["10.0.0.1:6379", "10.0.0.2:6379"],
			"username": "app", "password": "{env.REDIS_PASSWORD}", "database": 2,
			"tls": {"ca": "ca.pem", "certificate": "client.pem", "key": "client-key.pem",
				"server_name": "redis.example.com", "insecure_skip_verify": true},
			"key_prefix": "music:", "lease": 20000000000, "timeout": 500000000, "dial_timeout": 60000000000
		}`},
		"sentinel": {`redis {
			sentinel mymaster {
				address  10.0.0.1:26379 10.0.0.2:26379
				username watcher
				password {file./run/secrets/sentinel}
			}
			lease 1d
		}`, `{
			"sentinel": {"master_name": "mymaster", "addresses": ["10.0.0.1:26379", "10.0.0.2:26379"],
				"username": "watcher", "password": "{file./run/secrets/sentinel}"},
			"lease": 86400000000000
		}`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := unmarshal(t, test.input)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if want := compact(t, test.want); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	p := new(redis.Provider)
	if err := json.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// O57: every wrong option is one line that names it and says what to do.
func TestCaddyfileErrors(t *testing.T) {
	t.Parallel()
	const known = "use address, username, password, database, sentinel, tls, key_prefix, lease, timeout or dial_timeout"
	for input, want := range map[string]string{
		"adress 10.0.0.1":                     `store redis: unknown option "adress"; ` + known,
		"address":                             `store redis: address takes one or more addresses, such as 127.0.0.1:6379`,
		"address a\n address b":               `store redis: address is given twice; keep one of them`,
		"username":                            `store redis: username takes exactly one value: a user name`,
		"username a b":                        `store redis: username takes exactly one value: a user name`,
		"password":                            `store redis: password takes exactly one value: a password, such as {env.REDIS_PASSWORD}`,
		"password hunter2 hunter2":            `store redis: password takes exactly one value: a password, such as {env.REDIS_PASSWORD}`,
		"password a\n password hunter2":       `store redis: password is given twice; keep one of them`,
		"database":                            `store redis: database takes exactly one value: a number, such as 0`,
		"database music":                      `store redis: database "music" is not a number; write it like 0`,
		"key_prefix":                          `store redis: key_prefix takes exactly one value: a prefix, such as caddy-spotify:`,
		`key_prefix ""`:                       `store redis: key_prefix takes exactly one value: a prefix, such as caddy-spotify:`,
		"lease":                               `store redis: lease takes exactly one value: a duration, such as 2.5s`,
		"lease long":                          `store redis: lease "long" is not a duration; write it like 2.5s`,
		"lease 0":                             `store redis: lease "0" is not positive; write it like 2.5s`,
		"lease -1s":                           `store redis: lease "-1s" is not positive; write it like 2.5s`,
		"timeout 2":                           `store redis: timeout "2" is not a duration; write it like 2s`,
		"timeout 2s\n timeout 3s":             `store redis: timeout is given twice; keep one of them`,
		"dial_timeout soon":                   `store redis: dial_timeout "soon" is not a duration; write it like 5s`,
		"sentinel":                            `store redis: sentinel takes exactly one value: the name of the master`,
		"sentinel m {\n port 1\n }":           `store redis: sentinel: unknown option "port"; use address, username or password`,
		"sentinel m {\n address\n }":          `store redis: sentinel: address takes one or more addresses, such as 10.0.0.1:26379`,
		"sentinel m {\n username\n }":         `store redis: sentinel: username takes exactly one value: a user name`,
		"sentinel m {\n password\n }":         `store redis: sentinel: password takes exactly one value: a password, such as {env.SENTINEL_PASSWORD}`,
		"sentinel m\n sentinel m":             `store redis: sentinel is given twice; keep one of them`,
		"tls on":                              `store redis: tls takes no value; remove what follows it`,
		"tls {\n verify\n }":                  `store redis: tls: unknown option "verify"; use ca, cert, server_name or insecure_skip_verify`,
		"tls {\n ca\n }":                      `store redis: tls: ca takes exactly one value: a PEM file`,
		"tls {\n ca a\n ca b\n }":             `store redis: tls: ca is given twice; keep one of them`,
		"tls {\n cert a\n }":                  `store redis: tls: cert takes two PEM files, the certificate and its key`,
		"tls {\n cert a b c\n }":              `store redis: tls: cert takes two PEM files, the certificate and its key`,
		"tls {\n server_name\n }":             `store redis: tls: server_name takes exactly one value: a host name`,
		"tls {\n insecure_skip_verify no\n }": `store redis: tls: insecure_skip_verify takes no value; remove what follows it`,
	} {
		t.Run(input, func(t *testing.T) {
			_, err := unmarshal(t, "redis {\n "+input+"\n}")
			wantError(t, err, want)
		})
	}
	_, err := unmarshal(t, "redis 10.0.0.1 {\n address 10.0.0.2\n}")
	wantError(t, err, "store redis: address is given twice, after redis and as an option; keep one of them")
}

// wantError expects exactly this message, but for where in the file it is.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	got, _, _ := strings.Cut(err.Error(), ", at ")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("more than one line: %q", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the message has the password in it: %s", err)
	}
}
