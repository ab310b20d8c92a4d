package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// O51: a server that is away at first is an error that says so, and no more is
// needed than that it comes.
func TestServerComesLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop()
	store := open(t, at(server))
	for range 3 {
		_, err := store.Load(t.Context(), newKey())
		if err == nil || isAnswer(err) || !strings.Contains(err.Error(), server.Addr) {
			t.Errorf("Load: %v, want an error that names %s", err, server.Addr)
		}
	}
	server.Restart()
	eventually(t, "server found", func() bool {
		_, err := store.Load(t.Context(), newKey())
		return errors.Is(err, tokenstore.ErrNotFound)
	})
	create(t, store)
}

// O51: a restart is noticed by no call that comes after it.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Persistent())
	store := open(t, at(server))
	key, rec := create(t, store)
	for range 3 {
		server.Kill()
		if _, err := store.Load(t.Context(), key); err == nil || isAnswer(err) {
			t.Errorf("Load from a dead server: %v, want an error that is no answer", err)
		}
		server.Restart()
		eventually(t, "server found again", func() bool {
			_, err := store.Load(t.Context(), key)
			return err == nil
		})
		if err := store.Update(t.Context(), key, rec); err != nil {
			t.Errorf("Update: %v", err)
		}
	}
}

// O51: when the server hangs, a call fails after the timeout with an error that
// does not look like the end of the caller's context, and at once if that ends.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	p := at(server)
	p.Timeout = caddy.Duration(200 * time.Millisecond)
	store := open(t, p)
	key, rec := create(t, store)
	server.Pause()
	_, err := store.Load(t.Context(), key)
	for what, err := range map[string]error{"Load": err, "Update": store.Update(t.Context(), key, rec), "Delete": store.Delete(t.Context(), key)} {
		if err == nil || isAnswer(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want an error of the store's own", what, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() {
		_, err := store.Load(ctx, key)
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("Load with an ended context: %v, want context.Canceled", err)
	}
	server.Resume()
	eventually(t, "server found again", func() bool {
		_, err := store.Load(t.Context(), newKey())
		return errors.Is(err, tokenstore.ErrNotFound)
	})
}

// A hundred that come at once share the first connection, and one of them going
// away spoils nothing for the others.
func TestConnectsOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, at(server))
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%2 == 0 {
				time.AfterFunc(0, cancel)
			}
			_, err := store.Load(ctx, newKey())
			if !errors.Is(err, tokenstore.ErrNotFound) && !(i%2 == 0 && errors.Is(err, context.Canceled)) {
				t.Errorf("Load: %v", err)
			}
		})
	}
	group.Wait()
	if n := strings.Count(server.Do("CLIENT", "LIST").(string), "name=caddy-spotify"); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// O56: Close leaves no goroutine behind, whatever is going on. This test must not
// run beside others of this package, so it is not parallel.
func TestCloseEndsEverything(t *testing.T) {
	for name, before := range map[string]func(server *redistest.Server, store *redis.Store){
		"unused": func(*redistest.Server, *redis.Store) {},
		"in use": func(_ *redistest.Server, store *redis.Store) {
			_, _ = store.Lease(t.Context(), newKey()) // never released
		},
		"server dead": func(server *redistest.Server, store *redis.Store) {
			_, _ = store.Lease(t.Context(), newKey())
			server.Kill()
		},
		"server hangs": func(server *redistest.Server, store *redis.Store) {
			_, _ = store.Lease(t.Context(), newKey())
			server.Pause()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, _ = store.Load(ctx, newKey()) // goes on after it returned
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			store := open(t, at(server))
			events := watch(t, store)
			before(server, store)
			if err := store.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			if _, err := store.Load(t.Context(), newKey()); err == nil || isAnswer(err) {
				t.Errorf("Load after Close: %v, want an error that is no answer", err)
			}
			if _, err := store.Lease(t.Context(), newKey()); err == nil {
				t.Error("Lease after Close succeeded")
			}
			_ = events
			// The client library ends some of its goroutines in its own time.
			eventually(t, "all goroutines ended", func() bool {
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				return !strings.Contains(string(stacks), "redis/rueidis.") &&
					!strings.Contains(string(stacks), "tokenstore/redis.(*")
			})
		})
	}
}

// fakeServer answers each command with what reply makes of it.
func fakeServer(t *testing.T, reply func(args []string) string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					args, err := readCommand(r)
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, reply(args)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// readCommand reads an array of bulk strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	number := func(prefix string) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(line, prefix), "\r\n"))
	}
	n, err := number("*")
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := number("$")
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}

// hello is the answer of a server to HELLO 3.
func hello(server, version string) string {
	return fmt.Sprintf("%%3\r\n+server\r\n+%s\r\n+version\r\n+%s\r\n+proto\r\n:3\r\n", server, version)
}

// A server that is too old is refused with a line that says so.
func TestServerVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		server, version string
		want            string // in the error; "" if the server will do
	}{
		{"redis", "6.2.14", "redis: load: the server is redis 6.2.14; use Redis 7 or later, or Valkey"},
		{"redis", "7.0.0", ""},
		{"redis", "8.2.1", ""},
		{"redis", "10.0.0", ""},
		{"valkey", "7.2.5", ""},
		{"valkey", "8.1.0", ""},
		{"other", "", "redis: load: the server is other ; use Redis 7 or later, or Valkey"},
	} {
		t.Run(test.server+test.version, func(t *testing.T) {
			t.Parallel()
			address := fakeServer(t, func(args []string) string {
				switch args[0] {
				case "HELLO":
					return hello(test.server, test.version)
				case "CLUSTER":
					return "-ERR This instance has cluster support disabled\r\n"
				case "HMGET":
					return "*3\r\n_\r\n_\r\n_\r\n"
				}
				return "+OK\r\n"
			})
			_, err := open(t, redis.Provider{Addresses: []string{address}}).Load(t.Context(), newKey())
			if test.want == "" {
				if !errors.Is(err, tokenstore.ErrNotFound) {
					t.Errorf("Load: %v, want ErrNotFound", err)
				}
			} else {
				wantError(t, err, test.want)
			}
		})
	}
}

// P44: servers quote the arguments of commands they do not like, and the password
// is one of them.
func TestServerQuotesPassword(t *testing.T) {
	t.Parallel()
	refusal := func(args []string) string {
		return fmt.Sprintf("-ERR unknown command '%s', with args beginning with: '%s'\r\n", args[0], strings.Join(args[1:], "' '"))
	}
	for name, reply := range map[string]func(args []string) string{
		"no hello": refusal,
		"no auth": func(args []string) string {
			if args[0] == "HELLO" {
				return "-ERR syntax error near hunter2 in '" + strings.Join(args, "' '") + "'\r\n"
			}
			return "+OK\r\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := fakeServer(t, reply)
			store := open(t, redis.Provider{Addresses: []string{address}, Username: "app", Password: "hunter2"})
			_, err := store.Load(t.Context(), newKey())
			if err == nil || isAnswer(err) {
				t.Fatalf("Load: %v, want an error that is no answer", err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, "hunter2") {
					t.Errorf("the error has the password in it: %s", text)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}
