package attack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// O62: what does not begin a login, though it asks for one, is in the access log like
// any other request.
func TestRefusedLoginsAreInTheAccessLog(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "require_login /app*\nshare {\nowner mira\nallow /v1/me/top/artists\n}"})
	b := s.NewBrowser()
	ahead := proxytest.Header("Sec-Purpose", "prefetch;prerender")
	navigate := []proxytest.Edit{
		proxytest.Header("Sec-Fetch-Mode", "navigate"), proxytest.Header("Sec-Fetch-Dest", "document"), proxytest.Header("Accept", "text/html"),
	}
	for _, path := range []string{"/spotify/login", "/spotify/share/connect", "/app/1", "/spotify/v1/me"} {
		b.Do(http.MethodHead, path+"?head", "", navigate...)
		b.Navigate(path+"?ahead", ahead)
		for _, target := range []string{path + "?head", path + "?ahead"} {
			n := 0
			for _, l := range linesOf(t, s) {
				if strings.HasPrefix(l.Logger, "http.log.access") && l.Request.URI == target {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s: %d lines in the access log, want 1", target, n)
			}
		}
	}
}
