package keys_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	devicePath   = "/spotify/device"
	tokenPath    = "/spotify/device/token"
	activatePath = "/spotify/activate"
	deviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
)

// deviceLogins are the options with which devices can log in.
const deviceLogins = "access_keys\ndevice_login"

// code is what a device gets first.
type code struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
	QR              string `json:"qr"`
}

// told is what a device is told when it asks for its key.
type told struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// newDevice returns a client that is no browser.
func newDevice(s *proxytest.Proxy) *proxytest.Browser {
	d := s.NewBrowser()
	d.Client.Jar = nil
	return d
}

func postForm(d *proxytest.Browser, path string, form url.Values, edits ...proxytest.Edit) proxytest.Response {
	d.T.Helper()
	return d.Do("POST", path, form.Encode(), append([]proxytest.Edit{proxytest.Header("Content-Type", "application/x-www-form-urlencoded")}, edits...)...)
}

// ask asks for a code.
func ask(d *proxytest.Browser, more ...string) code {
	d.T.Helper()
	form := url.Values{"client_name": {"Hallway screen"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	a := d.WantStatus(postForm(d, devicePath, form), 200)
	var c code
	if err := json.Unmarshal([]byte(a.Text), &c); err != nil {
		d.T.Fatal(err)
	}
	return c
}

// poll asks for the key.
func poll(d *proxytest.Browser, deviceCode string) told {
	d.T.Helper()
	a := postForm(d, tokenPath, url.Values{"grant_type": {deviceGrant}, "device_code": {deviceCode}})
	var t told
	if err := json.Unmarshal([]byte(a.Text), &t); err != nil {
		d.T.Fatalf("%d %s: %v", a.StatusCode, a.Text, err)
	}
	if want := map[bool]int{true: 200, false: 400}[t.Error == ""]; a.StatusCode != want && a.StatusCode != 429 {
		d.T.Errorf("status %d with error %q", a.StatusCode, t.Error)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		d.T.Errorf("Cache-Control %q", got)
	}
	return t
}

// wantTold fails unless a device is told an error.
func wantTold(d *proxytest.Browser, deviceCode, want string) {
	d.T.Helper()
	if got := poll(d, deviceCode); got.Error != want || got.AccessToken != "" {
		d.T.Errorf("told %+v, want %s", got, want)
	}
}

// enter enters a code and returns the page that comes.
func enter(b *proxytest.Browser, userCode string) proxytest.Response {
	b.T.Helper()
	return b.SendForm(activatePath, url.Values{"code": {userCode}})
}

// agreeing is what the page of a device sends.
func agreeing(userCode string, more ...string) url.Values {
	form := url.Values{"code": {userCode}, "access": {"read"}, "life": {"max"}, "same_code": {"yes"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// agree enters a code, confirms it and agrees at Spotify. It returns the callback.
func agree(b *proxytest.Browser, user, userCode string, more ...string) (callback string) {
	b.T.Helper()
	b.WantStatus(enter(b, userCode), 200)
	a := b.WantStatus(b.SendForm(activatePath+"/confirm", agreeing(userCode, more...)), http.StatusFound)
	if !strings.Contains(a.Header.Get("Location"), "show_dialog=true") {
		b.T.Error("Spotify is not told to ask")
	}
	return spotifytest.Approve(b.T, b.Client, a.Header.Get("Location"), user)
}

// E04: a person types a device's code, sees the device, agrees at Spotify, and the device
// gets a key that reads.
func TestDeviceLogin(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins + "\noptional_scopes user-library-read"})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d, "scope", "user-read-playback-state user-library-read")
	if !regexp.MustCompile(`^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$`).MatchString(c.UserCode) || len(c.DeviceCode) != 86 ||
		c.VerificationURI != s.Origin+activatePath || c.Complete != "" || c.ExpiresIn != 600 || c.Interval != 5 || !strings.HasPrefix(c.QR, "<svg ") {
		t.Errorf("code: %+v", c)
	}
	wantTold(d, c.DeviceCode, "authorization_pending")

	// A link with the code does not fill it in.
	page := b.WantStatus(b.Navigate(activatePath+"?user_code="+c.UserCode), 200)
	if strings.Contains(page.Text, c.UserCode) || !strings.Contains(page.Text, `value=""`) {
		t.Error("a link fills in the code")
	}
	page = b.WantStatus(enter(b, " "+strings.ToLower(strings.ReplaceAll(c.UserCode, "-", " "))), 200)
	for _, says := range []string{c.UserCode, "Hallway screen", "in the same network as you", "less than a minute ago", "user-library-read, user-read-playback-state"} {
		if !strings.Contains(page.Text, says) {
			t.Errorf("the page does not say %q: %s", says, page.Text)
		}
	}
	if strings.Contains(page.Text, "user-top-read") {
		t.Error("the page names a scope that the device does not ask for")
	}
	clock.Advance(time.Minute)
	page = b.WantStatus(b.ComeBack(agree(b, "mira", c.UserCode)), 200)
	if !strings.Contains(page.Text, "The device is connected") || !strings.Contains(page.Text, "Mira") || strings.Contains(page.Text, "spk_") {
		t.Errorf("the page: %s", page.Text)
	}
	got := poll(d, c.DeviceCode)
	if !strings.HasPrefix(got.AccessToken, "spk_") || got.TokenType != "Bearer" || got.Scope != "user-library-read user-read-playback-state" || got.ExpiresIn < 170*24*3600 {
		t.Errorf("told: %+v", got)
	}
	p := s.Program(got.AccessToken)
	p.WantStatus(p.Me(), 200)
	p.WantStatus(p.Do("PUT", "/spotify/v1/me/player/pause", ""), 403)

	b.Login("mira")
	var list struct {
		Keys []struct{ Name, Kind string }
	}
	a := b.WantStatus(b.Fetch("GET", proxytest.KeysPath, ""), 200)
	if err := json.Unmarshal([]byte(a.Text), &list); err != nil || len(list.Keys) != 1 || list.Keys[0].Name != "Hallway screen" || list.Keys[0].Kind != "device" {
		t.Errorf("listed: %s, %v", a.Text, err)
	}
}

// E04: a client library of OAuth works as it is.
func TestDeviceLoginWithOAuth2(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	config := oauth2.Config{ClientID: "Hallway screen", Scopes: []string{"user-read-playback-state"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: s.Origin + devicePath, TokenURL: s.Origin + tokenPath, AuthStyle: oauth2.AuthStyleInParams,
	}}
	code, err := config.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBrowser()
	b.WantStatus(b.ComeBack(agree(b, "mira", code.UserCode)), 200)
	code.Interval = 1
	token, err := config.DeviceAccessToken(t.Context(), code)
	if err != nil || token.Type() != "Bearer" || !strings.HasPrefix(token.AccessToken, "spk_") || time.Until(token.Expiry) < 170*24*time.Hour {
		t.Fatalf("token %+v, %v", token, err)
	}
	p := s.Program(token.AccessToken)
	p.WantStatus(p.Me(), 200)
}
