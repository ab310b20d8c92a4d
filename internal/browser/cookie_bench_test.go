package browser

import (
	"net/http"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// BenchmarkCookie is the search for our cookie among others.
func BenchmarkCookie(b *testing.B) {
	h := http.Header{"Cookie": {"theme=dark; _ga=GA1.1.123456789.1700000000; spotify_session=" + tokenstore.NewSessionID().Cookie() + "; lang=en"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := CookieValue(h, "spotify_session"); !ok {
			b.Fatal("not found")
		}
	}
}
