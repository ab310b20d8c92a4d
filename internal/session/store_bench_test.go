package session

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/memory"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// onEachStore runs a benchmark with one session in each store. The default one
// keeps files, in the machine's temporary directory here.
func onEachStore(b *testing.B, run func(*testing.B, *Manager, *Session)) {
	b.Helper()
	stores := []struct{ name, module, config string }{{"memory", "memory", "{}"}, {"files", "caddy", "{}"}}
	if _, err := exec.LookPath("redis-server"); err == nil {
		server := redistest.Start(b)
		stores = append(stores, struct{ name, module, config string }{"redis", "redis", fmt.Sprintf(`{"addresses":[%q]}`, server.Addr)})
	}
	for _, store := range stores {
		b.Run(store.name, func(b *testing.B) {
			ctx, err := caddy.ProvisionContext(&caddy.Config{
				Admin:      &caddy.AdminConfig{Disabled: true},
				StorageRaw: []byte(fmt.Sprintf(`{"module":"file_system","root":%q}`, b.TempDir())),
			})
			if err != nil {
				b.Fatal(err)
			}
			module, err := ctx.LoadModuleByID("http.handlers.spotify_auth.stores."+store.module, []byte(store.config))
			if err != nil {
				b.Fatal(err)
			}
			tokens := &pkce.Config{ClientID: "client", HTTPClient: &http.Client{Transport: granting{}}}
			got, err := Acquire(module.(tokenstore.Provider), tokens, "site", "", time.Hour, 24*time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = got.Release() })
			got.Sessions.logger = zap.NewNop
			sess, err := got.Sessions.Create(b.Context(), newToken(1, time.Now()), Account{ID: "account"})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			run(b, got.Sessions, sess)
		})
	}
}

// BenchmarkSessionMiss is a session that has to be read from the store.
func BenchmarkSessionMiss(b *testing.B) {
	onEachStore(b, func(b *testing.B, m *Manager, sess *Session) {
		cookie := sess.ID.Cookie()
		for b.Loop() {
			m.Cache.remove(sess.ID, Browser)
			if _, err := m.Get(b.Context(), cookie); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSessionRefresh is a refresh by a token endpoint that answers at once,
// with the lease, the second look at the record and the save.
func BenchmarkSessionRefresh(b *testing.B) {
	onEachStore(b, func(b *testing.B, _ *Manager, sess *Session) {
		for b.Loop() {
			if _, err := sess.Auth.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// granting is a token endpoint.
type granting struct{}

func (granting) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(strings.NewReader(fmt.Sprintf(`{"access_token":"BQ%0200d","token_type":"Bearer","expires_in":3600}`, 1))),
		Request: req,
	}, nil
}
