package redis_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// exercise uses every method of two instances once.
func exercise(t *testing.T, a, b *redis.Store) {
	t.Helper()
	events := watch(t, b)
	watched(t, events, b, a)
	key, rec := create(t, a)
	if got := load(t, b, key); string(got.Sealed) != string(rec.Sealed) {
		t.Error("the other instance loads something else")
	}
	if err := a.Update(t.Context(), key, rec); err != nil {
		t.Fatalf("Update: %v", err)
	}
	wantEvent(t, events, key)
	mustRelease(t, acquire(t, a, key))
	mustRelease(t, acquire(t, b, key))
	n := 0
	for entry, err := range b.Walk(t.Context()) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		if entry.Key == key {
			n++
		}
	}
	if n != 1 {
		t.Errorf("Walk yielded the record %d times", n)
	}
	load(t, b, key)
	if err := a.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantEvent(t, events, key)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.TLS())
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	f := server.Files
	full := redis.TLS{CA: f.CA, Certificate: f.ClientCert, Key: f.ClientKey}
	for name, test := range map[string]struct {
		address string
		change  func(*redis.TLS)
		fails   string // part of the error; "" if it works
	}{
		"works":               {server.Addr, func(*redis.TLS) {}, ""},
		"URL":                 {"rediss://" + server.Addr, func(*redis.TLS) {}, ""},
		"server name":         {server.Addr, func(c *redis.TLS) { c.ServerName = "redis.test" }, ""},
		"any certificate":     {server.Addr, func(c *redis.TLS) { c.CA, c.InsecureSkipVerify = "", true }, ""},
		"another server name": {server.Addr, func(c *redis.TLS) { c.ServerName = "redis.example.com" }, "certificate is valid for redis.test, not redis.example.com"},
		"another host":        {"localhost:" + port, func(*redis.TLS) {}, "certificate is valid for redis.test, not localhost"},
		"unknown authority":   {server.Addr, func(c *redis.TLS) { c.CA = "" }, "certificate signed by unknown authority"},
		"no certificate":      {server.Addr, func(c *redis.TLS) { c.Certificate, c.Key = "", "" }, "redis: load: "}, // how it fails depends on the moment,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := full
			test.change(&config)
			p := redis.Provider{Addresses: []string{test.address}, TLS: &config}
			if test.fails == "" {
				exercise(t, open(t, p), open(t, p))
				return
			}
			_, err := open(t, p).Load(t.Context(), newKey())
			if err == nil || isAnswer(err) || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("Load: %v, want %q", err, test.fails)
			}
		})
	}
}

// The commands that the documentation tells operators to allow are enough, and
// whoever lacks the password gets nowhere.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Args(
		"--user", "default", "on", "nopass", "~*", "&*", "+@all",
		"--user", "app", "on", ">hunter2", "~caddy-spotify:*", "resetchannels",
		"-@all", "+hello", "+ping", "+client|tracking", "+client|caching", "+cluster|slots", "+cluster|shards", "+role",
		"+eval", "+exists", "+hset", "+hget", "+hmget", "+hexists", "+pexpireat", "+del",
		"+set", "+get", "+incr", "+pexpire", "+time", "+scan"))
	p := at(server)
	p.Username, p.Password = "app", "hunter2"
	exercise(t, open(t, p), open(t, p))

	url := redis.Provider{Addresses: []string{"redis://app:hunter2@" + server.Addr}}
	exercise(t, open(t, url), open(t, url))

	p.Password = "hunter3"
	_, err := open(t, p).Load(t.Context(), newKey())
	wantError(t, err, "redis: load: WRONGPASS invalid username-password pair or user is disabled.; check username and password")

	server.Do("ACL", "SETUSER", "app", "-eval")
	p.Password = "hunter2"
	err = open(t, p).Create(t.Context(), newKey(), newRecord())
	if err == nil || !strings.HasPrefix(err.Error(), "redis: create: NOPERM ") || !strings.HasSuffix(err.Error(), "; the README lists what the ACL user must be allowed") {
		t.Errorf("Create: %v, want NOPERM", err)
	}
	server.Do("ACL", "SETUSER", "app", "+eval", "-client|tracking")
	_, err = open(t, p).Load(t.Context(), newKey())
	wantError(t, err, "redis: load: the server lacks client tracking; use Redis 7 or later, or Valkey, and let the ACL user call hello and client|tracking")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	zero, three := at(server), at(server)
	three.Database = 3
	url := redis.Provider{Addresses: []string{"redis://" + server.Addr + "/3"}}
	exercise(t, open(t, three), open(t, url))
	key, _ := create(t, open(t, three))
	if _, err := open(t, zero).Load(t.Context(), key); !errors.Is(err, tokenstore.ErrNotFound) {
		t.Errorf("Load from another database: %v, want ErrNotFound", err)
	}
	load(t, open(t, url), key)
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	redistest.Start(t, redistest.Args("--unixsocket", socket))
	path, url := redis.Provider{Addresses: []string{socket}}, redis.Provider{Addresses: []string{"unix://" + socket}}
	exercise(t, open(t, path), open(t, url))
}

// The master is found through the sentinels, and the new one after it died. What
// was cached is loaded again then, for a failover may lose writes.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, redistest.Persistent())
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Start(t, redistest.Args("--replicaof", host, port, "--repl-diskless-sync-delay", "0"))
	eventually(t, "replica in sync", func() bool {
		info, _ := replica.Do("INFO", "replication").(string)
		return strings.Contains(info, "master_link_status:up")
	})
	sentinel := redistest.StartSentinel(t, "music", master)
	p := redis.Provider{Sentinel: &redis.Sentinel{MasterName: "music", Addresses: []string{sentinel}}}
	a, b := open(t, p), open(t, p)
	exercise(t, a, b)

	key, _ := create(t, a)
	load(t, b, key)
	eventually(t, "replica has the record", func() bool {
		return replica.Do("EXISTS", "caddy-spotify:{"+key+"}") == int64(1)
	})
	events := watch(t, b)
	master.Kill()
	wantEvent(t, events, lostTrack)
	eventually(t, "the new master takes writes", func() bool {
		rec, err := b.Load(t.Context(), key)
		return err == nil && b.Update(t.Context(), key, rec) == nil
	})
}

// An unknown master is an error that says so, and connecting to what is not a
// sentinel too.
func TestSentinelErrors(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	sentinel := redistest.StartSentinel(t, "music", master)
	for name, p := range map[string]redis.Provider{
		"unknown master": {Sentinel: &redis.Sentinel{MasterName: "films", Addresses: []string{sentinel}}},
		"no sentinel":    {Sentinel: &redis.Sentinel{MasterName: "music", Addresses: []string{master.Addr}}},
	} {
		if err := open(t, p).Create(context.Background(), newKey(), newRecord()); err == nil || isAnswer(err) {
			t.Errorf("%s: Create: %v, want an error that is no answer", name, err)
		}
	}
}
