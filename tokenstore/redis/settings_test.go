package redis_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// O57: what is wrong is said when the configuration is loaded, in one line that
// names the option and the remedy, and without the password.
func TestProvisionErrors(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	if err := os.WriteFile(notPEM, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY", "")
	urls := func(addresses ...string) redis.Provider { return redis.Provider{Addresses: addresses} }
	for name, test := range map[string]struct {
		p    redis.Provider
		want string
	}{
		"no port":            {urls("10.0.0.1:"), `address "10.0.0.1:" is not host:port; write it like 127.0.0.1:6379`},
		"no host":            {urls(":6379"), `address ":6379" is not host:port; write it like 127.0.0.1:6379`},
		"port name":          {urls("10.0.0.1:redis"), `address "10.0.0.1:redis" is not host:port; write it like 127.0.0.1:6379`},
		"two addresses":      {urls("10.0.0.1,10.0.0.2 "), `address "10.0.0.1,10.0.0.2 " is not host:port; write it like 127.0.0.1:6379`},
		"no URL":             {urls("redis://:hunter2%@10.0.0.1"), `address 1 is not a valid URL; write it like redis://127.0.0.1:6379/0, with special characters of the password percent-encoded`},
		"scheme":             {urls("http://10.0.0.1"), `address 1 has the scheme "http"; use redis, rediss or unix`},
		"query":              {urls("redis://:hunter2@10.0.0.1?db=1"), `address 1 has a query or a fragment; use the options of this store instead`},
		"path":               {urls("redis://10.0.0.1/music"), `address 1 has the path "/music"; write the number of the database there, as in redis://127.0.0.1:6379/0`},
		"URL without host":   {urls("redis:///0"), `address 1 has no valid host and port; write it like redis://127.0.0.1:6379`},
		"unix host":          {urls("unix://run/redis.sock"), `address 1 does not name a socket; write it like unix:///run/redis/redis.sock`},
		"socket in cluster":  {urls("10.0.0.1", "/run/redis.sock"), `address /run/redis.sock is a Unix socket among several addresses; a cluster needs host:port`},
		"secret in cluster":  {urls("10.0.0.1", "redis://:hunter2@10.0.0.2"), `address 2 carries a password among several addresses; use the options username and password`},
		"TLS and not":        {urls("redis://10.0.0.1", "rediss://10.0.0.2"), `address 1 says redis:// where TLS is on; write rediss://`},
		"plain URL with TLS": {redis.Provider{Addresses: []string{"redis://10.0.0.1"}, TLS: &redis.TLS{}}, `address 1 says redis:// where TLS is on; write rediss://`},
		"socket with TLS":    {redis.Provider{Addresses: []string{"/run/redis.sock"}, TLS: &redis.TLS{}}, `tls cannot be used with the Unix socket /run/redis.sock; remove it`},
		"password twice":     {redis.Provider{Addresses: []string{"redis://:hunter2@10.0.0.1"}, Password: "hunter2"}, `username and password are given twice, in address 1 and by themselves; keep one of them`},
		"database twice":     {redis.Provider{Addresses: []string{"redis://10.0.0.1/1"}, Database: 2}, `database is given twice, in address 1 and by itself; keep one of them`},
		"database":           {redis.Provider{Database: -1}, `database -1 is negative; use 0 or the number of a database`},
		"cluster database":   {redis.Provider{Addresses: []string{"a", "b"}, Database: 1}, `database 1 cannot be used with several addresses, for a cluster has only database 0; remove one of them`},
		"no password":        {redis.Provider{Username: "app"}, `username "app" has no password; add the option password`},
		"prefix":             {redis.Provider{KeyPrefix: `a\{b\}`}, `key_prefix "a{b}" has a brace, a space or a control character; use letters, digits, colons and the like`},
		"lease":              {redis.Provider{Lease: caddy.Duration(time.Millisecond)}, `lease 1ms is too short; use at least 100ms`},
		"timeout":            {redis.Provider{Timeout: -1}, `timeout -1ns is not positive; use something like 2s`},
		"dial timeout":       {redis.Provider{DialTimeout: -1}, `dial_timeout -1ns is not positive; use something like 5s`},
		"sentinel address":   {redis.Provider{Sentinel: &redis.Sentinel{MasterName: "m", Addresses: []string{"a:b"}}}, `sentinel address "a:b" is not host:port; write it like 10.0.0.1:26379`},
		"no sentinel":        {redis.Provider{Sentinel: &redis.Sentinel{MasterName: "m"}}, `sentinel needs the address of at least one sentinel, as in: sentinel mymaster { address 10.0.0.1:26379 }`},
		"no master":          {redis.Provider{Sentinel: &redis.Sentinel{Addresses: []string{"a"}}}, `sentinel needs the name of the master, as in: sentinel mymaster { address 10.0.0.1:26379 }`},
		"sentinel user":      {redis.Provider{Sentinel: &redis.Sentinel{MasterName: "m", Addresses: []string{"a"}, Username: "u"}}, `sentinel username "u" has no password; add the option password inside sentinel`},
		"sentinel and more":  {redis.Provider{Addresses: []string{"a"}, Sentinel: &redis.Sentinel{MasterName: "m", Addresses: []string{"a"}}}, `address and sentinel exclude each other; the sentinels' addresses belong inside sentinel { address ... }`},
		"no CA file":         {redis.Provider{TLS: &redis.TLS{CA: "/no/such.pem"}}, `tls ca cannot be read; name a PEM file that Caddy may read: open /no/such.pem: no such file or directory`},
		"no CA":              {redis.Provider{TLS: &redis.TLS{CA: notPEM}}, `tls ca ` + notPEM + ` holds no certificate; name a PEM file with one`},
		"no key":             {redis.Provider{TLS: &redis.TLS{Certificate: notPEM}}, `tls cert needs two files, the certificate and its key; add the missing one`},
		"no certificate":     {redis.Provider{TLS: &redis.TLS{Certificate: notPEM, Key: notPEM}}, `tls cert cannot be used; name a PEM certificate and its key, which Caddy may read: tls: failed to find any PEM data in certificate input`},
		"empty variable":     {redis.Provider{Password: "{env.EMPTY}"}, `password: evaluated placeholder {env.EMPTY} is empty; set it, or escape the braces with backslashes`},
		"brace in password":  {redis.Provider{Password: "abc{hunter2}"}, `password: has a placeholder that is unknown or empty; set it, or escape the braces with backslashes`},
		"unknown variable":   {urls("{redis.host}"), `address: unrecognized placeholder {redis.host}; set it, or escape the braces with backslashes`},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, test.p.Provision(caddy.Context{}), "store redis: "+test.want)
		})
	}
}

// O57: neither loading the configuration nor opening the store connects.
func TestProvisionDoesNotConnect(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	open(t, redis.Provider{Addresses: []string{listener.Addr().String()}})
	// The first connection to arrive must be this one.
	own, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != own.LocalAddr().String() {
		t.Error("somebody connected before the store was used")
	}
}

// The key is the same for what means the same, differs with every setting, and
// does not show the password.
func TestUsageKey(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "hunter2")
	key := func(p redis.Provider) string { return provision(t, p).UsageKey() }
	base := key(redis.Provider{Password: "hunter2"})
	if strings.Contains(base, "hunter2") {
		t.Error("the key has the password in it")
	}
	for name, same := range map[string]redis.Provider{
		"again":       {Password: "hunter2"},
		"placeholder": {Password: "{env.REDIS_PASSWORD}"},
		"defaults": {Addresses: []string{"127.0.0.1:6379"}, Password: "hunter2", KeyPrefix: "caddy-spotify:",
			Lease: caddy.Duration(2500 * time.Millisecond), Timeout: caddy.Duration(2 * time.Second), DialTimeout: caddy.Duration(5 * time.Second)},
		"URL":          {Addresses: []string{"redis://:hunter2@127.0.0.1:6379/0"}},
		"default port": {Addresses: []string{"127.0.0.1"}, Password: "hunter2"},
	} {
		if key(same) != base {
			t.Errorf("%s: another key for the same store", name)
		}
	}
	seen := map[string]string{base: "base"}
	for name, other := range map[string]redis.Provider{
		"password":     {Password: "hunter3"},
		"user":         {Password: "hunter2", Username: "app"},
		"address":      {Password: "hunter2", Addresses: []string{"[::1]"}},
		"database":     {Password: "hunter2", Database: 1},
		"prefix":       {Password: "hunter2", KeyPrefix: "other:"},
		"lease":        {Password: "hunter2", Lease: caddy.Duration(time.Minute)},
		"timeout":      {Password: "hunter2", Timeout: caddy.Duration(time.Minute)},
		"dial timeout": {Password: "hunter2", DialTimeout: caddy.Duration(time.Minute)},
		"TLS":          {Password: "hunter2", TLS: &redis.TLS{}},
		"server name":  {Password: "hunter2", TLS: &redis.TLS{ServerName: "redis.example.com"}},
		"sentinel":     {Password: "hunter2", Sentinel: &redis.Sentinel{MasterName: "m", Addresses: []string{"127.0.0.1"}}},
	} {
		k := key(other)
		if before, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", name, before)
		}
		seen[k] = name
	}
}

func TestModuleIsRegistered(t *testing.T) {
	t.Parallel()
	info, err := caddy.GetModule("http.handlers.spotify_auth.stores.redis")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := info.New().(*redis.Provider); !ok {
		t.Errorf("New returns a %T", info.New())
	}
}
