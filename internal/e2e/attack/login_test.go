package attack_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// begun is a login that a person has agreed to, and that has not come back.
type begun struct{ state, code, name, pending string }

func begin(b *proxytest.Browser) begun {
	b.T.Helper()
	u, err := url.Parse(spotifytest.Approve(b.T, b.Client, b.Origin+"/spotify/login", ""))
	if err != nil {
		b.T.Fatal(err)
	}
	l := begun{state: u.Query().Get("state"), code: u.Query().Get("code")}
	l.name, l.pending = pendingCookie(b, l.state)
	if l.pending == "" {
		b.T.Fatal("no pending login")
	}
	return l
}

// pendingCookie returns the cookie of a login whose state is known: it is in the
// slot that the state names.
func pendingCookie(b *proxytest.Browser, state string) (name, value string) {
	_, rest, _ := strings.Cut(state, ".")
	for name, value := range b.Cookies() {
		if tagged, ok := strings.CutPrefix(name, "spotify_login_"); ok && len(tagged) == 5 && rest != "" && tagged[4] == rest[0] {
			return name, value
		}
	}
	return "", ""
}

// callback visits the callback over a raw socket with the given query and
// Cookie headers.
func callback(b *proxytest.Browser, query string, cookies ...string) proxytest.Response {
	b.T.Helper()
	text := "GET /spotify/callback?" + query + " HTTP/1.1\nHost: $HOST\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\n"
	for _, c := range cookies {
		text += "Cookie: " + c + "\n"
	}
	return one(b, attack(b, text+"Connection: close\n\n"))
}

// sessionStarted returns the session id that an answer sets.
func sessionStarted(a proxytest.Response) string {
	for _, c := range a.Cookies() {
		if c.Name == "spotify_session" && c.MaxAge >= 0 {
			return c.Value
		}
	}
	return ""
}

// L03, L04: no callback but the one that a login of this browser waits for
// reaches the token endpoint.
func TestAttackCallbackQueries(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	l := begin(b)
	cookie := l.name + "=" + l.pending
	for name, query := range map[string]string{
		"a second state":         "state=" + l.state + "&code=" + l.code + "&state=" + l.state,
		"another second state":   "state=" + l.state + "&state=evil&code=" + l.code,
		"an empty second state":  "state=" + l.state + "&state&code=" + l.code,
		"an encoded second name": "state=" + l.state + "&%73tate=" + l.state + "&code=" + l.code,
		"a second code":          "state=" + l.state + "&code=" + l.code + "&code=evil",
		"two errors":             "state=" + l.state + "&error=access_denied&error=server_error",
		"two issuers":            "state=" + l.state + "&code=" + l.code + "&iss=" + url.QueryEscape(s.Sim.URL) + "&iss=https://evil.example",
		"a code and an error":    "state=" + l.state + "&code=" + l.code + "&error=x",
		"semicolons":             "state=" + l.state + ";code=" + l.code,
		"a NUL after the state":  "state=" + l.state + "%00&code=" + l.code,
		"a NUL in its name":      "state%00=" + l.state + "&code=" + l.code,
		"a newline in the state": "state=" + l.state + "%0a&code=" + l.code,
		"a longer state":         "state=" + l.state + "A&code=" + l.code,
		"a shorter state":        "state=" + l.state[:42] + "&code=" + l.code,
		"a padded state":         "state=" + l.state + "=&code=" + l.code,
		"a state in other case":  "state=" + strings.ToLower(l.state) + "&code=" + l.code,
		"the name in other case": "State=" + l.state + "&code=" + l.code,
		"a prefix as state":      "state=done&code=" + l.code,
		"no code":                "state=" + l.state,
		"an empty code":          "state=" + l.state + "&code=",
		"a broken escape":        "state=" + l.state + "&code=" + l.code + "%",
		"brackets":               "state[]=" + l.state + "&code[]=" + l.code,
		"a fragment":             "state=" + l.state + "%23&code=" + l.code,
		"nothing":                "",
		"many parameters":        strings.Repeat("a=b&", 3000) + "state=" + l.state,
		"a very long code":       "state=" + strings.Repeat("A", 43) + "&code=" + strings.Repeat("A", 10<<10),
	} {
		t.Run(name, func(t *testing.T) {
			a := callback(b, query, cookie)
			if a.StatusCode < 400 || a.StatusCode > 499 || sessionStarted(a) != "" {
				t.Errorf("%d %s", a.StatusCode, a.Text)
			}
		})
	}
	for _, request := range []string{
		"POST /spotify/callback?state=" + l.state + "&code=" + l.code + " HTTP/1.1\nHost: $HOST\nCookie: " + cookie + "\nContent-Length: 0",
		"POST /spotify/callback HTTP/1.1\nHost: $HOST\nCookie: " + cookie + "\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 5",
		"HEAD /spotify/callback?state=" + l.state + "&code=" + l.code + " HTTP/1.1\nHost: $HOST\nCookie: " + cookie,
		"GET /spotify/callback/?state=" + l.state + "&code=" + l.code + " HTTP/1.1\nHost: $HOST\nCookie: " + cookie,
		"GET /SPOTIFY/callback?state=" + l.state + "&code=" + l.code + " HTTP/1.1\nHost: $HOST\nCookie: " + cookie,
	} {
		// HEAD has no body, and the parser does not know that it was one.
		for _, a := range attack(b, request+"\nConnection: close\n\ncode=") {
			if a.StatusCode < 400 || sessionStarted(a) != "" {
				t.Errorf("%.40s: %d", request, a.StatusCode)
			}
		}
	}
	if n := s.Sim.TokenRequests(""); n != 0 {
		t.Errorf("%d requests reached the token endpoint", n)
	}
	// L14: the log has neither state nor code, whatever was wrong with them.
	for name, secret := range map[string]string{"state": l.state, "code": l.code} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
	// None of that used the login up.
	if a := callback(b, "state="+l.state+"&code="+l.code, cookie); sessionStarted(a) == "" {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
}

// L02, L03, L09: what a browser says about its pending logins is believed only
// as far as it goes, and nothing in it is good for more than one callback.
func TestAttackPendingLogins(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	l := begin(b)
	started, rest, _ := strings.Cut(l.pending, ".")
	secret, path, _ := strings.Cut(rest, ".")
	minute := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 36) }
	query := "state=" + l.state + "&code=" + l.code
	for name, value := range map[string]string{
		"empty":                "",
		"dots":                 "..",
		"no secret":            started + ".." + path,
		"a short secret":       started + "." + secret[:42] + "." + path,
		"another alphabet":     started + "." + strings.Repeat("%", 43) + "." + path,
		"too many parts":       started + "." + secret + "." + path + ".key.e30.e30",
		"a bad purpose":        started + "." + secret + "." + path + ".KEY",
		"expired":              minute(-11*time.Minute) + "." + secret + "." + path,
		"from the future":      minute(time.Hour) + "." + secret + "." + path,
		"from a minute later":  minute(time.Minute) + "." + secret + "." + path,
		"from long before":     "-zzzzzzzz." + secret + "." + path,
		"no time":              "!." + secret + "." + path,
		"a time out of bounds": "zzzzzzzzzzzzzzzz." + secret + "." + path,
		"very long":            started + "." + secret + "." + path + ".key." + strings.Repeat("A", 10<<10),
	} {
		t.Run(name, func(t *testing.T) {
			a := callback(b, query, l.name+"="+value)
			if a.StatusCode != http.StatusBadRequest || sessionStarted(a) != "" {
				t.Errorf("%d %s", a.StatusCode, a.Text)
			}
			if len(a.Cookies()) != 1 || a.Cookies()[0].Name != l.name || a.Cookies()[0].MaxAge >= 0 {
				t.Errorf("the cookie stays: %v", a.Header["Set-Cookie"])
			}
		})
	}
	for name, cookies := range map[string][]string{
		"none":                  nil,
		"twice in one":          {l.name + "=" + l.pending + "; " + l.name + "=" + l.pending},
		"twice in two":          {l.name + "=" + l.pending, l.name + "=" + l.pending},
		"of another name":       {l.name[:len(l.name)-1] + "=" + l.pending},
		"under the done cookie": {"spotify_login_done=" + l.pending},
		"in other case":         {strings.ToUpper(l.name) + "=" + l.pending},
	} {
		t.Run(name, func(t *testing.T) {
			if a := callback(b, query, cookies...); a.StatusCode != http.StatusBadRequest || sessionStarted(a) != "" {
				t.Errorf("%d %s", a.StatusCode, a.Text)
			}
		})
	}
	if n := s.Sim.TokenRequests(""); n != 0 {
		t.Errorf("%d requests reached the token endpoint", n)
	}

	// L12: a return path that the cookie was made to hold is judged again.
	for _, evil := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "~evil", "~AAAAAAAA"} {
		l := begin(b)
		rest := strings.Join(strings.SplitN(l.pending, ".", 3)[:2], ".")
		a := callback(b, "state="+l.state+"&code="+l.code, l.name+"="+rest+"."+strings.ReplaceAll(evil, ".", "!4"))
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("%q: %d to %q", evil, a.StatusCode, a.Header.Get("Location"))
		}
	}

	// Another secret, which would give another verifier, is another login's.
	n := s.Sim.TokenRequests("")
	a := callback(b, query, l.name+"="+started+"."+pkce.GenerateCodes().Verifier+"."+path)
	if a.StatusCode != http.StatusBadRequest || sessionStarted(a) != "" || s.Sim.TokenRequests("") != n {
		t.Errorf("%d %s", a.StatusCode, a.Text)
	}
}

// L02: login CSRF. A login that an attacker began and agreed to does not become
// the victim's, whatever of it the victim's browser is made to send.
func TestAttackLoginCSRF(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	attacker, victim := s.NewBrowser(), s.NewBrowser()
	theirs := begin(attacker)
	if a := victim.ComeBack("/spotify/callback?state=" + theirs.state + "&code=" + theirs.code); a.StatusCode != http.StatusBadRequest {
		t.Errorf("the attacker's callback: %d", a.StatusCode)
	}
	mine := begin(victim)
	if a := victim.ComeBack("/spotify/callback?state=" + mine.state + "&code=" + theirs.code); sessionStarted(a) != "" {
		t.Error("the attacker's code with the victim's state began a session")
	}
	if victim.Session().Authenticated {
		t.Error("the victim is logged in as the attacker")
	}
}

// S15: a session id that somebody chose never becomes a session, and the one
// before a login is worth nothing after it.
func TestAttackSessionFixation(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	chosen := tokenstore.NewSessionID().Cookie()
	l := begin(b)
	a := callback(b, "state="+l.state+"&code="+l.code, l.name+"="+l.pending+"; spotify_session="+chosen)
	id := sessionStarted(a)
	if id == "" || id == chosen {
		t.Fatalf("%d, session %t", a.StatusCode, id != "")
	}
	for _, c := range []struct {
		name, cookie string
		want         int
	}{
		{"chosen", "spotify_session=" + chosen, http.StatusUnauthorized},
		{"chosen before the real one", "spotify_session=" + chosen + "; spotify_session=" + id, http.StatusUnauthorized},
		{"chosen after the real one", "spotify_session=" + id + "; spotify_session=" + chosen, http.StatusUnauthorized},
		{"the real one twice", "spotify_session=" + id + "; spotify_session=" + id, http.StatusUnauthorized},
		{"real", "spotify_session=" + id, http.StatusOK},
	} {
		if a := getMe(b, c.cookie); a.StatusCode != c.want {
			t.Errorf("%s: %d", c.name, a.StatusCode)
		}
	}
}

// getMe calls the API over a raw socket with the given Cookie headers.
func getMe(b *proxytest.Browser, cookies ...string) proxytest.Response {
	b.T.Helper()
	text := "GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nSec-Fetch-Site: same-origin\n"
	for _, c := range cookies {
		text += "Cookie: " + c + "\n"
	}
	return one(b, attack(b, text+"Connection: close\n\n"))
}

// S25: a session has one name and one spelling, and is found nowhere but in a cookie.
func TestAttackSessionCookies(t *testing.T) {
	b := attacked(t, proxytest.Options{})
	id := b.SessionCookie()
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	for name, cookies := range map[string][]string{
		"quoted":             {`spotify_session="` + id + `"`},
		"with a space":       {"spotify_session= " + id},
		"a Unicode space":    {"\u2000spotify_session=" + id},
		"behind a NEL":       {"\u0085spotify_session=" + id},
		"in a quoted one":    {`x="; spotify_session=` + id + `"`},
		"RFC 2109, quoted":   {`$Version=1; x="; spotify_session=` + id + `; y=z"; spotify_session=` + id},
		"spaced":             {"spotify_session =" + id},
		"percent-encoded":    {"spotify_session=%" + fmt.Sprintf("%x", id[0]) + id[1:]},
		"padded":             {"spotify_session=" + id + "="},
		"hexadecimal":        {fmt.Sprintf("spotify_session=%x", raw)},
		"standard base64":    {"spotify_session=" + base64.StdEncoding.EncodeToString(raw)},
		"with more bits":     {"spotify_session=" + id + "A"},
		"cut":                {"spotify_session=" + id[:42]},
		"in two halves":      {"spotify_session=" + id[:20], "spotify_session=" + id[20:]},
		"in two headers":     {"spotify_session=" + id, "spotify_session=" + id},
		"comma":              {"spotify_session=" + id + ",spotify_session=" + id},
		"in other case":      {"SPOTIFY_SESSION=" + id},
		"with a prefix":      {"__Host-spotify_session=" + id},
		"with another":       {"__Secure-spotify_session=" + id},
		"nameless":           {"=spotify_session=" + id},
		"without a name":     {id},
		"of a longer name":   {"xspotify_session=" + id},
		"behind a separator": {"x=y spotify_session=" + id},
		"its store key":      {"spotify_session=" + storeKey(b, id)},
	} {
		t.Run(name, func(t *testing.T) {
			if a := getMe(b, cookies...); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%d", a.StatusCode)
			}
			wantNothingSent(b.Proxy, name)
		})
	}
	for _, request := range []string{
		"GET /spotify/v1/me?spotify_session=" + id + " HTTP/1.1\nHost: $HOST",
		"GET /spotify/v1/me;spotify_session=" + id + " HTTP/1.1\nHost: $HOST",
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nAuthorization: Bearer " + id,
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nspotify_session: " + id,
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nCookie2: spotify_session=" + id,
		"GET /spotify/v1/me HTTP/1.1\nHost: $HOST\nX-Cookie: spotify_session=" + id,
	} {
		if a := one(b, attack(b, request+"\nSec-Fetch-Site: same-origin\nConnection: close\n\n")); a.StatusCode == http.StatusOK {
			t.Errorf("%.50s: %d", request, a.StatusCode)
		}
		wantNothingSent(b.Proxy, request)
	}
	// Among other cookies, and over several headers, it is found.
	if a := getMe(b, "theme=dark; =; a; ;;", "x=\"y\"; spotify_session="+id); a.StatusCode != http.StatusOK {
		t.Errorf("among others: %d", a.StatusCode)
	}
}

// storeKey is what names the session in the store, and so in what a thief of
// the store has.
func storeKey(b *proxytest.Browser, id string) string {
	b.T.Helper()
	parsed, err := tokenstore.ParseSessionID(id)
	if err != nil {
		b.T.Fatal(err)
	}
	return parsed.Key(proxytest.ClientID)
}
