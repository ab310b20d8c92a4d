package attack_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// P52: what comes from outside stands in one field of one line of the log, in
// JSON as on a console. It begins no line of its own and moves no cursor.
func TestAttackLogs(t *testing.T) {
	console := proxytest.NewLogBuffer()
	s := proxytest.Start(t, proxytest.Options{Global: "log console {\noutput spotifytest_buffer " + console.Name + "\nformat console\nlevel DEBUG\n}"})
	b := s.NewBrowser()
	const forged = "\r\n{\"level\":\"error\",\"msg\":\"forged\"}\n2026/11/25 12:00:00 forged\x1b[2J\x1b[31m\x00\x7f"
	escaped := url.QueryEscape(forged)
	fault := func(path, body string, status int) {
		s.Sim.Inject(spotifytest.Fault{Path: path, Status: status, Times: 1, Body: body, Header: http.Header{"Content-Type": {"application/json"}}})
	}
	quoted, err := json.Marshal(forged)
	if err != nil {
		t.Fatal(err)
	}

	// On the callback, and in what the token endpoint and the Web API say.
	l := begin(b)
	callback(b, "state="+l.state+"&error="+escaped+"&error_description="+escaped, l.name+"="+l.pending)
	l = begin(b)
	callback(b, "state="+l.state+"&code="+l.code+"&iss="+escaped, l.name+"="+l.pending)
	l = begin(b)
	fault("/api/token", `{"error":`+string(quoted)+`,"error_description":`+string(quoted)+`}`, 400)
	callback(b, "state="+l.state+"&code="+l.code, l.name+"="+l.pending)
	l = begin(b)
	fault("/v1/me", `{"id":`+string(quoted)+`,"display_name":`+string(quoted)+`}`, 200)
	callback(b, "state="+l.state+"&code="+l.code, l.name+"="+l.pending)
	// In the request itself.
	for _, target := range []string{
		"/spotify/v1/me" + escaped, "/spotify/" + escaped, "/spotify/login?scope=" + escaped, "/spotify/login?" + escaped + "=a&" + escaped + "=b",
		"/spotify/callback?state=" + escaped, "/app" + escaped, "/spotify/v1/search?q=" + escaped,
	} {
		for _, site := range []string{"same-origin", "cross-site"} {
			attack(b, "GET "+target+" HTTP/1.1\nHost: $HOST\nCookie: $COOKIE\nSec-Fetch-Site: "+site+"\nX-Forwarded-For: "+escaped+"\nConnection: close\n\n")
		}
	}
	b.Login("")
	b.Fetch("GET", "/spotify/v1/me", "")
	fault("/api/token", `{"error":`+string(quoted)+`}`, 400)
	s.Sim.ExpireAccessTokens()
	b.Fetch("GET", "/spotify/v1/me", "")

	for line := range strings.Lines(s.Log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not one line of JSON: %.300q", line)
		}
	}
	// The console's own colours are escape sequences, but other ones.
	for name, log := range map[string]string{"JSON": s.Log.String(), "the console": console.String()} {
		if !strings.Contains(log, "forged") {
			t.Errorf("in %s there is nothing of it: the test shows nothing", name)
		}
		for line := range strings.Lines(log) {
			if strings.HasPrefix(line, "2026/11/25 12:00:00 forged") || strings.HasPrefix(line, `{"level":"error","msg":"forged"`) ||
				strings.Contains(line, "\x1b[2J") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x00\r\n") {
				t.Errorf("in %s: %.300q", name, line)
			}
		}
	}
}
