package notify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// E02: nonsense is refused when the configuration is loaded, with what to write, and the address, which may hold
// a secret, is not shown.
func TestNewTarget(t *testing.T) {
	t.Setenv("HOOK", "https://hooks.example/s3cret")
	for url, want := range map[string]string{
		"":                                      "notify has no URL",
		"{env.NO_SUCH_VARIABLE}":                "if it is a variable, set it",
		"s3cret":                                "not the URL of a webhook",
		"https://":                              "not the URL of a webhook",
		"https://:443/s3cret":                   "not the URL of a webhook",
		"https://a.example/s3cret#x":            "without a fragment",
		"https://a.example/%zz/s3cret":          "not the URL of a webhook",
		"ftp://a.example/s3cret":                "use https",
		"mailto:s3cret@a.example":               "not the URL of a webhook",
		"http://ntfy.sh/s3cret":                 "in the clear",
		"http://8.8.8.8/s3cret":                 "in the clear",
		"http://local.example.com/s3cret":       "in the clear",
		"http://[2001:db8::1]/s3cret":           "in the clear",
		"https://ntfy.sh/s3cret":                "",
		"https://user:s3cret@ntfy.example/":     "",
		"http://127.0.0.1:8123/s3cret":          "",
		"http://[::1]:8123/s3cret":              "",
		"http://192.168.1.5/s3cret":             "",
		"http://[fd00::1]/s3cret":               "",
		"http://gotify/s3cret":                  "",
		"http://homeassistant.local:8123/x":     "",
		"http://ha.home.arpa/s3cret":            "",
		"http://hub.internal./s3cret":           "",
		"{env.HOOK}":                            "",
		" https://spaces.example/s3cret ":       "",
		"https://a.example/?token=s3cret&x={x}": "",
	} {
		got := ""
		if _, err := newTarget(Webhook{URL: url}); err != nil {
			got = err.Error()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "s3cret") {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	for name, w := range map[string]Webhook{
		"notify header":            {Headers: map[string]string{"A B": "x"}},
		`"Authorization"`:          {Headers: map[string]string{"Authorization": "{env.NO_SUCH_VARIABLE}"}},
		"not a header":             {Headers: map[string]string{"X-Token": "s3cret\r\nX: y"}},
		"Content-Type is set":      {Headers: map[string]string{"content-type": "text/plain"}},
		`notify field "topic" is`:  {Fields: map[string]string{"topic": "{env.NO_SUCH_VARIABLE}"}},
		`notify field "" is empty`: {Fields: map[string]string{"": "x"}},
	} {
		w.URL = "https://a.example"
		if _, err := newTarget(w); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func someNotice(name string) *Notice {
	ends := time.Date(2026, 12, 5, 14, 0, 0, 0, time.UTC)
	return newNotice(Subject{Kind: tokenstore.KindKey, Name: name, Account: "mira", Session: "0123456789ab", RenewURL: "https://app.example/spotify/keys"},
		"app.example", ends.Add(-7*day), ends)
}

// E02: a notice has what ntfy, Gotify, Slack and Home Assistant read, headers and fields go along, and the
// name of a key is no mention in Slack.
func TestNoticeAsSent(t *testing.T) {
	hook := newHook(t)
	target, err := newTarget(Webhook{hook.URL, map[string]string{"authorization": "Bearer s3cret"}, map[string]string{"topic": "music"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.send(t.Context(), time.Now(), someNotice("<!channel> & co")); err != nil {
		t.Fatal(err)
	}
	if got := hook.header.Get("Authorization"); got != "Bearer s3cret" {
		t.Errorf("Authorization is %q", got)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(hook.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	const title = "Spotify access key “<!channel> & co” ends in 7 days"
	const message = "Spotify access key “<!channel> & co” of account mira at app.example stops working on 5 December 2026 14:00 UTC. " +
		"Renew it: https://app.example/spotify/keys"
	for name, want := range map[string]any{
		"event": "reauthorization_due", "title": title, "message": message, "priority": 4.0, "click": "https://app.example/spotify/keys",
		"text": slackText.Replace(title + "\n" + message), "site": "app.example", "kind": "key", "name": "<!channel> & co", "account": "mira",
		"session": "0123456789ab", "renew_url": "https://app.example/spotify/keys", "reauthorize_by": "2026-12-05T14:00:00Z", "days_left": 7.0, "topic": "music",
	} {
		if got[name] != want {
			t.Errorf("%s is %#v, want %#v", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) != 0 {
		t.Errorf("also %v", got)
	}
	if text := someNotice("<!channel>").Text; strings.Contains(text, "<") {
		t.Errorf("the text has a mention in it: %s", text)
	}
}

// E02: a redirect is not followed, with credentials or without, and counts as a failure.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }))
		target, err := newTarget(Webhook{URL: hook.URL, Headers: map[string]string{"Authorization": "Bearer s3cret"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := target.send(t.Context(), time.Now(), someNotice("a")); err == nil || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%d: %v", status, err)
		}
		hook.Close()
	}
	if elsewhere != 0 {
		t.Errorf("%d requests elsewhere", elsewhere)
	}
}

// What went wrong is said without the webhook's address.
func TestErrorsShowNoAddress(t *testing.T) {
	hook := newHook(t)
	target, err := newTarget(Webhook{URL: hook.URL + "/s3cret?token=s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	hook.status.Store(http.StatusForbidden)
	if err := target.send(t.Context(), time.Now(), someNotice("a")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("refused: %v", err)
	}
	hook.Close()
	if err := target.send(t.Context(), time.Now(), someNotice("a")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("unreachable: %v", err)
	}
}
