package session_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

const shown = "{http.auth.user.id}|{spotify.account.id}|{spotify.account.display_name}|{spotify.scopes}|" +
	"{spotify.session.ref}|{spotify.session.age}|{spotify.session.reauthorize_by}"

// P44
func TestPlaceholders(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{
		Auth: "require_login /app*",
		Site: `log_append who "{spotify.session.ref}"
			header /spotify/v1/* >X-Who "{spotify.account.display_name}"
			@hers {
				path /app*
				expression {spotify.account.display_name}.startsWith("Mira")
			}
			respond @hers "` + shown + `|{spotify.token}|{spotify.session.id}|{spotify.session.key}"
			respond /open "` + shown + `"
			respond /app* "somebody else"`,
	})
	b := s.NewBrowser()
	b.Login("mira")
	fake.Advance(90 * time.Second)
	info := b.Session()
	a := b.WantStatus(b.Navigate("/app"), http.StatusOK)
	got := strings.Split(a.Text, "|")
	if len(got) != 10 {
		t.Fatalf("the placeholders are %q", a.Text)
	}
	for i, want := range []string{
		info.Account.ID, info.Account.ID, info.Account.DisplayName, strings.Join(info.Scopes, " "),
		got[4], "90", info.ReauthorizeBy.Format(time.RFC3339),
		"{spotify.token}", "{spotify.session.id}", "{spotify.session.key}", // there are no such
	} {
		if got[i] != want {
			t.Errorf("placeholder %d is %q, want %q", i, got[i], want)
		}
	}
	if len(got[4]) != 12 || strings.Trim(got[4], "0123456789abcdef") != "" {
		t.Errorf("the session's reference is %q", got[4])
	}
	for _, secret := range append(s.Sim.TokensIssued(), b.SessionCookie()) {
		if strings.Contains(a.Text, secret) {
			t.Errorf("a placeholder holds a secret: %s", a.Text)
		}
	}
	if a := b.Fetch("GET", "/spotify/v1/me", ""); a.Header.Get("X-Who") != info.Account.DisplayName {
		t.Errorf("X-Who is %q", a.Header.Get("X-Who"))
	}
	for _, path := range []string{"/spotify/v1/me", "/spotify/session", "/app"} {
		if b.Fetch("GET", path, ""); !strings.Contains(s.Log.String(), `"uri":`+strconv.Quote(path)) {
			t.Errorf("the access log does not have %s", path)
		}
	}
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, `"uri":"/spotify/v1/me"`) && strings.Contains(line, "handled request") &&
			(!strings.Contains(line, `"user_id":"`+info.Account.ID) || !strings.Contains(line, `"who":"`+got[4])) {
			t.Errorf("the access log does not say who: %s", line)
		}
	}

	// Who was not asked to log in was not identified.
	if a := b.Fetch("GET", "/open", ""); a.Text != shown {
		t.Errorf("/open: %s", a.Text)
	}
	other := s.NewBrowser()
	other.Login("jonas")
	if a := other.Navigate("/app"); a.Text != "somebody else" {
		t.Errorf("/app: %s", a.Text)
	}
}
