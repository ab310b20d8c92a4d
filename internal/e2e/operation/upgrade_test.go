package operation_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
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

// record writes the records of the code as it is: go test -run TestUpgrade -record v0.2.0.
// It is done once for a release and never again for that version.
var record = flag.String("record", "", "write the records of this version")

// upgrades has a folder for each version: Caddy's storage as a server of that version left
// it, and what its clients hold.
const upgrades = "testdata/upgrade"

// upgradeOrigin is the origin in the records. No server has to be there: the browsers
// connect to the test's.
const upgradeOrigin = "http://127.0.0.1:8899"

// upgradeTime is when the records were made. The clock stands still, so that the tokens
// in them are good.
var upgradeTime = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// held is what clients of a version hold, and what they are to be told.
type held struct {
	Cookie  string `json:"cookie"`
	Account string `json:"account"`
	Key     string `json:"key"`
	KeyRef  string `json:"key_ref"`
	// Renewed is a key whose renewal waits for it, and Week one that was to be told of.
	Renewed    string `json:"renewed"`
	RenewedRef string `json:"renewed_ref"`
	WeekRef    string `json:"week_ref"`
	// DeviceCode and UserCode are of a device that waits for a person.
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
}

// upgradeAgent is the browser of another session of the account.
const upgradeAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

// upgradeServer is a server at upgradeOrigin whose storage is a folder that is there.
type upgradeServer struct {
	*proxytest.Proxy
	clock *fakeclock.Clock

	mu      sync.Mutex
	tokens  map[string]bool // the access tokens that the Web API was sent
	notices strings.Builder // what the webhook received
}

// ServeHTTP is the webhook.
func (s *upgradeServer) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices.Write(body)
}

// told returns what the webhook received.
func (s *upgradeServer) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notices.String()
}

func startUpgrade(t *testing.T, storage string) *upgradeServer {
	clock := fakeclock.New(upgradeTime)
	clock.Install(t)
	s := &upgradeServer{clock: clock, tokens: map[string]bool{}}
	webhook := httptest.NewServer(s)
	t.Cleanup(webhook.Close)
	s.Proxy = proxytest.Start(t, proxytest.Options{
		Auth: "access_keys\ndevice_login\nnotify " + webhook.URL + "\nshare {\nowner mira\nallow /v1/me/top/artists\n}",
		Sim:  spotifytest.Options{Now: clock.Now},
		// It knows the tokens of other runs as well.
		API: func(simulated http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				s.mu.Lock()
				s.tokens[token] = true
				s.mu.Unlock()
				for _, known := range s.Sim.TokensIssued() {
					if token == known {
						simulated.ServeHTTP(w, r)
						return
					}
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"id":"mira","items":[]}`))
			})
		},
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.Origin, "http://"))
	text := strings.ReplaceAll(s.Caddyfile(""), s.Storage, storage)
	text = strings.ReplaceAll(text, s.Origin+" {", "http://:"+port+" {")
	text = strings.ReplaceAll(text, s.Origin, upgradeOrigin)
	if err := caddy.Load(proxytest.Adapt(t, text), true); err != nil {
		t.Fatal(err)
	}
	return s
}

// sent returns how many access tokens the Web API was sent.
func (s *upgradeServer) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// browser returns one that finds the server at upgradeOrigin.
func (s *upgradeServer) browser() *proxytest.Browser {
	server := strings.TrimPrefix(s.Origin, "http://")
	at := *s.Proxy
	at.Origin = upgradeOrigin
	b := at.NewBrowser()
	b.Client.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == strings.TrimPrefix(upgradeOrigin, "http://") {
				address = server
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	return b
}

// bearer sends an access key, as a program does.
func bearer(key string) proxytest.Edit { return proxytest.Header("Authorization", "Bearer "+key) }

// Sessions, access keys, lists of keys and the shared account of every version go on
// after an upgrade, without a login.
func TestUpgrade(t *testing.T) {
	if *record != "" {
		writeRecords(t, filepath.Join(upgrades, *record))
	}
	versions, err := os.ReadDir(upgrades)
	if err != nil || len(versions) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, version := range versions {
		t.Run(version.Name(), func(t *testing.T) { testUpgrade(t, filepath.Join(upgrades, version.Name())) })
	}
}

func testUpgrade(t *testing.T, folder string) {
	var holds held
	content, err := os.ReadFile(filepath.Join(folder, "held.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &holds); err != nil {
		t.Fatal(err)
	}
	storage := t.TempDir()
	if err := os.CopyFS(filepath.Join(storage, "spotify"), os.DirFS(filepath.Join(folder, "storage"))); err != nil {
		t.Fatal(err)
	}
	s := startUpgrade(t, storage)

	b := s.browser()
	cookie := proxytest.Header("Cookie", "spotify_session="+holds.Cookie)
	var session proxytest.SessionInfo
	a := b.WantStatus(b.Fetch("GET", "/spotify/session", "", cookie), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), &session); err != nil || !session.Authenticated || session.Account.ID != holds.Account {
		t.Fatalf("the session is not that of %s: %v %s", holds.Account, err, a.Text)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", cookie), http.StatusOK)
	if list := b.WantStatus(b.Fetch("GET", "/spotify/keys", "", cookie), http.StatusOK).Text; !strings.Contains(list, `"`+holds.KeyRef+`"`) || !strings.Contains(list, "upgrade") {
		t.Errorf("the list of keys has no %s: %s", holds.KeyRef, list)
	}
	b.WantStatus(b.Do("GET", "/spotify/v1/me", "", bearer(holds.Key)), http.StatusOK)
	if status := b.WantStatus(b.Fetch("GET", "/spotify/share", ""), http.StatusOK).Text; !strings.Contains(status, `"connected":true`) {
		t.Errorf("the shared account is not connected: %s", status)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me/top/artists", ""), http.StatusOK)
	if sent, refreshed := s.sent(), s.Sim.TokenRequests("refresh_token"); sent != 3 || refreshed != 0 {
		t.Errorf("%d access tokens were sent, %d tokens refreshed; want those of the session, the key and the share", sent, refreshed)
	}

	var account struct {
		Sessions []struct{ Browser, System string }
	}
	a = b.WantStatus(b.Fetch("GET", "/spotify/account", "", cookie), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), &account); err != nil || len(account.Sessions) != 2 || account.Sessions[1].Browser != "Firefox" || account.Sessions[1].System != "Linux" {
		t.Errorf("the list of sessions: %s, %v", a.Text, err)
	}
	b.WantStatus(b.Do("GET", "/spotify/v1/me", "", bearer(holds.Renewed)), http.StatusOK)
	a = b.WantStatus(b.Fetch("GET", "/spotify/keys", "", cookie), http.StatusOK)
	var list struct{ Keys []proxytest.ListedKey }
	if err := json.Unmarshal([]byte(a.Text), &list); err != nil || !slices.ContainsFunc(list.Keys, func(k proxytest.ListedKey) bool {
		return k.Key == holds.RenewedRef && k.RenewedAt != nil && k.Renewal == nil
	}) {
		t.Errorf("the key has not taken its renewal: %s, %v", a.Text, err)
	}
	if sent, refreshed := s.sent(), s.Sim.TokenRequests("refresh_token"); sent != 4 || refreshed != 0 {
		t.Errorf("%d access tokens were sent, %d tokens refreshed; want that of the renewal as well", sent, refreshed)
	}
	// A device's code shows a person what it is, and the device itself is told to wait. What a person
	// decides would be stored with the code's ten minutes, which are over by the time of day.
	person := s.browser()
	if page := person.WantStatus(person.SendForm("/spotify/activate", url.Values{"code": {holds.UserCode}}), http.StatusOK).Text; !strings.Contains(page, "Hallway screen") {
		t.Errorf("the page of the device: %s", page)
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {holds.DeviceCode}}
	a = s.browser().Do("POST", "/spotify/device/token", form.Encode(), proxytest.Header("Content-Type", "application/x-www-form-urlencoded"))
	if !strings.Contains(a.Text, "authorization_pending") {
		t.Errorf("the device is told %s", a.Text)
	}

	// What is in the records can be ended as well.
	b.WantStatus(b.Do("DELETE", "/spotify/keys/"+holds.KeyRef, "", cookie, proxytest.Header("Origin", upgradeOrigin), proxytest.Header("Sec-Fetch-Site", "same-origin")), http.StatusNoContent)
	b.WantStatus(b.Do("GET", "/spotify/v1/me", "", bearer(holds.Key)), http.StatusUnauthorized)
	b.WantStatus(b.Submit("/spotify/logout", cookie), http.StatusOK)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", "", cookie), http.StatusUnauthorized)

	// A mark says what to tell of a key whose record has gone. It is kept for another
	// hundred years here, and so ends then.
	deleteRecord(t, storage, holds.WeekRef)
	s.clock.Advance(markEnd.Sub(s.clock.Now()))
	proxytest.Eventually(t, "a notice about the key whose record has gone", func() bool {
		s.clock.Advance(time.Hour)
		return strings.Contains(s.told(), `"name":"week"`)
	})
}

// markEnd is when marks in the records say that access has ended.
var markEnd = time.Date(2126, 1, 5, 0, 0, 0, 0, time.UTC)

// deleteRecord deletes the record of a key with a reference.
func deleteRecord(t *testing.T, storage, ref string) {
	t.Helper()
	deleted := 0
	err := filepath.WalkDir(storage, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasPrefix(d.Name(), ref) {
			deleted++
			return os.Remove(path)
		}
		return err
	})
	if err != nil || deleted != 1 {
		t.Fatalf("%d records of %s, %v", deleted, ref, err)
	}
}

// marks returns how many marks are in the storage.
func marks(t *testing.T, storage string) (n int) {
	t.Helper()
	err := filepath.WalkDir(storage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), `"kind":"mark"`) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// agentOf sets the User-Agent of requests.
type agentOf struct {
	agent string
	next  http.RoundTripper
}

func (a agentOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.agent)
	return a.next.RoundTrip(r)
}

// expiry is when a record leaves the store, which goes by the time of day. What is sealed
// says itself how long it is good.
var expiry = regexp.MustCompile(`"expires_at":"20\d\d`)

func writeRecords(t *testing.T, folder string) {
	storage := t.TempDir()
	s := startUpgrade(t, storage)
	owner := s.browser()
	owner.Navigate(spotifytest.Approve(t, owner.Client, upgradeOrigin+"/spotify/share/connect", "mira"), proxytest.Header("Sec-Fetch-Site", "cross-site"))
	other := s.browser()
	other.Client.Transport = agentOf{upgradeAgent, other.Client.Transport}
	other.Login("mira")
	b := s.browser()
	b.Login("mira")
	holds := held{Key: b.CreateKey(proxytest.KeyForm("upgrade", "access", "read"))}
	holds.Cookie, holds.Account, holds.KeyRef = b.SessionCookie(), b.Session().Account.ID, b.Keys()[0].Key
	refOf := func(name string) string {
		keys := b.Keys()
		return keys[slices.IndexFunc(keys, func(k proxytest.ListedKey) bool { return k.Name == name })].Key
	}
	holds.Renewed = b.CreateKey(proxytest.KeyForm("renewed"))
	holds.RenewedRef = refOf("renewed")
	b.RenewKey(holds.RenewedRef)
	b.CreateKey(proxytest.KeyForm("week", "life", "7d"))
	holds.WeekRef = refOf("week")
	proxytest.Eventually(t, "marks of what is to be told", func() bool {
		s.clock.Advance(time.Minute)
		return marks(t, storage) > 1 // of the key that is to be told of, and of whose turn it is
	})
	// Not before, since a code is soon forgotten.
	code := s.browser().AskForCode("Hallway screen")
	holds.DeviceCode, holds.UserCode = code.DeviceCode, code.UserCode
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	content, err := json.MarshalIndent(holds, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(storage, "spotify")
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || strings.HasPrefix(name, "quota") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(folder, "storage", name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, expiry.ReplaceAll(text, []byte(`"expires_at":"2126`)), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "held.json"), append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
