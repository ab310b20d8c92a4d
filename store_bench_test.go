package caddyspotify

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// onEachStore runs a benchmark with one session in each store. The default one
// keeps files, in the machine's temporary directory here.
func onEachStore(b *testing.B, run func(*testing.B, *benchSite, *session)) {
	b.Helper()
	stores := []struct{ name, config string }{{"memory", `{"module":"memory"}`}, {"files", `{"module":"caddy"}`}}
	if _, err := exec.LookPath("redis-server"); err == nil {
		server := redistest.Start(b)
		stores = append(stores, struct{ name, config string }{"redis", fmt.Sprintf(`{"module":"redis","addresses":[%q]}`, server.Addr)})
	}
	for _, store := range stores {
		b.Run(store.name, func(b *testing.B) {
			s := newBenchSiteOn(b, store.config)
			sess, err := s.handler.site.sessions.create(b.Context(), benchToken(1, time.Now()), account{ID: "account"})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			run(b, s, sess)
		})
	}
}

// BenchmarkSessionMiss is a session that has to be read from the store.
func BenchmarkSessionMiss(b *testing.B) {
	onEachStore(b, func(b *testing.B, s *benchSite, sess *session) {
		m, cookie := s.handler.site.sessions, sess.id.Cookie()
		for b.Loop() {
			m.cache.remove(sess.id, false)
			if _, err := m.get(b.Context(), cookie); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSessionRefresh is a refresh by a token endpoint that answers at once,
// with the lease, the second look at the record and the save.
func BenchmarkSessionRefresh(b *testing.B) {
	onEachStore(b, func(b *testing.B, s *benchSite, sess *session) {
		s.handler.site.sessions.tokens.HTTPClient = &http.Client{Transport: granting{}}
		s.handler.site.sessions.logger = zap.NewNop
		for b.Loop() {
			if _, err := sess.auth.Refresh(b.Context()); err != nil {
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
