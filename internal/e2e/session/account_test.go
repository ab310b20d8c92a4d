package session_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const accountPath = "/spotify/account"

// What browsers say that they are.
const (
	firefoxOnLinux   = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	safariOnIPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"
	chromeOnWindows  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
	hostileUserAgent = "<script>alert(1)</script> {{env `HOME`}}"
)

// listedAccount is what GET account tells code.
type listedAccount struct {
	Account  struct{ ID string }
	Scopes   []string
	Sessions []struct {
		Session, Browser, System string
		Current                  bool
		CreatedAt                string `json:"created_at"`
		LastUsedAt               string `json:"last_used_at"`
		ExpiresAt                string `json:"expires_at"`
	}
	Complete bool
	Keys     []struct{ Key, Name string }
	Shared   bool
	Spotify  string `json:"spotify_url"`
}

// names are the browsers of the sessions, the one asked from first.
func (l listedAccount) names() (names []string) {
	for _, s := range l.Sessions {
		names = append(names, s.Browser+"/"+s.System)
	}
	return names
}

func accountOf(b *proxytest.Browser) (l listedAccount) {
	b.T.Helper()
	if err := json.Unmarshal([]byte(b.WantStatus(b.Fetch("GET", accountPath, ""), http.StatusOK).Text), &l); err != nil {
		b.T.Fatal(err)
	}
	return l
}

// logInAs logs somebody in with a browser that says what it is.
func logInAs(s *proxytest.Proxy, user, agent string) *proxytest.Browser {
	s.T.Helper()
	b := s.NewBrowser()
	b.Client.Transport = agentOf{agent, b.Client.Transport}
	b.Login(user)
	return b
}

// agentOf sets the User-Agent of requests.
type agentOf struct {
	agent string
	next  http.RoundTripper
}

func (a agentOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.agent)
	next := a.next
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(r)
}

// E03: a person sees each session and key of theirs at this site, ends one and then all
// others, and nobody else's are concerned.
func TestAccountPage(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	phone, laptop := logInAs(s, "mira", safariOnIPhone), logInAs(s, "mira", firefoxOnLinux)
	odd := logInAs(s, "mira", hostileUserAgent)
	jonas := logInAs(s, "jonas", chromeOnWindows)
	program := s.Program(laptop.CreateKey(proxytest.KeyForm("<b>backup</b>")))
	program.WantStatus(program.Me(), http.StatusOK)

	l := accountOf(laptop)
	if want := []string{"Firefox/Linux", "/", "Safari/iPhone"}; !slices.Equal(slices.Sorted(slices.Values(l.names())), slices.Sorted(slices.Values(want))) || l.names()[0] != want[0] {
		t.Errorf("sessions: %v", l.names())
	}
	if !l.Complete || l.Shared || !l.Sessions[0].Current || l.Sessions[1].Current || l.Sessions[2].Current ||
		len(l.Keys) != 1 || l.Keys[0].Name != "<b>backup</b>" || len(l.Scopes) != 7 || l.Spotify != "https://www.spotify.com/account/apps/" {
		t.Errorf("%+v", l)
	}
	for _, one := range l.Sessions {
		if one.CreatedAt == "" || one.LastUsedAt == "" || one.ExpiresAt <= one.CreatedAt {
			t.Errorf("%+v", one)
		}
	}
	pg := laptop.WantStatus(laptop.Navigate(accountPath), http.StatusOK)
	for _, want := range []string{`<html lang="en">`, "Firefox on Linux", "Safari on iPhone", "this browser", "Unknown browser", "&lt;b&gt;backup", "user-top-read", "https://www.spotify.com/account/apps/", "/spotify/keys"} {
		if !strings.Contains(pg.Text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, wrong := range []string{"Mozilla", "<script", "Windows", "<b>backup", "{{env"} {
		if strings.Contains(pg.Text, wrong) {
			t.Errorf("the page says %q", wrong)
		}
	}
	if german := laptop.Navigate(accountPath, proxytest.Header("Accept-Language", "de")).Text; !strings.Contains(german, "Firefox unter Linux") || !strings.Contains(german, "Überall sonst abmelden") {
		t.Error("the page is not in German")
	}
	for path, content := range s.StoredFiles() {
		if strings.Contains(content, "Mozilla") || strings.Contains(content, "iPhone") {
			t.Errorf("%s says in the clear what browser it is", path)
		}
	}

	// One by a form, which is then gone from the list, and one by code.
	var ref string
	for _, one := range l.Sessions {
		if one.Browser == "Safari" {
			ref = one.Session
		}
	}
	if to := laptop.WantStatus(laptop.SendForm(accountPath+"/end", url.Values{"session": {ref}}), http.StatusSeeOther).Header.Get("Location"); to != accountPath {
		t.Errorf("on to %s", to)
	}
	phone.WantStatus(phone.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	if got := accountOf(laptop).names(); !slices.Equal(got, []string{"Firefox/Linux", "/"}) {
		t.Errorf("after one has ended: %v", got)
	}
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath+"/sessions/"+ref, ""), http.StatusNotFound)
	// Another person's is none of theirs.
	others := accountOf(jonas).Sessions[0].Session
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath+"/sessions/"+others, ""), http.StatusNotFound)
	laptop.SendForm(accountPath+"/end", url.Values{"session": {others}})
	jonas.WantStatus(jonas.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)

	phone.Login("mira")
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath+"/sessions", ""), http.StatusNoContent)
	for _, b := range []*proxytest.Browser{phone, odd} {
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
	}
	if got := accountOf(laptop).names(); len(got) != 1 {
		t.Errorf("after all others have ended: %v", got)
	}
	program.WantStatus(program.Me(), http.StatusOK)
	laptop.WantStatus(laptop.SendForm(accountPath+"/end", url.Values{"key": {l.Keys[0].Key}}), http.StatusSeeOther)
	program.WantStatus(program.Me(), http.StatusUnauthorized)
	jonas.WantStatus(jonas.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	if !strings.Contains(s.Log.String(), `"reason":"owner"`) {
		t.Error("the log does not say that the owner ended them")
	}

	// The one in use, which is a logout.
	own := accountOf(laptop).Sessions[0].Session
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath+"/sessions/"+own, ""), http.StatusNoContent)
	laptop.WantStatus(laptop.Fetch("GET", accountPath, ""), http.StatusUnauthorized)
	if _, ok := laptop.Cookies()["spotify_session"]; ok {
		t.Error("the cookie is still there")
	}
}

// E03, P46: nothing ends for a request of another site's, without a session, or with an
// access key. A navigation has the person log in and come back.
func TestAccountIsTheOwnersAlone(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	b := s.NewBrowser()
	b.Login("mira")
	key := b.CreateKey(proxytest.KeyForm("a"))
	foreign := []proxytest.Edit{proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://evil.example")}
	for _, path := range []string{"/end", "/others", "/delete"} {
		b.WantStatus(b.SendForm(accountPath+path, url.Values{}, foreign...), http.StatusForbidden)
		b.WantStatus(b.Navigate(accountPath+path), http.StatusMethodNotAllowed)
	}
	b.WantStatus(b.Fetch("GET", accountPath, "", foreign...), http.StatusForbidden)
	b.WantStatus(b.Fetch("DELETE", accountPath, "", foreign...), http.StatusForbidden)
	b.WantStatus(b.Fetch("DELETE", accountPath+"/sessions", "", foreign...), http.StatusForbidden)
	b.WantStatus(b.Fetch("DELETE", accountPath+"?share=perhaps", ""), http.StatusBadRequest)
	b.WantStatus(b.Fetch("GET", accountPath+"/nothing", ""), http.StatusNotFound)
	program := s.Program(key)
	for _, method := range []string{"GET", "DELETE"} {
		program.WantStatus(program.Do(method, accountPath, ""), http.StatusUnauthorized)
	}
	stranger := s.NewBrowser()
	if e := stranger.WantStatus(stranger.Fetch("GET", accountPath, ""), http.StatusUnauthorized).APIError(t); e.Reason != "login_required" || !strings.Contains(e.LoginURL, "return_to=%2Fspotify%2Faccount") {
		t.Errorf("error: %+v", e)
	}
	stranger.WantStatus(stranger.Navigate(accountPath), http.StatusFound)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	program.WantStatus(program.Me(), http.StatusOK)
}

// E03: a person who opens the address of the logout is asked, and code is told what to
// send.
func TestLogoutAsks(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	pg := b.WantStatus(b.Navigate("/spotify/logout?return_to=/app%3Fx=%22%3E"), http.StatusOK)
	if !strings.Contains(pg.Text, `<form method="post" action="/spotify/logout?return_to=%2Fapp%3Fx%3D%22%3E">`) || !strings.Contains(pg.Text, ">Log out</button>") {
		t.Errorf("page: %s", pg.Text)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	a := b.WantStatus(b.Fetch("GET", "/spotify/logout", ""), http.StatusMethodNotAllowed)
	if a.Header.Get("Allow") != "POST" || a.APIError(t).Reason != "method_not_allowed" {
		t.Errorf("%v %s", a.Header, a.Text)
	}
	if to := b.WantStatus(b.Submit("/spotify/logout?return_to=//evil.example"), http.StatusSeeOther).Header.Get("Location"); to != "/" {
		t.Errorf("on to %q", to)
	}
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusUnauthorized)
}

// traces returns where a store, and Caddy's storage, name an account.
func traces(s *proxytest.Proxy, server *redistest.Server, names ...string) (found []string) {
	s.T.Helper()
	has := func(where, text string) {
		for _, name := range names {
			if strings.Contains(text, name) {
				found = append(found, where+" has "+name)
			}
		}
	}
	err := filepath.WalkDir(s.Storage, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		has(path, path+string(b))
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, store := range session.StoresInUse() {
		for entry, err := range store.Walk(s.T.Context()) {
			if err != nil {
				s.T.Fatal(err)
			}
			has("record "+entry.Key, entry.AccountID+" "+entry.UserID)
		}
	}
	if server == nil {
		return found
	}
	keys, _ := server.Do("KEYS", "*").([]any)
	for _, k := range keys {
		key, _ := k.(string)
		for _, command := range [][]string{{"GET", key}, {"HGETALL", key}} {
			if server.Do("TYPE", key) == map[string]string{"GET": "string", "HGETALL": "hash"}[command[0]] {
				has("redis "+key, key+" "+flatten(server.Do(command...)))
			}
		}
	}
	return found
}

func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, part := range v {
			b.WriteString(flatten(part) + "\n")
		}
		return b.String()
	}
	return ""
}

// E03, S29: after a person has deleted everything, no store and no file names their
// account; what was theirs ends everywhere at once, and other people's goes on. A search
// finds them before.
func TestDeleteEverything(t *testing.T) {
	for name, store := range map[string]string{"files": "store caddy", "memory": "store memory", "redis": ""} {
		t.Run(name, func(t *testing.T) {
			var server *redistest.Server
			if name == "redis" {
				server = redistest.Start(t)
				store = "store redis " + server.Addr
			}
			s := proxytest.Start(t, proxytest.Options{Auth: store + "\naccess_keys"})
			phone, laptop, jonas := logInAs(s, "mira", safariOnIPhone), logInAs(s, "mira", firefoxOnLinux), logInAs(s, "jonas", chromeOnWindows)
			program := s.Program(laptop.CreateKey(proxytest.KeyForm("a")))
			for _, b := range []*proxytest.Browser{phone, laptop, jonas, program} {
				b.WantStatus(b.Me(), http.StatusOK)
			}
			stream := phone.Stream("/spotify/events")
			stream.NextNamed("player")
			id, other := accountOf(laptop).Account.ID, accountOf(jonas).Account.ID
			if found := traces(s, server, id); len(found) == 0 {
				t.Fatal("nothing is found before")
			}
			pg := laptop.WantStatus(laptop.SendForm(accountPath+"/delete", url.Values{}), http.StatusOK)
			if !strings.Contains(pg.Text, "<h1>Everything is deleted</h1>") || !strings.Contains(pg.Text, "https://www.spotify.com/account/apps/") {
				t.Errorf("page: %s", pg.Text)
			}
			if _, ok := laptop.Cookies()["spotify_session"]; ok {
				t.Error("the cookie is still there")
			}
			for _, b := range []*proxytest.Browser{phone, laptop, program} {
				b.WantStatus(b.Me(), http.StatusUnauthorized)
			}
			stream.NextNamed("login_required")
			stream.Ended()
			s.Restart() // writes what is only in memory
			if found := traces(s, server, id, "Mira Okafor", `"mira"`); len(found) != 0 {
				t.Errorf("left: %v", found)
			}
			if name == "memory" {
				return // which a restart empties
			}
			jonas.WantStatus(jonas.Me(), http.StatusOK)
			if found := traces(s, server, other); len(found) == 0 {
				t.Error("another person's is gone as well")
			}
			laptop.Login("mira")
			if l := accountOf(laptop); len(l.Sessions) != 1 || len(l.Keys) != 0 {
				t.Errorf("after the next login: %+v", l)
			}
		})
	}
}

// E03, R38: a refresh that is under way while a person deletes everything brings nothing
// back when it ends.
func TestDeleteDuringRefresh(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys", Sim: spotifytest.Options{Rotation: spotifytest.RotateRevoke}})
	phone, laptop := logInAs(s, "mira", safariOnIPhone), logInAs(s, "mira", firefoxOnLinux)
	program := s.Program(laptop.CreateKey(proxytest.KeyForm("a")))
	id := accountOf(laptop).Account.ID
	s.Sim.ExpireAccessTokens()
	held := s.Sim.Inject(spotifytest.Fault{Path: "/api/token", Hold: true})
	done := make(chan int, 3)
	// Identical GETs of one account would be one.
	for path, b := range map[string]*proxytest.Browser{"/me": phone, "/me/top/tracks": laptop, "/me/playlists": program} {
		go func() { done <- b.Do(http.MethodGet, "/spotify/v1"+path, "").StatusCode }()
	}
	for range 3 {
		<-held.Entered()
	}
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath, ""), http.StatusNoContent)
	held.Clear()
	held.Release()
	for range 3 {
		if status := <-done; status != http.StatusUnauthorized {
			t.Errorf("status %d", status)
		}
	}
	s.Restart()
	if found := traces(s, nil, id); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
	for _, b := range []*proxytest.Browser{phone, laptop, program} {
		b.WantStatus(b.Me(), http.StatusUnauthorized)
	}
}

// E03: an access key that is being created while its owner deletes everything is not there
// afterwards.
func TestDeleteWhileKeyIsCreated(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "access_keys"})
	laptop := logInAs(s, "mira", firefoxOnLinux)
	id := accountOf(laptop).Account.ID
	callback := laptop.AskForKey("", proxytest.KeyForm("late"))
	held := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Hold: true})
	done := make(chan proxytest.Response, 1)
	go func() { done <- laptop.ComeBack(callback) }()
	<-held.Entered()
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath, ""), http.StatusNoContent)
	held.Clear()
	held.Release()
	if a := <-done; a.StatusCode != http.StatusForbidden || strings.Contains(a.Text, "spk_") {
		t.Errorf("status %d, %s", a.StatusCode, a.Text)
	}
	s.Restart()
	laptop.Login("mira")
	if l := accountOf(laptop); len(l.Keys) != 0 {
		t.Errorf("after the next login: %+v", l.Keys)
	}
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath, ""), http.StatusNoContent)
	s.Restart()
	if found := traces(s, nil, id); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
}

// E03: what a person ends on one instance has ended on the other, and the list is the same
// on both.
func TestAccountOnEveryInstance(t *testing.T) {
	server := redistest.Start(t)
	s := proxytest.Start(t, proxytest.Options{Auth: "store redis " + server.Addr + "\naccess_keys {\nkey 00000000000000000000000000000001\n}"})
	other := "http://" + freeport.Address(t)
	proxytest.StartCaddy(t, strings.NewReplacer(
		s.Origin+" {", other+" {", "output spotifytest_buffer "+s.Log.Name, "output stderr", s.Bind, "",
		s.Storage, t.TempDir(),
	).Replace(s.Caddyfile("")))
	phone, laptop := logInAs(s, "mira", safariOnIPhone), logInAs(s, "mira", firefoxOnLinux)
	program := s.Program(laptop.CreateKey(proxytest.KeyForm("a")))
	there := func(b *proxytest.Browser, method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, other+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Client.Jar.Cookies(mustParse(t, s.Origin)) {
			req.AddCookie(c)
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Sec-Fetch-Mode", "cors")
		req.Host = strings.TrimPrefix(s.Origin, "http://")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, b := range []*proxytest.Browser{phone, laptop} {
		if status, body := there(b, "GET", "/spotify/v1/me"); status != http.StatusOK {
			t.Fatalf("on the other instance: %d %s", status, body)
		}
	}
	if status, body := there(laptop, "GET", accountPath); status != http.StatusOK || !strings.Contains(body, `"Safari"`) || !strings.Contains(body, `"complete":true`) {
		t.Errorf("on the other instance: %d %s", status, body)
	}
	// The phone's session ends there, and here it is over at once.
	l := accountOf(laptop)
	if status, body := there(laptop, "DELETE", accountPath+"/sessions/"+l.Sessions[1].Session); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	proxytest.Eventually(t, "the phone is logged out here", func() bool { return phone.Me().StatusCode == http.StatusUnauthorized })
	if got := accountOf(laptop).names(); !slices.Equal(got, []string{"Firefox/Linux"}) {
		t.Errorf("sessions: %v", got)
	}
	program.WantStatus(program.Me(), http.StatusOK)
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath, ""), http.StatusNoContent)
	proxytest.Eventually(t, "the laptop is logged out there", func() bool {
		status, _ := there(laptop, "GET", "/spotify/v1/me")
		return status == http.StatusUnauthorized
	})
	program.WantStatus(program.Me(), http.StatusUnauthorized)
	if found := traces(s, server, l.Account.ID); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// E03: the store being out of reach is no reason to refuse a login or to say that all is
// deleted; and a session from before there were lists is entered when its page is opened.
func TestAccountWithoutItsList(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	phone, laptop := logInAs(s, "mira", safariOnIPhone), logInAs(s, "mira", firefoxOnLinux)
	sessions := s.StoredSessions()
	for path := range maps.Keys(s.StoredFiles()) {
		if _, ok := sessions[path]; !ok {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := accountOf(laptop).names(); !slices.Equal(got, []string{"Firefox/Linux"}) {
		t.Errorf("without the list: %v", got)
	}
	accountOf(phone)
	if got := accountOf(laptop).names(); len(got) != 2 {
		t.Errorf("once both have looked: %v", got)
	}
	// The secret is gone from the storage as well, and none can be made.
	dir := filepath.Join(s.Storage, "spotify/account")
	s.Load("")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	logInAs(s, "jonas", chromeOnWindows)
	if l := accountOf(laptop); l.Complete || len(l.Sessions) != 1 {
		t.Errorf("%+v", l)
	}
	if pg := laptop.Navigate(accountPath).Text; !strings.Contains(pg, `id="incomplete"`) {
		t.Error("the page does not say that others cannot be listed")
	}
	if !regexp.MustCompile(`listing session failed`).MatchString(s.Log.String()) {
		t.Error("the log does not say it")
	}
	laptop.WantStatus(laptop.Fetch("DELETE", accountPath+"/sessions", ""), http.StatusNoContent)
	phone.WantStatus(phone.Me(), http.StatusUnauthorized)
}

// E03: what a site shows of the owner's account stays when the owner deletes what is
// theirs, and the page says so, unless they choose otherwise.
func TestDeleteSharedAccount(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "share {\nowner mira\nallow /v1/me/player/currently-playing\nscopes user-read-currently-playing\n}"})
	b := s.NewBrowser()
	b.ComeBack(spotifytest.Approve(t, b.Client, s.Origin+"/spotify/share/connect", "mira"))
	shown := func() int {
		t.Helper()
		return s.NewBrowser().Fetch("GET", "/spotify/v1/me/player/currently-playing", "").StatusCode
	}
	for _, c := range []struct {
		form          url.Values
		says          string
		before, after int
		traces        bool
	}{
		{url.Values{}, "What the site shows of your account to all visitors stays", 200, 200, true},
		{url.Values{"share": {"true"}}, "nothing is left in its storage that names your account", 200, 503, false},
	} {
		b.Login("mira")
		id := accountOf(b).Account.ID
		if !accountOf(b).Shared || !strings.Contains(b.Navigate(accountPath).Text, `id="shared"`) {
			t.Error("the person is not told that their account is shown")
		}
		if status := shown(); status != c.before {
			t.Errorf("before: %d", status)
		}
		if pg := b.WantStatus(b.SendForm(accountPath+"/delete", c.form), http.StatusOK); !strings.Contains(pg.Text, c.says) {
			t.Errorf("page: %s", pg.Text)
		}
		if status := shown(); status != c.after {
			t.Errorf("after: %d", status)
		}
		if found := traces(s, nil, id, "mira"); (len(found) != 0) != c.traces {
			t.Errorf("left: %v", found)
		}
	}
}
