package caddyspotify_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/redistest"
)

// O52: the commands of an operator, on a running server with a thousand sessions.
func TestCommandsOnRunningServer(t *testing.T) {
	server := redistest.Start(t)
	admin := freeport.Address(t)
	s := proxytest.Start(t, proxytest.Options{Global: "admin " + admin, Auth: "store redis " + server.Addr})
	proxytest.StoreSessions(t, server.Addr, 997)
	var browsers []*proxytest.Browser
	for range 3 {
		b := s.NewBrowser()
		b.Login("mira")
		browsers = append(browsers, b)
	}
	mira := browsers[0].Session().Account.ID
	caddy := func(code int, args ...string) string {
		t.Helper()
		stdout, stderr, got := proxytest.RunCaddy(t, append([]string{"spotify"}, append(args, "--address", admin)...)...)
		if got != code || (code == 0) != (stderr == "") {
			t.Fatalf("caddy spotify %q: exit code %d, want %d\n%s%s", args, got, code, stdout, stderr)
		}
		if code != 0 {
			return stderr
		}
		return stdout
	}

	if all := caddy(0, "sessions"); strings.Count(all, "\n") != 1003 || !strings.Contains(all, "1000 of 1000 sessions") {
		t.Errorf("sessions: %d lines, %.300s", strings.Count(all, "\n"), all)
	}
	if some := caddy(0, "sessions", "--limit", "7"); strings.Count(some, "\n") != 10 || !strings.Contains(some, "7 of 1000 sessions") {
		t.Errorf("sessions: %s", some)
	}
	var list proxytest.SessionList
	if err := json.Unmarshal([]byte(caddy(0, "sessions", "--json", "--account", mira)), &list); err != nil || len(list.Sessions) != 3 {
		t.Fatalf("sessions of mira: %v %+v", err, list)
	}
	if hers := caddy(0, "sessions", "--account", mira); strings.Count(hers, mira) != 3 || strings.Count(hers, strings.TrimPrefix(s.Origin, "http://")) != 3 {
		t.Errorf("sessions of mira: %s", hers)
	}
	if none := caddy(0, "sessions", "--account", "nobody"); none != "There are no sessions.\n" {
		t.Errorf("sessions of nobody: %s", none)
	}

	one := list.Sessions[0].Session
	if said := caddy(0, "revoke", one); said != "Ended session "+one+".\n" {
		t.Errorf("revoke: %s", said)
	}
	if said := caddy(1, "revoke", one); !strings.Contains(said, "there is no session "+one) {
		t.Errorf("revoke again: %s", said)
	}
	var ended struct{ Ended []string }
	if err := json.Unmarshal([]byte(caddy(0, "revoke", "--json", "--account", mira)), &ended); err != nil || len(ended.Ended) != 2 {
		t.Errorf("revoke: %v %q", err, ended)
	}
	for _, b := range browsers {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	}
	if said := caddy(0, "revoke", "--account", mira); said != "No sessions to end.\n" {
		t.Errorf("revoke: %s", said)
	}
	if said := caddy(0, "revoke", "--account", "bulk/3"); !strings.HasPrefix(said, "Ended 100 sessions: ") {
		t.Errorf("revoke: %s", said)
	}
	for _, args := range [][]string{{"revoke"}, {"revoke", one, "--account", mira}, {"revoke", "not-a-session"}, {"sessions", "x"}, {"sessions", "--limit", "-1"}} {
		caddy(1, args...)
	}

	// The shell completes the sessions that there are.
	stdout, _, _ := proxytest.RunCaddy(t, "__complete", "spotify", "revoke", "--address", admin, "--account", "bulk/5", "")
	if n := len(regexp.MustCompile(`(?m)^[0-9a-f]{12}\tbulk/5$`).FindAllString(stdout, -1)); n != 100 {
		t.Errorf("%d sessions completed: %.300s", n, stdout)
	}
}

func TestCommandsWithoutServer(t *testing.T) {
	for _, args := range [][]string{{"sessions"}, {"revoke", "0123456789ab"}} {
		stdout, stderr, code := proxytest.RunCaddy(t, append([]string{"spotify"}, append(args, "--address", freeport.Address(t))...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "asking the admin API") {
			t.Errorf("%q: exit code %d, %s%s", args, code, stdout, stderr)
		}
	}
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte("{\nadmin off\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := proxytest.RunCaddy(t, "spotify", "sessions", "--config", file); code != 1 || !strings.Contains(stderr, "admin off") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// Every command says how it is used, in the same words as before.
func TestHelp(t *testing.T) {
	var all strings.Builder
	for _, name := range []string{"", "check", "health", "limits", "quota", "sessions", "revoke", "version"} {
		stdout, stderr, code := proxytest.RunCaddy(t, strings.Fields("spotify "+name+" --help")...)
		if code != 0 || stderr != "" {
			t.Errorf("%s --help: exit code %d, %s", name, code, stderr)
		}
		if name != "" && name != "health" && !strings.Contains(stdout, "--json") {
			t.Errorf("%s has no --json", name)
		}
		text, _, _ := strings.Cut(stdout, "\nFull documentation")
		all.WriteString(text + "\n")
	}
	golden(t, "help.golden", all.String())
}
