package keys_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// renewRig is a proxy by a clock of the test's.
func renewRig(t *testing.T, auth string, sim spotifytest.Options) (*proxytest.Proxy, *fakeclock.Clock) {
	t.Helper()
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	sim.Now = clock.Now
	return proxytest.Start(t, proxytest.Options{Auth: "session {\nidle 2d\n}\nstore memory\n" + auth, Sim: sim}), clock
}

// E01: a script that runs every week goes on for 13 months with one key, which its owner
// renews twice, from a fresh login each time. The key never changes.
func TestAccessKeyRenewedForThirteenMonths(t *testing.T) {
	for name, rotation := range map[string]spotifytest.Rotation{"refresh tokens stay": 0, "refresh tokens rotate": spotifytest.RotateRevoke} {
		t.Run(name, func(t *testing.T) {
			s, clock := renewRig(t, "access_keys {\nlifetime 180d\n}", spotifytest.Options{Rotation: rotation})
			b := s.NewBrowser()
			b.Login("mira")
			p := s.Program(b.CreateKey(proxytest.KeyForm("weekly")))
			first := b.Keys()[0]
			start, renewed := clock.Now(), 0
			for clock.Now().Before(start.AddDate(0, 13, 0)) {
				clock.Advance(7 * 24 * time.Hour)
				p.WantStatus(p.Me(), 200)
				b.Login("mira")
				k := b.Keys()[0]
				if k.Key != first.Key || k.Renewal != nil || k.Expired {
					t.Fatalf("after %s: %+v", clock.Now().Sub(start), k)
				}
				if k.ExpiresAt.Sub(clock.Now()) < 14*24*time.Hour {
					b.RenewKey(k.Key)
					renewed++
					if k := b.Keys()[0]; k.Renewal == nil || !k.Renewal.ExpiresAt.Equal(clock.Now().Add(180*24*time.Hour).Truncate(time.Second)) {
						t.Fatalf("renewed: %+v", k)
					}
				}
			}
			if renewed != 2 {
				t.Errorf("the key was renewed %d times, want 2", renewed)
			}
			if refused := s.Sim.RefreshesRefused(); refused != 0 {
				t.Errorf("Spotify refused %d refreshes", refused)
			}
		})
	}
}

// E01: the link of a notice asks and does nothing by itself. What is renewed takes effect
// with the next request of the key, for as long as was chosen.
func TestAccessKeyIsRenewed(t *testing.T) {
	s, clock := renewRig(t, "access_keys", spotifytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("<b>script</b>", "life", "7d", "access", "read")))
	p.WantStatus(p.Me(), 200)
	k := b.Keys()[0]
	if want := proxytest.KeysPath + "/renew?key=" + k.Key; k.RenewURL != want || !k.RenewBy.Equal(k.ExpiresAt.Add(7*24*time.Hour)) {
		t.Errorf("listed: %+v", k)
	}
	grants := len(s.Sim.Grants())
	page := b.WantStatus(b.Navigate(k.RenewURL), 200)
	if !strings.Contains(page.Text, `<form method="post" action="/spotify/keys/renew">`) || !strings.Contains(page.Text, `value="`+k.Key+`"`) ||
		!strings.Contains(page.Text, "&lt;b&gt;script") || strings.Contains(page.Text, "<script") {
		t.Errorf("the page: %s", page.Text)
	}
	b.WantStatus(b.Do("HEAD", k.RenewURL, ""), 400)
	b.WantStatus(b.Fetch("GET", k.RenewURL, ""), 400)
	if n := len(s.Sim.Grants()); n != grants {
		t.Errorf("the link led to %d grants", n-grants)
	}
	// A person who is not logged in is sent to log in first, and comes back to it.
	other := s.NewBrowser()
	a := other.WantStatus(other.Navigate(k.RenewURL), http.StatusFound)
	a = other.ComeBack(spotifytest.Approve(t, other.Client, a.Header.Get("Location"), "mira"))
	if !strings.Contains(a.Text, k.RenewURL) {
		t.Errorf("the login leads to %s", a.Text)
	}

	clock.Advance(3 * 24 * time.Hour)
	b.Login("mira")
	callback := b.AskToRenew("", k.Key)
	next := proxytest.KeysPath + "?renewed=" + k.Key
	if a = b.WantStatus(b.ComeBack(callback), http.StatusOK); !strings.Contains(a.Text, next) {
		t.Errorf("the renewal leads to %s", a.Text)
	}
	if page := b.Navigate(next).Text; !strings.Contains(page, `id="renewed" role="status"`) || !strings.Contains(page, "takes effect with the next request") {
		t.Errorf("the page: %s", page)
	}
	if again := b.ComeBack(callback); again.Header.Get("Location") != next {
		t.Errorf("the second callback: %d %s", again.StatusCode, again.Text)
	}
	p.WantStatus(p.Me(), 200)
	renewed := b.Keys()[0]
	if renewed.Renewal != nil || renewed.RenewedAt == nil || !renewed.ExpiresAt.Equal(clock.Now().Add(7*24*time.Hour).Truncate(time.Second)) || renewed.Key != k.Key || renewed.Expired {
		t.Errorf("listed: %+v", renewed)
	}
	if strings.Join(renewed.Allow, ";") != "GET /v1/*" || strings.Join(renewed.Scopes, " ") != strings.Join(k.Scopes, " ") {
		t.Errorf("listed: %+v", renewed)
	}
	if e := p.WantStatus(p.Do("PUT", "/spotify/v1/me/player/pause", ""), 403).APIError(t); e.Reason != "not_allowed" {
		t.Errorf("error: %+v", e)
	}
	clock.Advance(6 * 24 * time.Hour)
	p.WantStatus(p.Me(), 200)
	for _, line := range []string{"access key renewed", "access key uses its renewed grant"} {
		if n := strings.Count(s.Log.String(), line); n != 1 {
			t.Errorf("the log says %q %d times", line, n)
		}
	}
}

// E01: a key that has expired is renewed for a while, and says where. Then it is gone.
func TestAccessKeyRenewedAfterItsEnd(t *testing.T) {
	s, clock := renewRig(t, "access_keys {\nlifetime 180d\nmax 2\n}", spotifytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	p, late := s.Program(b.CreateKey(proxytest.KeyForm("long"))), s.Program(b.CreateKey(proxytest.KeyForm("week", "life", "7d")))
	ref := map[string]string{}
	for _, k := range b.Keys() {
		ref[k.Name] = k.Key
	}
	p.WantStatus(p.Me(), 200)
	clock.Advance(8 * 24 * time.Hour)
	e := late.WantStatus(late.Me(), 401).APIError(t)
	if want := s.Origin + "/spotify/keys/renew?key=" + ref["week"]; e.Reason != "invalid_access_key" || !strings.Contains(e.Message, want) {
		t.Errorf("error: %+v", e)
	}
	b.Login("mira")
	if keys := b.Keys(); len(keys) != 2 || !keys[0].Expired && !keys[1].Expired {
		t.Errorf("listed: %+v", keys)
	}
	b.CreateKey(proxytest.KeyForm("another")) // what has expired takes no place
	wantNoKey(b, b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {ref["week"]}}), http.StatusConflict, "too_many_keys", "Revoke one, then renew it")
	clock.Advance(7 * 24 * time.Hour)
	b.Login("mira")
	wantNoKey(b, b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {ref["week"]}}), http.StatusNotFound, "not_found")
	if e := late.WantStatus(late.Me(), 401).APIError(t); strings.Contains(e.Message, "/renew") {
		t.Errorf("error: %+v", e)
	}

	clock.Advance(185 * 24 * time.Hour)
	if e := p.WantStatus(p.Me(), 401).APIError(t); !strings.Contains(e.Message, "/renew?key="+ref["long"]) {
		t.Errorf("error: %+v", e)
	}
	b.Login("mira")
	b.RenewKey(ref["long"])
	// The access token of the login is long gone when the script runs again.
	clock.Advance(5 * 24 * time.Hour)
	p.WantStatus(p.Me(), 200)
	clock.Advance(100 * 24 * time.Hour)
	p.WantStatus(p.Me(), 200)
}

// E01: Spotify ends a grant by its age a little before the key expires here. The key is
// kept, and can be renewed.
func TestAccessKeyRenewedAfterTheConsent(t *testing.T) {
	s, clock := renewRig(t, "access_keys {\nlifetime 180d\n}", spotifytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	p.WantStatus(p.Me(), 200)
	clock.Advance(180*24*time.Hour - time.Hour)
	s.Sim.RevokeUser("mira") // one that a person ended months before would be deleted
	s.Sim.ExpireAccessTokens()
	p.WantStatus(p.Me(), 401)
	refreshes := s.Sim.TokenRequests("refresh_token")
	if e := p.WantStatus(p.Me(), 401).APIError(t); !strings.Contains(e.Message, "/renew?key=") {
		t.Errorf("error: %+v", e)
	}
	if n := s.Sim.TokenRequests("refresh_token"); n != refreshes {
		t.Error("Spotify is asked again about a grant that has ended")
	}
	b.Login("mira")
	b.RenewKey(b.Keys()[0].Key)
	p.WantStatus(p.Me(), 200)
	clock.Advance(100 * 24 * time.Hour)
	p.WantStatus(p.Me(), 200)
}

// E01: only the same account can renew, with the same or fewer scopes, and only a key
// that is there.
func TestAccessKeyNotRenewed(t *testing.T) {
	s, _ := renewRig(t, "access_keys", spotifytest.Options{})
	b := s.NewBrowser()
	b.Login("mira")
	p := s.Program(b.CreateKey(proxytest.KeyForm("a")))
	before := b.Keys()[0]
	unchanged := func(t *testing.T) {
		t.Helper()
		b.T = t
		if k := b.Keys(); len(k) != 1 || fmt.Sprint(k[0].Renewal, k[0].RenewedAt, k[0].ExpiresAt, k[0].Scopes) != fmt.Sprint(before.Renewal, before.RenewedAt, before.ExpiresAt, before.Scopes) {
			t.Errorf("listed: %+v", k)
		}
		p.WantStatus(p.Me(), 200)
	}
	t.Run("another account at Spotify", func(t *testing.T) {
		a := b.ComeBack(b.AskToRenew("jonas", before.Key))
		wantNoKey(b, a, http.StatusForbidden, "wrong_account", "was not renewed", "/spotify/keys/renew?key="+before.Key)
		wantNoKey(b, b.ComeBack(b.AskToRenew("jonas", before.Key), proxytest.Header("Accept-Language", "de")), http.StatusForbidden, "wrong_account", "wurde nicht verlängert")
		unchanged(t)
	})
	t.Run("another account here", func(t *testing.T) {
		jonas := s.NewBrowser()
		jonas.Login("jonas")
		wantNoKey(jonas, jonas.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {before.Key}}), http.StatusNotFound, "not_found")
		wantNoKey(jonas, jonas.Navigate(before.RenewURL), http.StatusNotFound, "not_found")
		unchanged(t)
	})
	t.Run("logged out meanwhile", func(t *testing.T) {
		other := s.NewBrowser()
		other.Login("mira")
		callback := other.AskToRenew("", before.Key)
		other.WantStatus(other.Fetch("POST", "/spotify/logout", ""), 204)
		wantNoKey(other, other.ComeBack(callback), http.StatusForbidden, "wrong_account", "was not renewed")
		unchanged(t)
	})
	t.Run("the person says no", func(t *testing.T) {
		a := b.WantStatus(b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {before.Key}}), http.StatusFound)
		wantNoKey(b, b.ComeBack(spotifytest.Decline(t, b.Client, a.Header.Get("Location"))), http.StatusForbidden, "login_cancelled", "was not renewed")
		unchanged(t)
	})
	t.Run("more scopes", func(t *testing.T) {
		a := b.WantStatus(b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {before.Key}}), http.StatusFound)
		at, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		query := at.Query()
		if scopes := query.Get("scope"); scopes != strings.Join(before.Scopes, " ") || query.Get("show_dialog") != "true" {
			t.Errorf("Spotify is asked for %q", scopes)
		}
		query.Set("scope", query.Get("scope")+" user-library-read")
		at.RawQuery = query.Encode()
		wantNoKey(b, b.ComeBack(spotifytest.Approve(t, b.Client, at.String(), "mira")), http.StatusForbidden, "not_renewable", "was not renewed")
		unchanged(t)
	})
	t.Run("another site", func(t *testing.T) {
		b.WantStatus(b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {before.Key}}, proxytest.Header("Origin", "https://elsewhere.example"), proxytest.Header("Sec-Fetch-Site", "cross-site")), 403)
		unchanged(t)
	})
	t.Run("code", func(t *testing.T) {
		b.WantStatus(b.Fetch("POST", proxytest.KeysPath+"/renew", "key="+before.Key, proxytest.Header("Content-Type", "application/x-www-form-urlencoded")), 400)
		unchanged(t)
	})
	t.Run("fewer scopes", func(t *testing.T) {
		a := b.WantStatus(b.SendForm(proxytest.KeysPath+"/renew", url.Values{"key": {before.Key}}), http.StatusFound)
		at, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		query := at.Query()
		query.Set("scope", before.Scopes[0])
		at.RawQuery = query.Encode()
		b.WantStatus(b.ComeBack(spotifytest.Approve(t, b.Client, at.String(), "mira")), http.StatusOK)
		p.Do("GET", "/spotify/v1/search?q=a&type=track", "")
		if k := b.Keys()[0]; len(k.Scopes) != 1 || k.Renewal != nil {
			t.Errorf("listed: %+v", k)
		}
	})
	t.Run("revoked meanwhile", func(t *testing.T) {
		callback := b.AskToRenew("", before.Key)
		b.WantStatus(b.Fetch("DELETE", proxytest.KeysPath+"/"+before.Key, ""), 204)
		wantNoKey(b, b.ComeBack(callback), http.StatusNotFound, "not_found", "There is no such access key")
		wantInvalid(p, p.Me())
	})
}
