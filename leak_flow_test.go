package caddyspotify_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// The steps of TestNothingLeaks.

func (l *leakTest) me(edits ...edit) answer { return l.fetch("GET", "/spotify/v1/me", "", edits...) }

func (l *leakTest) logIn() {
	l.navigate("/app/page")
	l.me()
	l.navigate("/spotify/v1/me")
	l.login("")
	l.login("jonas") // replaces the first
	l.wantStatus(l.me(), 200)
}

func (l *leakTest) failToLogIn() {
	b := l.visitor(l.newBrowser())
	b.comeBack(spotifytest.Decline(l.t, b.client, l.origin+"/spotify/login?return_to=/app"))
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.InvalidGrant}, {Effect: spotifytest.InvalidClient}, {Effect: spotifytest.TokenServerError},
		{Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage}, {Effect: spotifytest.RateLimited},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: "echo"},
		{Status: 500, Body: "echo"}, {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/?echo"}}},
		{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: "not JSON: echo"},
	} {
		u, err := url.Parse(spotifytest.Approve(l.t, b.client, l.origin+"/spotify/login", ""))
		if err != nil {
			l.t.Fatal(err)
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
		in := l.sim.Inject(fault)
		b.comeBack(u.String())
		b.comeBack(u.String()) // once more, as a person would
		in.Clear()
	}
	stranger := l.visitor(l.newBrowser())
	good := spotifytest.Approve(l.t, b.client, l.origin+"/spotify/login", "")
	stranger.comeBack(good)
	stranger.do("POST", good, "")
	stranger.do("HEAD", good, "")
	stranger.comeBack(strings.Replace(good, "/callback", "/callback/", 1))
	stranger.comeBack(strings.Replace(good, "/spotify/", "/Spotify//", 1))
	stranger.comeBack(good + "&error=server_error&error_description=" + strings.Repeat("x", 200))
	b.comeBack(good + "&iss=https%3A%2F%2Fevil.example")
	l.sim.Inject(spotifytest.Fault{Path: "/v1/me", Status: 403, Body: "User not registered", Times: 1})
	b.comeBack(spotifytest.Approve(l.t, b.client, l.origin+"/spotify/login?return_to=/spotify/v1/me", ""))
}

func (l *leakTest) call() {
	l.fetch("GET", "/spotify/session", "")
	l.fetch("GET", "/spotify/v1/me/top/artists?limit=1", "")
	l.fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=3", "{}", header("Authorization", "Bearer stale"))
	l.do("HEAD", "/spotify/v1/me", "", header("Sec-Fetch-Site", "same-origin"))
	l.fetch("GET", "/spotify/v1/me", "", header("Sec-Fetch-Site", "cross-site"))
	l.fetch("GET", "/spotify/v1/me%2f..", "")
	l.fetch("GET", "/spotify/v1/nothing/there", "")
	l.fetch("GET", "/spotify/nothing", "")
	l.fetch("POST", "/spotify/token", "")
	l.fetch("TRACE", "/spotify/v1/me", "")
	l.navigate("/app/page")
	for _, when := range []string{"panic", "panic-after"} {
		// The server hangs up in the middle of it.
		res, err := l.client.Get(l.origin + "/spotify/v1/me?" + when)
		if err == nil {
			res.Body.Close()
		}
	}
	if !strings.Contains(l.logs.String()+l.output(), "panic") {
		l.t.Error("the panic was not logged, so that nothing was proven about it")
	}
}

// useKeys goes through an access key's life, and has every way to one fail.
func (l *leakTest) useKeys() {
	var keys []string
	for _, form := range []url.Values{keyForm("all"), keyForm("some", "access", "rules", "rules", "GET /v1/me\nPUT /v1/me/player/*"), keyForm("short-lived", "life", "1d")} {
		callback := l.askForKey("jonas", form)
		l.wantStatus(l.comeBack(callback), 200)
		l.comeBack(callback)
	}
	l.mu.Lock()
	for secret := range l.secrets {
		if strings.HasPrefix(secret, "spk_") {
			keys = append(keys, secret)
		}
	}
	l.mu.Unlock()
	for _, key := range keys {
		p := l.visitor(l.newBrowser())
		p.client.Jar = nil
		with := header("Authorization", "Bearer "+key)
		p.wantStatus(p.do("GET", "/spotify/v1/me", "", with), 200)
		p.do("PUT", "/spotify/v1/me/player/volume?volume_percent=3", "{}", with)
		p.do("GET", "/spotify/v1/search", "", with)
		p.do("GET", "/spotify/v1/me", "", header("Authorization", "Bearer "+key+"A"))
		p.do("GET", "/spotify/v1/me", "", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + key, "Bearer " + key} })
		for _, target := range []string{"/spotify/session", "/spotify/keys", "/app/page", "/spotify/nothing", "/"} {
			p.do("GET", target, "", with)
			p.navigate(target, with)
		}
		p.do("POST", "/spotify/keys", "name=x", with)
		func() {
			// The server hangs up in the middle of it.
			req, err := http.NewRequest("GET", l.origin+"/spotify/v1/me?panic", nil)
			if err != nil {
				l.t.Fatal(err)
			}
			with(req)
			if res, err := p.client.Do(req); err == nil {
				res.Body.Close()
			}
		}()
	}
	l.fetch("GET", "/spotify/keys", "")
	l.navigate("/spotify/keys")
	listed := l.browser.keys()
	if len(listed) != 3 || len(keys) != 3 {
		l.t.Fatalf("%d keys are listed, %d were shown", len(listed), len(keys))
	}
	l.wantStatus(l.fetch("DELETE", "/spotify/keys/"+listed[0].Key, ""), 204)
	l.wantStatus(l.sendForm("/spotify/keys/revoke", url.Values{"key": {listed[1].Key}}), 303)
	for _, key := range keys {
		l.fetch("GET", "/spotify/v1/me", "", header("Authorization", "Bearer "+key))
	}
	// A way to a key that ends at every place where it can.
	for _, fault := range []spotifytest.Fault{
		{Path: "/api/token", Effect: spotifytest.InvalidGrant}, {Path: "/api/token", Effect: spotifytest.Garbage}, {Path: "/v1/me", Status: 403, Body: "User not registered"},
		{Path: "/v1/me", Effect: spotifytest.ServerError},
	} {
		callback := l.askForKey("jonas", keyForm("x"))
		fault.Times = 1
		in := l.sim.Inject(fault)
		l.comeBack(callback)
		in.Clear()
	}
	l.comeBack(l.askForKey("mira", keyForm("another's", "show_dialog", "true")))
	l.comeBack(l.askForKey("jonas", keyForm("jonas's again", "show_dialog", "true")))
}

// expose gets the one token that a page may have, if the site's owner wants that.
func (l *leakTest) expose() {
	b := l.visitor(l.newBrowser())
	b.comeBack(approveAt(l.t, b, b.beginLogin("/spotify/login?scope=streaming")))
	b.wantStatus(b.fetch("POST", "/spotify/token", ""), 200)
	b.fetch("POST", "/spotify/token", "", header("Sec-Fetch-Site", "cross-site"))
	for range 8 {
		b.fetch("POST", "/spotify/token", "") // too often
	}
	l.fetch("POST", "/spotify/token", "") // without the scope
}

func (l *leakTest) refresh() {
	for _, rotation := range []spotifytest.Rotation{spotifytest.RotateOmit, spotifytest.RotateNew, spotifytest.RotateRevoke} {
		l.sim.SetRotation(rotation)
		l.sim.ExpireAccessTokens()
		l.wantStatus(l.me(), 200)
		l.wantStatus(l.fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=4", "{}"), 403)
	}
	var refreshToken string
	for _, token := range l.sim.TokensIssued() {
		refreshToken = token
	}
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.TokenServerError}, {Effect: spotifytest.RateLimited}, {Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage},
		{Status: 500, Body: "no such token: " + refreshToken},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"invalid_request","error_description":"no such token: ` + refreshToken + `"}`},
		{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"` + refreshToken + `"}`},
		{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"access_token":"` + refreshToken + `\u0000","token_type":"Bearer"}`},
	} {
		b := l.visitor(l.newBrowser())
		b.login("")
		l.sim.ExpireAccessTokens()
		fault.Path = "/api/token"
		in := l.sim.Inject(fault)
		b.fetch("GET", "/spotify/v1/me", "")
		b.fetch("GET", "/spotify/v1/me", "")
		in.Clear()
	}
	// Two refusals, and an account that took its consent back.
	in := l.sim.Inject(spotifytest.Fault{Path: "/v1/me", Effect: spotifytest.TokenInvalid})
	l.me()
	in.Clear()
	b := l.visitor(l.newBrowser())
	b.login("aiko")
	for _, grant := range l.sim.Grants() {
		if grant.User == "aiko" {
			l.sim.RevokeUser(grant.User)
		}
	}
	l.sim.ExpireAccessTokens()
	b.fetch("GET", "/spotify/v1/me", "")
	b.fetch("GET", "/spotify/session", "")
}

func (l *leakTest) breakUpstream() {
	b := l.visitor(l.newBrowser())
	b.login("")
	for _, fault := range []spotifytest.Fault{
		{Effect: spotifytest.ServerError}, {Effect: spotifytest.BadGateway}, {Effect: spotifytest.CutConnection}, {Effect: spotifytest.Garbage},
		{Effect: spotifytest.Redirect}, {Effect: spotifytest.SetsCookie}, {Effect: spotifytest.ForbiddenEmpty}, {Effect: spotifytest.ScopeMissing},
		{Effect: spotifytest.RateLimited, RetryAfter: 1}, {Effect: spotifytest.QuotaExceeded},
	} {
		fault.Path, fault.Times = "/v1/me", 1
		in := l.sim.Inject(fault)
		req, err := http.NewRequest("GET", l.origin+"/spotify/v1/me", nil)
		if err != nil {
			l.t.Fatal(err)
		}
		if res, err := b.client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		in.Clear()
	}
}

// breakStore puts a file where the store's folder is, so that every access fails.
func (l *leakTest) breakStore() {
	dir := filepath.Join(l.storage, "spotify")
	b := l.visitor(l.newBrowser())
	callback := spotifytest.Approve(l.t, b.client, l.origin+"/spotify/login", "")
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		l.t.Fatal(err)
	}
	b.comeBack(callback)
	l.fetch("POST", "/spotify/logout", "")
	l.sim.ExpireAccessTokens()
	l.me()
	if err := os.Remove(dir); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(moved, dir); err != nil {
		l.t.Fatal(err)
	}
}

// lookAround asks for what an operator can ask for.
func (l *leakTest) lookAround() {
	l.reload()
	operator := l.visitor(l.newBrowser())
	for _, target := range []string{
		"/config/", "/spotify/sessions", "/spotify/gate", "/spotify/health", "/reverse_proxy/upstreams", "/metrics", "/debug/vars",
		"/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/pprof/allocs?debug=1",
	} {
		operator.wantStatus(operator.do("GET", l.admin+target, "", header("Origin", l.admin)), 200)
	}
	for _, target := range []string{"/metrics", "/spotify/health", "/spotify/session"} {
		operator.do("GET", target, "")
	}
}

func (l *leakTest) logOut() {
	l.login("")
	l.me() // which the gate answers, after what breakUpstream did
	l.fetch("POST", "/spotify/logout", "", header("Sec-Fetch-Site", "cross-site"))
	l.wantStatus(l.fetch("POST", "/spotify/logout", ""), 204)
	l.me()
	l.login("") // one stays behind, in the store
}

// share connects the account that everybody is shown, has a stranger try to, and
// breaks what can break.
func (l *leakTest) share() {
	// No browser holds the id of the owner's session: it is derived from the key.
	id, err := hkdf.Key(sha256.New, []byte(l.shareKey), nil,
		strings.Join([]string{"caddy-spotify share v1\x00", testClientID, l.origin, "/spotify", "mira"}, "\x00"), 32)
	if err != nil {
		l.t.Fatal(err)
	}
	l.keep("owner's session id", tokenstore.SessionID(id).Cookie())
	l.keep("owner's session id, decoded", string(id))

	b := l.visitor(l.newBrowser())
	connect := func(user string) answer {
		return b.comeBack(spotifytest.Approve(l.t, b.client, l.origin+"/spotify/share/connect", user))
	}
	look := func(status int) {
		l.t.Helper()
		b.wantStatus(b.fetch("GET", "/spotify/v1/me/player/currently-playing", ""), status)
		b.fetch("GET", "/spotify/share", "")
		b.navigate("/spotify/share")
		b.fetch("GET", "/spotify/health", "")
	}
	look(503)
	connect("jonas")
	b.comeBack(spotifytest.Decline(l.t, b.client, l.origin+"/spotify/share/connect"))
	b.wantStatus(connect("mira"), http.StatusSeeOther)
	found := false
	for file := range l.storedFiles() {
		found = found || strings.Contains(file, tokenstore.SessionID(id).Key(testClientID))
	}
	if !found {
		l.t.Error("the owner's session has another id than this test looks for")
	}
	l.reload() // which forgets the answers
	l.sim.ExpireAccessTokens()
	look(200)
	l.reload()
	fault := l.sim.Inject(spotifytest.Fault{Path: "/v1/", Status: 500, Body: "{}"})
	look(503)
	fault.Clear()
	l.reload()
	l.sim.RevokeUser("mira")
	l.sim.ExpireAccessTokens()
	look(503)
	b.wantStatus(connect("mira"), http.StatusSeeOther)
	look(200)
}
