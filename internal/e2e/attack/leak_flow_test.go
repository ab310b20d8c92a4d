package attack_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// The steps of TestNothingLeaks.

func (l *leakTest) me(edits ...proxytest.Edit) proxytest.Response {
	return l.Fetch("GET", "/spotify/v1/me", "", edits...)
}

func (l *leakTest) logIn() {
	l.Navigate("/app/page")
	l.me()
	l.Navigate("/spotify/v1/me")
	l.Login("")
	l.Login("jonas") // replaces the first
	l.WantStatus(l.me(), 200)
}

func (l *leakTest) failToLogIn() {
	b := l.visitor(l.NewBrowser())
	b.ComeBack(spotifytest.Decline(l.T, b.Client, l.Origin+"/spotify/login?return_to=/app"))
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.InvalidGrant}, {Effect: spotifytest.InvalidClient}, {Effect: spotifytest.TokenServerError},
		{Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage}, {Effect: spotifytest.RateLimited},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: "echo"},
		{Status: 500, Body: "echo"}, {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/?echo"}}},
		{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: "not JSON: echo"},
	} {
		u, err := url.Parse(spotifytest.Approve(l.T, b.Client, l.Origin+"/spotify/login", ""))
		if err != nil {
			l.T.Fatal(err)
		}
		// A server that says what it was told, as sloppy ones do.
		code := u.Query().Get("code")
		fault.Body = strings.ReplaceAll(fault.Body, "echo", `{"error":"invalid_grant","error_description":"Invalid code `+code+`"}`)
		if fault.Status == 400 {
			fault.Body = `{"error":"invalid_grant ` + code + `","error_description":"Invalid code: ` + code + `"}`
		}
		if loc := fault.Header.Get("Location"); loc != "" {
			fault.Header.Set("Location", loc+"="+code)
		}
		fault.Path, fault.Times = "/api/token", 1
		in := l.Sim.Inject(fault)
		b.ComeBack(u.String())
		b.ComeBack(u.String()) // once more, as a person would
		in.Clear()
	}
	stranger := l.visitor(l.NewBrowser())
	good := spotifytest.Approve(l.T, b.Client, l.Origin+"/spotify/login", "")
	stranger.ComeBack(good)
	stranger.Do("POST", good, "")
	stranger.Do("HEAD", good, "")
	stranger.ComeBack(strings.Replace(good, "/callback", "/callback/", 1))
	stranger.ComeBack(strings.Replace(good, "/spotify/", "/Spotify//", 1))
	stranger.ComeBack(good + "&error=server_error&error_description=" + strings.Repeat("x", 200))
	b.ComeBack(good + "&iss=https%3A%2F%2Fevil.example")
	l.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Status: 403, Body: "User not registered", Times: 1})
	b.ComeBack(spotifytest.Approve(l.T, b.Client, l.Origin+"/spotify/login?return_to=/spotify/v1/me", ""))
}

func (l *leakTest) call() {
	l.Fetch("GET", "/spotify/session", "")
	l.Fetch("GET", "/spotify/v1/me/top/artists?limit=1", "")
	l.Fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=3", "{}", proxytest.Header("Authorization", "Bearer stale"))
	l.Do("HEAD", "/spotify/v1/me", "", proxytest.Header("Sec-Fetch-Site", "same-origin"))
	l.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Sec-Fetch-Site", "cross-site"))
	l.Fetch("GET", "/spotify/v1/me%2f..", "")
	l.Fetch("GET", "/spotify/v1/nothing/there", "")
	l.Fetch("GET", "/spotify/nothing", "")
	l.Fetch("POST", "/spotify/token", "")
	l.Fetch("TRACE", "/spotify/v1/me", "")
	l.Navigate("/app/page")
	for _, when := range []string{"panic", "panic-after"} {
		// The server hangs up in the middle of it.
		res, err := l.Client.Get(l.Origin + "/spotify/v1/me?" + when)
		if err == nil {
			res.Body.Close()
		}
	}
	if !strings.Contains(l.Log.String()+l.output(), "panic") {
		l.T.Error("the panic was not logged, so that nothing was proven about it")
	}
}

// useKeys goes through an access key's life, and has every way to one fail.
func (l *leakTest) useKeys() {
	var keys []string
	for _, form := range []url.Values{proxytest.KeyForm("all"), proxytest.KeyForm("some", "access", "rules", "rules", "GET /v1/me\nPUT /v1/me/player/*"), proxytest.KeyForm("short-lived", "life", "1d")} {
		callback := l.AskForKey("jonas", form)
		l.WantStatus(l.ComeBack(callback), 200)
		l.ComeBack(callback)
	}
	l.mu.Lock()
	for secret := range l.secrets {
		if strings.HasPrefix(secret, "spk_") {
			keys = append(keys, secret)
		}
	}
	l.mu.Unlock()
	for _, key := range keys {
		p := l.visitor(l.NewBrowser())
		p.Client.Jar = nil
		with := proxytest.Header("Authorization", "Bearer "+key)
		p.WantStatus(p.Do("GET", "/spotify/v1/me", "", with), 200)
		p.Do("PUT", "/spotify/v1/me/player/volume?volume_percent=3", "{}", with)
		p.Do("GET", "/spotify/v1/search", "", with)
		p.Do("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer "+key+"A"))
		p.Do("GET", "/spotify/v1/me", "", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + key, "Bearer " + key} })
		for _, target := range []string{"/spotify/session", "/spotify/keys", "/app/page", "/spotify/nothing", "/"} {
			p.Do("GET", target, "", with)
			p.Navigate(target, with)
		}
		p.Do("POST", "/spotify/keys", "name=x", with)
		func() {
			// The server hangs up in the middle of it.
			req, err := http.NewRequest("GET", l.Origin+"/spotify/v1/me?panic", nil)
			if err != nil {
				l.T.Fatal(err)
			}
			with(req)
			if res, err := p.Client.Do(req); err == nil {
				res.Body.Close()
			}
		}()
	}
	l.Fetch("GET", "/spotify/keys", "")
	l.Navigate("/spotify/keys")
	listed := l.Browser.Keys()
	if len(listed) != 3 || len(keys) != 3 {
		l.T.Fatalf("%d keys are listed, %d were shown", len(listed), len(keys))
	}
	l.WantStatus(l.Fetch("DELETE", "/spotify/keys/"+listed[0].Key, ""), 204)
	l.WantStatus(l.SendForm("/spotify/keys/revoke", url.Values{"key": {listed[1].Key}}), 303)
	for _, key := range keys {
		l.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("Authorization", "Bearer "+key))
	}
	// A way to a key that ends at every place where it can.
	for _, fault := range []spotifytest.Fault{
		{Path: "/api/token", Effect: spotifytest.InvalidGrant}, {Path: "/api/token", Effect: spotifytest.Garbage}, {Path: "/v1/me", Status: 403, Body: "User not registered"},
		{Path: "/v1/me", Effect: spotifytest.ServerError},
	} {
		callback := l.AskForKey("jonas", proxytest.KeyForm("x"))
		fault.Times = 1
		in := l.Sim.Inject(fault)
		l.ComeBack(callback)
		in.Clear()
	}
	l.ComeBack(l.AskForKey("mira", proxytest.KeyForm("another's", "show_dialog", "true")))
	l.ComeBack(l.AskForKey("jonas", proxytest.KeyForm("jonas's again", "show_dialog", "true")))
}

// expose gets the one token that a page may have, if the site's owner wants that.
func (l *leakTest) expose() {
	b := l.visitor(l.NewBrowser())
	b.ComeBack(proxytest.ApproveAt(l.T, b, b.BeginLogin("/spotify/login?scope=streaming")))
	b.WantStatus(b.Fetch("POST", "/spotify/token", ""), 200)
	b.Fetch("POST", "/spotify/token", "", proxytest.Header("Sec-Fetch-Site", "cross-site"))
	for range 8 {
		b.Fetch("POST", "/spotify/token", "") // too often
	}
	l.Fetch("POST", "/spotify/token", "") // without the scope
}

func (l *leakTest) refresh() {
	for _, rotation := range []spotifytest.Rotation{spotifytest.RotateOmit, spotifytest.RotateNew, spotifytest.RotateRevoke} {
		l.Sim.SetRotation(rotation)
		l.Sim.ExpireAccessTokens()
		l.WantStatus(l.me(), 200)
		l.WantStatus(l.Fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=4", "{}"), 403)
	}
	var refreshToken string
	for _, token := range l.Sim.TokensIssued() {
		refreshToken = token
	}
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.TokenServerError}, {Effect: spotifytest.RateLimited}, {Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage},
		{Status: 500, Body: "no such token: " + refreshToken},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"invalid_request","error_description":"no such token: ` + refreshToken + `"}`},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"` + refreshToken + `"}`},
		{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"access_token":"` + refreshToken + `\u0000","token_type":"Bearer"}`},
	} {
		b := l.visitor(l.NewBrowser())
		b.Login("")
		l.Sim.ExpireAccessTokens()
		fault.Path = "/api/token"
		in := l.Sim.Inject(fault)
		b.Fetch("GET", "/spotify/v1/me", "")
		b.Fetch("GET", "/spotify/v1/me", "")
		in.Clear()
	}
	// Two refusals, and an account that took its consent back.
	in := l.Sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: spotifytest.TokenInvalid})
	l.me()
	in.Clear()
	b := l.visitor(l.NewBrowser())
	b.Login("aiko")
	for _, grant := range l.Sim.Grants() {
		if grant.User == "aiko" {
			l.Sim.RevokeUser(grant.User)
		}
	}
	l.Sim.ExpireAccessTokens()
	b.Fetch("GET", "/spotify/v1/me", "")
	b.Fetch("GET", "/spotify/session", "")
}

func (l *leakTest) breakUpstream() {
	b := l.visitor(l.NewBrowser())
	b.Login("")
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.ServerError}, {Effect: spotifytest.BadGateway}, {Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage},
		{Effect: spotifytest.Redirect}, {Effect: spotifytest.SetsCookie}, {Effect: spotifytest.ForbiddenEmpty}, {Effect: spotifytest.ScopeMissing},
		{Effect: spotifytest.RateLimited, RetryAfter: 1}, {Effect: spotifytest.QuotaExceeded},
	} {
		fault.Path, fault.Times = "/v1/me", 1
		in := l.Sim.Inject(fault)
		req, err := http.NewRequest("GET", l.Origin+"/spotify/v1/me", nil)
		if err != nil {
			l.T.Fatal(err)
		}
		if res, err := b.Client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		in.Clear()
	}
	l.me()                                                                        // which the gate answers
	l.ComeBack(spotifytest.Approve(l.T, l.Client, l.Origin+"/spotify/login", "")) // so does it this
}

// breakStore puts a file where the store's folder is, so that every access fails.
func (l *leakTest) breakStore() {
	dir := filepath.Join(l.Storage, "spotify")
	b := l.visitor(l.NewBrowser())
	callback := spotifytest.Approve(l.T, b.Client, l.Origin+"/spotify/login", "")
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		l.T.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		l.T.Fatal(err)
	}
	b.ComeBack(callback)
	l.Fetch("POST", "/spotify/logout", "")
	l.Sim.ExpireAccessTokens()
	l.me()
	if err := os.Remove(dir); err != nil {
		l.T.Fatal(err)
	}
	if err := os.Rename(moved, dir); err != nil {
		l.T.Fatal(err)
	}
}

// lookAround asks for what an operator can ask for.
func (l *leakTest) lookAround() {
	l.reload()
	operator := l.visitor(l.NewBrowser())
	for _, target := range []string{
		"/config/", "/spotify/sessions", "/spotify/limits", "/spotify/quota", "/spotify/health", "/reverse_proxy/upstreams", "/metrics", "/debug/vars",
		"/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/pprof/allocs?debug=1",
	} {
		operator.WantStatus(operator.Do("GET", l.admin+target, "", proxytest.Header("Origin", l.admin)), 200)
	}
	for _, target := range []string{"/metrics", "/spotify/health", "/spotify/session"} {
		operator.Do("GET", target, "")
	}
}

func (l *leakTest) logOut() {
	l.Login("")
	l.me()
	l.Fetch("POST", "/spotify/logout", "", proxytest.Header("Sec-Fetch-Site", "cross-site"))
	l.WantStatus(l.Fetch("POST", "/spotify/logout", ""), 204)
	l.me()
	l.Login("") // one stays behind, in the store
}

// share connects the account that everybody is shown, has a stranger try to, and
// breaks what can break.
func (l *leakTest) share() {
	// No browser holds the id of the owner's session: it is derived from the key.
	id, err := hkdf.Key(sha256.New, []byte(l.shareKey), nil,
		strings.Join([]string{"caddy-spotify share v1\x00", proxytest.ClientID, l.Origin, "/spotify", "mira"}, "\x00"), 32)
	if err != nil {
		l.T.Fatal(err)
	}
	l.keep("owner's session id", tokenstore.SessionID(id).Cookie())
	l.keep("owner's session id, decoded", string(id))

	b := l.visitor(l.NewBrowser())
	connect := func(user string) proxytest.Response {
		return b.ComeBack(spotifytest.Approve(l.T, b.Client, l.Origin+"/spotify/share/connect", user))
	}
	look := func(status int) {
		l.T.Helper()
		b.WantStatus(b.Fetch("GET", "/spotify/v1/me/player/currently-playing", ""), status)
		b.Fetch("GET", "/spotify/share", "")
		b.Navigate("/spotify/share")
		b.Fetch("GET", "/spotify/health", "")
	}
	look(503)
	connect("jonas")
	b.ComeBack(spotifytest.Decline(l.T, b.Client, l.Origin+"/spotify/share/connect"))
	b.WantStatus(connect("mira"), http.StatusSeeOther)
	found := false
	for file := range l.StoredFiles() {
		found = found || strings.Contains(file, tokenstore.SessionID(id).Key(proxytest.ClientID+"\x00shared account"))
	}
	if !found {
		l.T.Error("the owner's session has another id than this test looks for")
	}
	l.reload() // which forgets the answers
	l.Sim.ExpireAccessTokens()
	look(200)
	l.reload()
	fault := l.Sim.Inject(spotifytest.Fault{Path: "/v1/", Status: 500, Body: "{}"})
	look(503)
	fault.Clear()
	l.reload()
	l.Sim.RevokeUser("mira")
	l.Sim.ExpireAccessTokens()
	look(503)
	b.WantStatus(connect("mira"), http.StatusSeeOther)
	look(200)
}
