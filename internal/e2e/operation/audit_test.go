package operation_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// The audit log has a line for each of its events, in a file of its own, with fixed
// fields and without secrets.
func TestAudit(t *testing.T) {
	a := &proxytest.Administrator{T: t, Addr: freeport.Address(t)}
	file := proxytest.NewLogBuffer()
	s := proxytest.Start(t, proxytest.Options{
		Global: "admin " + a.Addr + "\nlog audit {\noutput spotifytest_buffer " + file.Name + "\nformat json\ninclude http.handlers.spotify_auth.audit\n}",
		Auth:   "expose_token\noptional_scopes streaming\naccess_keys\ndevice_login\nshare {\nowner mira\nallow /v1/me/top/artists\nscopes user-top-read\n}",
	})
	b := s.NewBrowser()
	var lines []map[string]any
	more := 0 // lines that come along with the next
	next := func(event telemetry.AuditEvent) map[string]any {
		t.Helper()
		text := strings.Split(strings.TrimSpace(file.String()), "\n")
		if len(text) != len(lines)+1+more {
			t.Fatalf("%s: %d lines, want %d more than %d:\n%s", event, len(text), 1+more, len(lines), file.String())
		}
		var line map[string]any
		if err := json.Unmarshal([]byte(text[len(lines)]), &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		if line["event"] != string(event) || line["logger"] != "http.handlers.spotify_auth.audit" || line["msg"] != "audit" || line["site"] != strings.TrimPrefix(s.Origin, "http://") {
			t.Errorf("%s: %v", event, line)
		}
		for field := range line {
			if !slices.Contains(append([]string{"event", "site", "logger", "msg", "level", "ts"}, telemetry.AuditFields[event]...), field) {
				t.Errorf("%s has the field %s", event, field)
			}
		}
		for _, field := range telemetry.AuditFields[event] {
			if line[field] == nil && field != "suppressed" && (field != "client_ip" || event != telemetry.AuditSessionEnded) {
				t.Errorf("%s lacks the field %s", event, field)
			}
		}
		return line
	}
	login := func(target string) { t.Helper(); b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+target, "mira")) }

	b.WantStatus(b.ComeBack(spotifytest.Decline(t, b.Client, s.Origin+"/spotify/login")), http.StatusForbidden)
	if line := next(telemetry.AuditLoginFailed); line["reason"] != "login_cancelled" || line["status"] != 403.0 {
		t.Errorf("%v", line)
	}
	login("/spotify/login?scope=streaming")
	session := next(telemetry.AuditLogin)
	if session["kind"] != "session" || session["account"] != b.Session().Account.ID {
		t.Errorf("%v", session)
	}
	b.WantStatus(b.Fetch("POST", "/spotify/token", ""), http.StatusOK)
	next(telemetry.AuditTokenExposed)
	key := b.CreateKey(proxytest.KeyForm("music"))
	created := next(telemetry.AuditKeyCreated)
	program := s.Program(key)
	for range 2 {
		program.WantStatus(program.Me(), http.StatusOK)
	}
	if used := next(telemetry.AuditKeyUsed); used["session"] != created["session"] || used["kind"] != "key" {
		t.Errorf("%v", used)
	}
	b.RenewKey(b.Keys()[0].Key)
	if renewed := next(telemetry.AuditKeyRenewed); renewed["session"] != created["session"] || renewed["account"] != created["account"] || renewed["kind"] != "key" {
		t.Errorf("%v", renewed)
	}
	b.WantStatus(b.Fetch("DELETE", "/spotify/keys/"+b.Keys()[0].Key, ""), http.StatusNoContent)
	next(telemetry.AuditKeyRevoked)
	login("/spotify/share/connect")
	next(telemetry.AuditShareConnected)
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	if line := next(telemetry.AuditLogout); line["session"] != session["session"] {
		t.Errorf("%v", line)
	}

	b.Login("mira")
	session = next(telemetry.AuditLogin)
	limit := s.Sim.Inject(spotifytest.Fault{Effect: spotifytest.RateLimited, RetryAfter: time.Minute, Times: 1})
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusTooManyRequests)
	limit.Clear()
	a.Call("DELETE", "/spotify/limits/all", http.StatusOK, nil)
	if line := next(telemetry.AuditLimitsOpened); line["client_id"] != proxytest.ClientID {
		t.Errorf("%v", line)
	}
	a.Call("DELETE", "/spotify/limits/all", http.StatusOK, nil)
	a.Call("DELETE", "/spotify/sessions/"+session["session"].(string), http.StatusOK, nil)
	if line := next(telemetry.AuditSessionEnded); line["reason"] != "administrator" || line["session"] != session["session"] {
		t.Errorf("%v", line)
	}

	// A device: one that is denied, and one that gets a key.
	device := s.NewBrowser()
	b.WantStatus(b.SendForm("/spotify/activate/deny", url.Values{"code": {device.AskForCode("Hallway screen").UserCode}}), http.StatusOK)
	if line := next(telemetry.AuditDeviceDenied); line["device"] != "Hallway screen" {
		t.Errorf("%v", line)
	}
	code := device.AskForCode("Kitchen radio")
	b.WantStatus(b.ComeBack(b.AgreeToDevice("mira", code.UserCode)), http.StatusOK)
	more = 1
	agreed := next(telemetry.AuditDeviceAgreed)
	more = 0
	if created := next(telemetry.AuditKeyCreated); agreed["device"] != "Kitchen radio" || agreed["kind"] != "key" || created["session"] != agreed["session"] {
		t.Errorf("%v, then %v", agreed, created)
	}

	// The account page: one session of two is ended, then everything deleted.
	b.Login("mira")
	next(telemetry.AuditLogin)
	other := s.NewBrowser()
	other.Login("mira")
	session = next(telemetry.AuditLogin)
	b.WantStatus(b.Fetch("DELETE", "/spotify/account/sessions/"+session["session"].(string), ""), http.StatusNoContent)
	if line := next(telemetry.AuditSessionEnded); line["reason"] != "owner" || line["session"] != session["session"] || line["client_ip"] == nil {
		t.Errorf("%v", line)
	}
	b.WantStatus(b.Fetch("DELETE", "/spotify/account", ""), http.StatusNoContent)
	more = 2
	for range 2 { // the device's key and the session
		if line := next(telemetry.AuditSessionEnded); line["reason"] != "owner" {
			t.Errorf("%v", line)
		}
		more--
	}
	if line := next(telemetry.AuditDeleted); line["ended"] != 2.0 || line["account"] != session["account"] {
		t.Errorf("%v", line)
	}
	for event := range telemetry.AuditFields {
		if !slices.ContainsFunc(lines, func(line map[string]any) bool { return line["event"] == string(event) }) {
			t.Errorf("there is no line for %s", event)
		}
	}
	for _, secret := range append(s.Sim.TokensIssued(), key, strings.TrimPrefix(key, "spk_")) {
		if strings.Contains(file.String(), secret) {
			t.Error("a secret is in the audit log")
		}
	}
}
