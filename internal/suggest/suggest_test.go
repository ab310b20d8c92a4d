package suggest_test

import (
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/suggest"
)

func TestNearest(t *testing.T) {
	names := []string{"client_id", "client_secret", "redirect_uri", "scopes", "optional_scopes", "allow", "allow_origin", "store", "share", "api_url"}
	for word, want := range map[string]string{
		"scope": "scopes", "Scopes": "scopes", "scoeps": "scopes", "clientid": "client_id", "clientId": "client_id", "client-id": "client_id",
		"client": "client_id", "redirect": "redirect_uri", "redirect_url": "redirect_uri", "redirectURI": "redirect_uri", "callback": "",
		"clientsecret": "client_secret", "optional_scope": "optional_scopes", "allow_origins": "allow_origin", "allows": "allow",
		"stroe": "store", "api": "api_url", "ttl": "", "": "", "x": "", "header_up": "", "lb_retries": "",
		strings.Repeat("scopes", 1000): "",
	} {
		if got := suggest.Nearest(word, names); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"30 days": "30d", "30days": "30d", "1 day": "1d", "30 d": "30d", "12 Hours": "12h", "5 min": "5m", "90 seconds": "90s", "90 sec.": "90s",
		"2 weeks": "14d", "6 months": "180d", "1 year": "365d", "1h 30m": "1h30m", "1 hour and 30 minutes": "1h30m", "1 day, 12 hours": "1d12h",
		"30-day": "30d", "": "", "30": "", "days": "", "30 banana": "", "30d 40d": "", "5m 1h": "", "-3 days": "", "1 2 days": "", "forever": "",
		"99999999999999999999 days": "",
	} {
		if got := suggest.Duration(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
