package pkce_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

func benchmarkAuthenticator() *pkce.Authenticator {
	cfg := &pkce.Config{ClientID: "client", TokenURL: "https://accounts.example/api/token", HTTPClient: &http.Client{Transport: forgetful{}}}
	return cfg.NewAuthenticator(pkce.NewToken(pkce.TokenFields{
		AccessToken: "access", RefreshToken: "refresh", Expiry: time.Now().Add(time.Hour), Lifetime: time.Hour,
	}), nil)
}

// forgetful keeps no list of calls.
type forgetful struct{}

func (forgetful) RoundTrip(*http.Request) (*http.Response, error) {
	return granted(`{"access_token":"access","token_type":"Bearer","expires_in":3600}`), nil
}

// BenchmarkToken is what each request of a session pays.
func BenchmarkToken(b *testing.B) {
	a, ctx := benchmarkAuthenticator(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Token(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTokenParallel is the same from all sides: there is no lock to wait for.
func BenchmarkTokenParallel(b *testing.B) {
	a, ctx := benchmarkAuthenticator(), b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Token(ctx); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRefresh is one refresh without the network, x/oauth2's part included.
func BenchmarkRefresh(b *testing.B) {
	a, ctx := benchmarkAuthenticator(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Refresh(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGenerateCodes(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		pkce.GenerateCodes()
	}
}
