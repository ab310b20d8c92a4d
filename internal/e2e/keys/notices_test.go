package keys_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// webhook keeps the notices that it receives.
type webhook struct {
	*httptest.Server
	mu      sync.Mutex
	notices []notice
	bodies  strings.Builder
	auth    []string
}

type notice struct {
	Event, Title, Message, Text, Kind, Name, Account, Session, Site, Topic string
	RenewURL                                                               string    `json:"renew_url"`
	ReauthorizeBy                                                          time.Time `json:"reauthorize_by"`
	DaysLeft                                                               int       `json:"days_left"`
}

func startWebhook(t *testing.T) *webhook {
	t.Helper()
	h := new(webhook)
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var n notice
		if err == nil {
			err = json.Unmarshal(body, &n)
		}
		if err != nil {
			t.Errorf("notice %q: %v", body, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.notices = append(h.notices, n)
		h.bodies.Write(body)
		h.auth = append(h.auth, r.Header.Get("Authorization"))
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *webhook) received() []notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notices)
}

// E02: over the six months of a key and of the shared account, the operator's webhook is told of each 30, 7
// and 1 days before and at the end, with reloads and restarts in between, and hears no secret.
func TestNoticesOfKeysAndShare(t *testing.T) {
	h := startWebhook(t)
	t.Setenv("NOTIFY_TOKEN", "s3cret-of-the-hook")
	t.Setenv("NOTIFY_URL", h.URL+"/s3cret-path")
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{
		Auth: shareOptions + "\naccess_keys\nnotify {env.NOTIFY_URL} {\nheader Authorization \"Bearer {env.NOTIFY_TOKEN}\"\nfield topic music\n}",
		Sim:  spotifytest.Options{Now: clock.Now},
	})
	shared := &sharing{s, clock}
	b, a := shared.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	b = s.NewBrowser()
	b.Login("mira")
	key := b.CreateKey(proxytest.KeyForm("backup"))
	p := s.Program(key)
	p.WantStatus(p.Me(), http.StatusOK)
	cookie := b.SessionCookie()
	ends, ref := b.Keys()[0].ExpiresAt, b.Keys()[0].Key
	account := b.Session().Account.ID
	other := s.NewBrowser() // which keeps nothing alive and is told nothing

	want := 0
	// until lets time pass until there is a notice about both.
	until := func(before time.Duration, daysLeft int) {
		t.Helper()
		clock.Advance(ends.Add(-before).Sub(clock.Now()) + time.Minute)
		want += 2
		proxytest.Eventually(t, "two more notices", func() bool {
			clock.Advance(time.Minute)
			return len(h.received()) >= want
		})
		other.Fetch("GET", "/spotify"+nowPlaying, "")
		got := h.received()[want-2:]
		kinds := []string{got[0].Kind, got[1].Kind}
		slices.Sort(kinds)
		if !slices.Equal(kinds, []string{"key", "shared"}) {
			t.Fatalf("told of %q", kinds)
		}
		for _, n := range got {
			event, name, renew := "reauthorization_due", "", s.Origin+"/spotify/share/connect"
			if daysLeft == 0 {
				event = "access_ended"
			}
			if n.Kind == "key" {
				name, renew = "backup", s.Origin+"/spotify/keys/renew?key="+ref
			}
			if n.Event != event || n.DaysLeft != daysLeft || n.Name != name || n.Account != account || n.RenewURL != renew ||
				n.Topic != "music" || n.ReauthorizeBy.Sub(ends).Abs() > time.Minute || !strings.Contains(n.Text, n.RenewURL) {
				t.Errorf("told %+v", n)
			}
		}
	}
	clock.Advance(100 * 24 * time.Hour)
	s.Restart()
	until(30*24*time.Hour, 30)
	s.Load("")
	until(7*24*time.Hour, 7)
	s.Restart()
	s.Restart()
	until(24*time.Hour, 1)
	until(0, 0)
	for range 100 {
		clock.Advance(5 * time.Hour)
	}
	s.Restart()
	clock.Advance(time.Hour)
	if got := h.received(); len(got) != want {
		t.Errorf("%d notices, want %d", len(got), want)
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	for _, secret := range append(s.Sim.TokensIssued(), key, cookie) {
		if strings.Contains(h.bodies.String(), secret) {
			t.Errorf("a notice holds the secret %s", secret)
		}
	}
	for _, auth := range h.auth {
		if auth != "Bearer s3cret-of-the-hook" {
			t.Errorf("Authorization %q", auth)
		}
	}
	if strings.Contains(s.Log.String(), "s3cret") || !strings.Contains(s.Log.String(), `"notice sent"`) {
		t.Error("the log shows the webhook's secrets, or no notice")
	}
	for path, content := range s.StoredFiles() {
		if strings.Contains(content, `"kind":"mark"`) && (strings.Contains(content, account) || strings.Contains(content, "backup")) {
			t.Errorf("%s shows whose it is: %s", path, content)
		}
	}
}

// E01 E02: a key that is about to end is told of with a link, and the link renews it. From then on
// nothing is told, whether the key has taken its renewal yet or not, until its new term nears its end.
func TestNoticeLeadsToRenewal(t *testing.T) {
	h := startWebhook(t)
	s, clock := renewRig(t, "access_keys {\nlifetime 180d\n}\nnotify "+h.URL, spotifytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("backup")))
	p.WantStatus(p.Me(), http.StatusOK)
	ends := b.Keys()[0].ExpiresAt
	// What is due three hours later shows that what was due before has been looked for.
	clock.Advance(3 * time.Hour)
	b.CreateKey(proxytest.KeyForm("later"))
	told := 0
	want := func(name string, daysLeft int, by time.Time) notice {
		t.Helper()
		clock.Advance(max(0, by.AddDate(0, 0, -daysLeft).Sub(clock.Now())))
		told++
		proxytest.Eventually(t, "a notice about "+name, func() bool {
			clock.Advance(time.Minute)
			return len(h.received()) >= told
		})
		n := h.received()[told-1]
		if n.DaysLeft != daysLeft || n.ReauthorizeBy.Sub(by).Abs() > time.Minute || n.Name != name || !strings.Contains(n.Message, "Renew it: "+n.RenewURL) {
			t.Fatalf("told %+v, want %s, %d days", n, name, daysLeft)
		}
		return n
	}
	later := ends.Add(3 * time.Hour)
	want("backup", 30, ends)
	want("later", 30, later)
	n := want("backup", 7, ends)
	link := strings.TrimPrefix(n.RenewURL, s.Origin)
	b = s.NewBrowser()                               // another one of hers, where the notice has come
	b.WantStatus(b.Navigate(link), http.StatusFound) // to the login
	b.Login("mira")
	page := b.WantStatus(b.Navigate(link), http.StatusOK).Text
	if !strings.Contains(page, `action="/spotify/keys/renew"`) || !strings.Contains(page, `value="`+n.Session+`"`) {
		t.Fatalf("the link leads to %s", page)
	}
	b.RenewKey(n.Session)
	renewed := clock.Now().Add(180 * 24 * time.Hour)
	want("later", 7, later)
	want("later", 1, later)             // while the renewal waits for the key
	p.WantStatus(p.Me(), http.StatusOK) // takes it
	want("later", 0, later)
	for _, daysLeft := range []int{30, 7, 1, 0} {
		want("backup", daysLeft, renewed)
	}
}

// E02: what cannot work is refused when the configuration is loaded, in one line.
func TestNotifyRefused(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	for options, want := range map[string]string{
		"notify https://a.example":                                         "notify has nothing to tell of: turn on access_keys or share",
		"access_keys\nnotify":                                              "notify takes the URL of a webhook",
		"access_keys\nnotify https://a.example https://b.example":          "notify takes the URL of a webhook",
		"access_keys\nnotify http://a.example/s3cret":                      "in the clear",
		"access_keys\nnotify s3cret":                                       "not the URL of a webhook",
		"access_keys\nnotify https://a.example {\nheader A\n}":             "notify header takes a name and a value",
		"access_keys\nnotify https://a.example {\nheaders A b\n}":          `unknown option "headers" in notify`,
		"access_keys\nnotify https://a.example {\nheader Host b\n}":        "notify header Host is set by the request itself",
		"access_keys\nnotify https://a.example {\nfield a b\nfield a c\n}": "notify field a is given twice",
	} {
		s.Auth = options
		config, err := proxytest.TryAdapt(s.Caddyfile(""))
		if err == nil {
			err = caddy.Load(config, true)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %q", options, err, want)
		}
	}
}

// E02: a page is told that its visitor has to log in again soon, the page of keys says which of them end soon,
// and that of the shared account asks its owner to connect it again.
func TestDueOnPages(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := &sharing{proxytest.Start(t, proxytest.Options{
		Auth: shareOptions + "\nsession {\nidle 180d\n}\naccess_keys", Sim: spotifytest.Options{Now: clock.Now},
	}), clock}
	b, a := s.connect("mira")
	b.WantStatus(a, http.StatusSeeOther)
	b = s.NewBrowser()
	b.Login("mira")
	b.CreateKey(proxytest.KeyForm("long"))
	b.CreateKey(proxytest.KeyForm("short", "life", "7d"))
	other := s.NewBrowser()
	shared := func() string { return other.WantStatus(other.Fetch("GET", "/spotify/share", ""), 200).Text }
	german := proxytest.Header("Accept-Language", "de")
	if b.Session().Due || strings.Contains(shared(), "due") || strings.Contains(b.Navigate(proxytest.KeysPath).Text, "Ends in") {
		t.Error("due from the beginning")
	}
	clock.Advance(3*24*time.Hour + time.Hour)
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Contains(page, "Ends in") {
		t.Errorf("a key of a week is due after three days: %s", page)
	}
	clock.Advance(24 * time.Hour)
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Count(page, "Ends in") != 1 || !strings.Contains(page, "<strong>Ends in 3 days.</strong>") {
		t.Errorf("keys after four days: %s", page)
	}
	clock.Advance(166 * 24 * time.Hour)
	if info := b.Session(); !info.Due || info.ReauthorizeBy.Sub(clock.Now()) > 10*24*time.Hour {
		t.Errorf("session: %+v", info)
	}
	if page := b.Navigate(proxytest.KeysPath, german).Text; !strings.Contains(page, "<strong>Endet in 10 Tagen.</strong>") {
		t.Errorf("keys: %s", page)
	}
	if text := shared(); !strings.Contains(text, `"reauthorization_due":true`) || strings.Contains(text, "reauthorize_by") {
		t.Errorf("share: %s", text)
	}
	if page := other.Navigate("/spotify/share").Text; !strings.Contains(page, "The account has to be connected again soon") || !strings.Contains(page, "/spotify/share/connect") {
		t.Errorf("share: %s", page)
	}
	clock.Advance(9*24*time.Hour + 12*time.Hour)
	if page := b.Navigate(proxytest.KeysPath).Text; !strings.Contains(page, "<strong>Ends within a day.</strong>") {
		t.Errorf("keys: %s", page)
	}
	// A new login begins again.
	b.Login("mira")
	if b.Session().Due {
		t.Error("due after a new login")
	}
	// What has ended is not about to, and of a key that was renewed the time since then counts.
	p := s.Program(b.CreateKey(proxytest.KeyForm("again", "life", "7d")))
	for range 3 {
		clock.Advance(6 * 24 * time.Hour)
		b.RenewKey(b.Keys()[0].Key)
		p.WantStatus(p.Me(), http.StatusOK)
	}
	if k := b.Keys()[0]; k.Name != "again" || k.RenewedAt == nil {
		t.Fatalf("listed: %+v", k)
	}
	if page := b.Navigate(proxytest.KeysPath).Text; !strings.Contains(page, "<dt>Expired</dt>") || strings.Contains(page, "Ends") {
		t.Errorf("keys: %s", page)
	}
	clock.Advance(4 * 24 * time.Hour)
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Count(page, "<strong>Ends in 3 days.</strong>") != 1 {
		t.Errorf("keys: %s", page)
	}
}
