package keys_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// manyNetworks has X-Forwarded-For say where a request comes from.
const manyNetworks = "servers {\ntrusted_proxies static 127.0.0.1/32\n}"

func from(address string) proxytest.Edit { return proxytest.Header("X-Forwarded-For", address) }

// guess enters a code that is no device's.
func guess(b *proxytest.Browser, userCode string, edits ...proxytest.Edit) proxytest.Response {
	b.T.Helper()
	return b.SendForm(activatePath, url.Values{"code": {userCode}}, edits...)
}

func wantTooMany(b *proxytest.Browser, a proxytest.Response) {
	b.T.Helper()
	b.WantStatus(a, http.StatusTooManyRequests)
	if a.Header.Get("Spotify-Proxy-Reason") != "too_many_codes" || a.Header.Get("Retry-After") == "" {
		b.T.Errorf("headers: %v", a.Header)
	}
}

// E04: user codes are not to be guessed: a network, an account, and all networks
// together have few attempts.
func TestDeviceCodesAreNotGuessed(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins + "\nstore memory", Global: manyNetworks, Level: "INFO"})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	wrong := "BBBB-BBBB"
	for range 10 {
		b.WantStatus(guess(b, wrong, from("192.0.2.1")), http.StatusBadRequest)
	}
	wantTooMany(b, guess(b, wrong, from("192.0.2.1")))
	// Nor does the right one count then.
	wantTooMany(b, guess(b, c.UserCode, from("192.0.2.1")))
	wantTooMany(b, b.SendForm(activatePath+"/confirm", agreeing(c.UserCode), from("192.0.2.1")))
	wantTooMany(b, b.SendForm(activatePath+"/deny", url.Values{"code": {c.UserCode}}, from("192.0.2.1")))
	wantTold(d, c.DeviceCode, "authorization_pending")
	b.WantStatus(guess(b, c.UserCode, from("192.0.2.2")), 200)
	// What cannot be a code is no attempt, and what is right is none either.
	for range 30 {
		b.WantStatus(guess(b, "AEIO-1234", from("192.0.2.3")), http.StatusBadRequest)
		b.WantStatus(guess(b, c.UserCode, from("192.0.2.3")), 200)
	}
	// A household has a /64.
	for i := range 10 {
		b.WantStatus(guess(b, wrong, from(fmt.Sprintf("2001:db8::%x", i+1))), http.StatusBadRequest)
	}
	wantTooMany(b, guess(b, wrong, from("2001:db8::ffff:1")))
	b.WantStatus(guess(b, wrong, from("2001:db8:0:1::1")), http.StatusBadRequest)

	// Who is logged in has attempts of their own, wherever they are.
	mira := s.NewBrowser()
	mira.Login("mira")
	for i := range 10 {
		mira.WantStatus(guess(mira, wrong, from(fmt.Sprintf("198.51.100.%d", i))), http.StatusBadRequest)
	}
	wantTooMany(mira, guess(mira, wrong, from("198.51.100.99")))

	// All networks together have 300, of which 21 are gone.
	admitted := 0
	for i := 0; i < 400; i++ {
		a := guess(b, wrong, from(fmt.Sprintf("203.0.%d.%d", i/100, i%100)))
		if a.StatusCode == http.StatusTooManyRequests {
			break
		}
		admitted++
	}
	if admitted != 300-21 {
		t.Errorf("%d guesses were admitted, want 279", admitted)
	}
	wantTooMany(b, guess(b, c.UserCode, from("192.0.2.77")))
	// Who is logged in is not shut out.
	jonas := s.NewBrowser()
	jonas.Login("jonas")
	jonas.WantStatus(guess(jonas, c.UserCode, from("192.0.2.78")), 200)
	if n := strings.Count(s.Log.String(), "too many wrong device codes were entered"); n == 0 || n > 10 {
		t.Errorf("%d log lines", n)
	}
	clock.Advance(10 * time.Minute)
	fresh := ask(d)
	b.WantStatus(guess(b, fresh.UserCode, from("192.0.2.1")), 200)
	mira.WantStatus(guess(mira, fresh.UserCode, from("192.0.2.1")), 200)
}

// E04: codes that are asked for are bounded for a network and for the site.
func TestDeviceCodesAreBounded(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins + "\nstore memory", Global: manyNetworks, Level: "INFO"})
	d := newDevice(s)
	flood := func(address string) proxytest.Response {
		return postForm(d, devicePath, url.Values{"client_name": {"x"}}, from(address))
	}
	refused := func(address string) {
		t.Helper()
		a := flood(address)
		wantTooMany(d, a)
		if !strings.Contains(a.Text, `"error":"temporarily_unavailable"`) {
			t.Errorf("refused with %s", a.Text)
		}
	}
	for i := range 50 {
		for range 20 {
			d.WantStatus(flood(fmt.Sprintf("2001:db8:0:%x::1", i)), 200)
		}
		if i == 0 {
			refused("2001:db8::2")
		}
	}
	refused("192.0.2.1")
	clock.Advance(10 * time.Minute)
	d.WantStatus(flood("192.0.2.1"), 200)

	// Device codes that are none are looked up for a network only so often.
	bogus := func() string {
		return base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%064d", clock.Now().UnixNano())))
	}
	for range 60 {
		clock.Advance(time.Millisecond)
		wantTold(d, bogus(), "expired_token")
	}
	clock.Advance(time.Millisecond)
	if got := poll(d, bogus()); got.Error != "slow_down" {
		t.Errorf("told %+v", got)
	}
}

// E04: RFC 8628 §5.4. No link, no other site's page and no form without the person's word
// brings a login any further.
func TestDevicePhishing(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins, Global: manyNetworks})
	d, victim := newDevice(s), s.NewBrowser()
	victim.Login("mira")
	c := ask(d)
	for _, query := range []string{"?user_code=", "?code=", "?c=", "/"} {
		a := victim.Navigate(activatePath + query + c.UserCode)
		if strings.Contains(a.Text, c.UserCode) || a.StatusCode == http.StatusFound {
			t.Errorf("%s leads to %d %s", query, a.StatusCode, a.Text)
		}
	}
	for _, path := range []string{activatePath, activatePath + "/confirm", activatePath + "/deny"} {
		for _, edits := range [][]proxytest.Edit{
			{proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://evil.example")},
			{proxytest.Header("Sec-Fetch-Site", "same-site"), proxytest.Header("Origin", "http://evil.localhost")},
			{proxytest.Header("Sec-Fetch-Site", ""), proxytest.Header("Origin", "https://evil.example")},
		} {
			a := victim.SendForm(path, agreeing(c.UserCode), edits...)
			if victim.WantStatus(a, http.StatusForbidden); a.Header.Get("Spotify-Proxy-Reason") != "cross_site" {
				t.Errorf("%s: %v", path, a.Header)
			}
		}
		if path != activatePath {
			victim.WantStatus(victim.Navigate(path+"?code="+c.UserCode), http.StatusMethodNotAllowed)
		}
	}
	a := victim.WantStatus(victim.SendForm(activatePath+"/confirm", url.Values{"code": {c.UserCode}, "access": {"all"}, "life": {"max"}}), http.StatusBadRequest)
	if !strings.Contains(a.Text, "Compare the code") {
		t.Errorf("without the person's word: %s", a.Text)
	}
	wantTold(d, c.DeviceCode, "authorization_pending")

	// The person sees that the device is elsewhere.
	a = victim.WantStatus(guess(victim, c.UserCode, from("192.0.2.1")), 200)
	if !strings.Contains(a.Text, "in another network than you") || !strings.Contains(a.Text, "If somebody sent you the code or a link, deny") {
		t.Errorf("the page: %s", a.Text)
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("policy: %s", csp)
	}
}

// E04: a device gets its key once, however often and from wherever its code comes.
func TestDeviceCodeReplayed(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	b.WantStatus(b.ComeBack(agree(b, "mira", c.UserCode)), 200)
	// Who has the record's ID, but not the device's secret, is not the device.
	raw, err := base64.RawURLEncoding.DecodeString(c.DeviceCode)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] ^= 1
	wantTold(d, base64.RawURLEncoding.EncodeToString(raw), "expired_token")
	wantTold(d, c.UserCode, "invalid_grant")

	var wg sync.WaitGroup
	var mu sync.Mutex
	errs, keys := map[string]int{}, 0
	for range 8 {
		wg.Go(func() {
			a := postForm(d, tokenPath, url.Values{"grant_type": {deviceGrant}, "device_code": {c.DeviceCode}})
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(a.Text, "spk_") {
				keys++
				return
			}
			errs[a.Text]++
		})
	}
	wg.Wait()
	if keys != 1 {
		t.Errorf("%d keys were given: %v", keys, errs)
	}
	clock.Advance(2 * time.Minute)
	wantTold(d, c.DeviceCode, "invalid_grant")
	b.WantStatus(enter(b, c.UserCode), http.StatusBadRequest)
	clock.Advance(8 * time.Minute)
	wantTold(d, c.DeviceCode, "expired_token")
	if kinds := recordKinds(s); kinds["key"] != 1 {
		t.Errorf("stored: %v", kinds)
	}
}

// E04: only the browser that confirmed can end the login, and of two only one.
func TestDeviceCodeFixation(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	d, mira, jonas := newDevice(s), s.NewBrowser(), s.NewBrowser()
	c := ask(d)
	// The attacker's login, ended in the victim's browser, connects nothing.
	callback := agree(jonas, "jonas", c.UserCode)
	wantNoKey(mira, mira.ComeBack(callback), http.StatusBadRequest, "login_expired")
	wantTold(d, c.DeviceCode, "authorization_pending")

	second := agree(mira, "mira", c.UserCode)
	jonas.WantStatus(jonas.ComeBack(callback), 200)
	wantNoKey(mira, mira.ComeBack(second), http.StatusBadRequest, "login_expired", "The code is no longer valid")
	if kinds := recordKinds(s); kinds["key"] != 1 || kinds["index"] != 1 {
		t.Errorf("stored: %v", kinds)
	}
}

// E04, O54: another site with the same app, store and secret knows nothing of a device's
// codes, and gives it no key.
func TestDeviceCodesOfAnotherSite(t *testing.T) {
	second := "http://" + freeport.Address(t)
	sim := spotifytest.Start(t, spotifytest.Options{})
	const auth = "store caddy\ndevice_login\naccess_keys {\nkey 00000000000000000000000000000001\n}"
	s := proxytest.Start(t, proxytest.Options{Auth: auth, Site: fmt.Sprintf(`
}
%s {
	bind 127.0.0.1
	spotify_proxy {
		client_id     %s
		redirect_uri  %[1]s/spotify/callback
		authorize_url %[3]s
		token_url     %s
		api_url       %s
		%s
	}
`, second, proxytest.ClientID, sim.AuthorizeURL, sim.TokenURL, sim.APIURL, auth)})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	b.WantStatus(b.SendForm(second+activatePath, url.Values{"code": {c.UserCode}}, proxytest.Header("Origin", second)), http.StatusBadRequest)
	b.WantStatus(b.ComeBack(agree(b, "mira", c.UserCode)), 200)
	a := postForm(d, second+tokenPath, url.Values{"grant_type": {deviceGrant}, "device_code": {c.DeviceCode}})
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.Text, `"error":"expired_token"`) {
		t.Errorf("told %s", a.Text)
	}
	if got := poll(d, c.DeviceCode); got.AccessToken == "" {
		t.Errorf("told %+v", got)
	}
}

// E04: who denies has the last word, even after somebody confirmed.
func TestDeviceDenied(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	callback := agree(b, "mira", c.UserCode)
	a := b.WantStatus(b.SendForm(activatePath+"/deny", url.Values{"code": {c.UserCode}}, proxytest.Header("Accept-Language", "de")), 200)
	if !strings.Contains(a.Text, "Das Gerät wurde abgelehnt") {
		t.Errorf("the page: %s", a.Text)
	}
	wantTold(d, c.DeviceCode, "access_denied")
	wantNoKey(b, b.ComeBack(callback), http.StatusBadRequest, "login_expired", "The code is no longer valid")
	b.WantStatus(enter(b, c.UserCode), http.StatusBadRequest)
	if kinds := recordKinds(s); kinds["key"]+kinds["index"] != 0 {
		t.Errorf("stored: %v", kinds)
	}
}

// E04: a login that fails at Spotify or here leaves the code good, and no key behind.
func TestDeviceLoginFails(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "device_login\naccess_keys {\nmax 1\n}"})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	a := b.WantStatus(b.SendForm(activatePath+"/confirm", agreeing(c.UserCode)), http.StatusFound)
	a = b.ComeBack(spotifytest.Decline(t, b.Client, a.Header.Get("Location")))
	wantNoKey(b, a, http.StatusForbidden, "login_cancelled", "The device is not connected", `href="/spotify/activate"`)

	callback := agree(b, "mira", c.UserCode)
	in := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: spotifytest.ServerError})
	wantNoKey(b, b.ComeBack(callback), http.StatusBadGateway, "upstream_unavailable", `href="/spotify/activate"`)
	in.Clear()

	b.Login("mira")
	b.CreateKey(proxytest.KeyForm("a"))
	wantNoKey(b, b.ComeBack(agree(b, "mira", c.UserCode)), http.StatusConflict, "too_many_keys")
	wantTold(d, c.DeviceCode, "authorization_pending")
	if kinds := recordKinds(s); kinds["key"] != 1 {
		t.Errorf("stored: %v", kinds)
	}
	b.WantStatus(b.SendForm(proxytest.KeysPath+"/revoke", url.Values{"key": {b.Keys()[0].Key}}), http.StatusSeeOther)
	b.WantStatus(b.ComeBack(agree(b, "mira", c.UserCode)), 200)
}

// E04: the store, the log and what outsiders see show neither codes nor keys.
func TestDeviceLoginLeaksNothing(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	d, b := newDevice(s), s.NewBrowser()
	c := ask(d)
	callback := agree(b, "mira", c.UserCode)
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	b.WantStatus(b.ComeBack(callback), 200)
	search := func(key string) {
		t.Helper()
		raw, err := base64.RawURLEncoding.DecodeString(c.DeviceCode)
		if err != nil {
			t.Fatal(err)
		}
		places := maps.Clone(s.StoredFiles())
		places["the log"] = s.Log.String()
		for _, secret := range []string{
			c.DeviceCode, c.DeviceCode[:43], string(raw[:32]), c.UserCode, strings.ReplaceAll(c.UserCode, "-", ""), key, u.Query().Get("code"),
		} {
			for place, content := range places {
				if secret != "" && strings.Contains(content, secret) {
					t.Errorf("%s has %s", place, secret)
				}
			}
		}
	}
	search("")
	got := poll(d, c.DeviceCode)
	if got.AccessToken == "" {
		t.Fatalf("told %+v", got)
	}
	p := s.Program(got.AccessToken)
	p.WantStatus(p.Me(), 200)
	search(got.AccessToken)
}

// E04: what a device sends is checked, and what is wrong with it is said as RFC 6749
// §5.2 has it.
func TestDeviceRequests(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: deviceLogins})
	d := newDevice(s)
	for name, c := range map[string]struct {
		path, body, kind string
		status           int
		want             string
	}{
		"no name":         {devicePath, "scope=user-read-private", "", 400, `"error":"invalid_request"`},
		"long name":       {devicePath, "client_name=" + strings.Repeat("x", 61), "", 400, `"error":"invalid_request"`},
		"bidi name":       {devicePath, "client_name=a%E2%80%AEb", "", 400, `"error":"invalid_request"`},
		"blank name":      {devicePath, "client_name=%E3%85%A4", "", 400, `"error":"invalid_request"`},
		"towering name":   {devicePath, "client_name=a" + strings.Repeat("%CC%81", 59), "", 400, `"error":"invalid_request"`},
		"other scope":     {devicePath, "client_name=a&scope=user-library-modify", "", 400, `"error":"invalid_scope"`},
		"twice":           {devicePath, "client_name=a&client_name=b", "", 400, `"error":"invalid_request"`},
		"huge":            {devicePath, "client_name=a&x=" + strings.Repeat("x", 10000), "", 400, `"error":"invalid_request"`},
		"bad JSON":        {devicePath, `{"client_name":1}`, "application/json", 400, `"error":"invalid_request"`},
		"JSON":            {devicePath, `{"client_name":"a"}`, "application/json", 200, `"user_code":"`},
		"client ID":       {devicePath, "client_id=my-mirror", "", 200, `"user_code":"`},
		"no grant":        {tokenPath, "device_code=x", "", 400, `"error":"unsupported_grant_type"`},
		"other grant":     {tokenPath, "grant_type=password&device_code=x", "", 400, `"error":"unsupported_grant_type"`},
		"malformed":       {tokenPath, "grant_type=" + url.QueryEscape(deviceGrant) + "&device_code=x", "", 400, `"error":"invalid_grant"`},
		"nothing":         {tokenPath, "", "", 400, `"error":"unsupported_grant_type"`},
		"JSON of a token": {tokenPath, `{"grant_type":"` + deviceGrant + `","device_code":"x"}`, "application/json; charset=utf-8", 400, `"error":"invalid_grant"`},
	} {
		kind := c.kind
		if kind == "" {
			kind = "application/x-www-form-urlencoded"
		}
		a := d.Do("POST", c.path, c.body, proxytest.Header("Content-Type", kind))
		if a.StatusCode != c.status || !strings.Contains(a.Text, c.want) {
			t.Errorf("%s: %d %s, want %d %s", name, a.StatusCode, a.Text, c.status, c.want)
		}
	}
	d.WantStatus(d.Do("GET", devicePath, ""), 405)
	d.WantStatus(d.Do("GET", tokenPath, ""), 405)
	page := s.NewBrowser()
	page.WantStatus(page.Fetch("POST", devicePath, "client_name=a", proxytest.Header("Content-Type", "application/x-www-form-urlencoded")), 200)
	a := page.Fetch("POST", devicePath, "client_name=a", proxytest.Header("Sec-Fetch-Site", "cross-site"), proxytest.Header("Origin", "https://evil.example"))
	page.WantStatus(a, 403)
	// A form that a program sends is not what a person typed.
	page.WantStatus(page.Fetch("POST", activatePath, "code=BCDF-GHJK", proxytest.Header("Content-Type", "application/x-www-form-urlencoded")), 400)

	// RFC 8628 §3.5: a device that asks too often has to ask less often.
	c := ask(d)
	wantTold(d, c.DeviceCode, "authorization_pending")
	wantTold(d, c.DeviceCode, "slow_down")
	clock.Advance(5 * time.Second)
	wantTold(d, c.DeviceCode, "slow_down")
	clock.Advance(15 * time.Second)
	wantTold(d, c.DeviceCode, "authorization_pending")
	for range 6 {
		clock.Advance(15 * time.Second)
		wantTold(d, c.DeviceCode, "authorization_pending")
	}

	// Without the option there is nothing.
	s.Auth = "access_keys"
	s.Load("")
	d.WantStatus(postForm(d, devicePath, url.Values{"client_name": {"a"}}), 404)
	d.WantStatus(d.Navigate(activatePath), 404)
}
