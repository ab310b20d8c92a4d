package upstream_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// upstreamGets counts what reached Spotify.
func upstreamGets(s *proxytest.Proxy, path string) (n int) {
	for _, r := range s.Sim.RequestsTo(path) {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

// cacheable has Spotify say of albums and tracks that they may be kept for a minute.
func cacheable(s *proxytest.Proxy) {
	for _, path := range []string{"/v1/albums/", "/v1/tracks/"} {
		s.Sim.Inject(spotifytest.Fault{Path: path, Body: "{}", Header: http.Header{
			"Cache-Control": {"public, max-age=60"}, "Content-Type": {"application/json"},
		}})
	}
}

// wantCache fails unless a response came as Cache-Status says.
func wantCache(t *testing.T, a proxytest.Response, want string) {
	t.Helper()
	if got := a.Header.Get("Cache-Status"); !strings.HasPrefix(got, "spotify_proxy; "+want) {
		t.Errorf("Cache-Status %q, want %s", got, want)
	}
}

// Q05: two sessions of one account, in several tabs each, are one request; another
// account is one more, and one of the callers that hangs up leaves the others alone.
func TestIdenticalGetsAreOneRequest(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	laptop, phone, other := s.NewBrowser(), s.NewBrowser(), s.NewBrowser()
	laptop.Login("mira")
	phone.Login("mira")
	other.Login("jonas")
	s.Sim.ForgetRequests()
	fault := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Hold: true})

	// The first of all hangs up while the others wait.
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Origin+"/spotify/v1/me/playlists", nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if res, err := laptop.Client.Do(req); err == nil {
			res.Body.Close()
			t.Error("the caller that hung up has a response")
		}
	}()
	<-fault.Entered()
	var running sync.WaitGroup
	for _, b := range []*proxytest.Browser{laptop, phone, laptop, phone} {
		running.Go(func() {
			a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusOK)
			wantCache(t, a, "fwd=miss; collapsed")
			if !strings.Contains(a.Text, s.Origin+"/spotify/v1/") {
				t.Errorf("links are not rewritten: %.200s", a.Text)
			}
		})
	}
	proxytest.Eventually(t, "four are waiting", func() bool { return upstream.Waiting() == 4 })
	running.Go(func() {
		wantCache(t, other.WantStatus(other.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusOK), "fwd=miss")
	})
	<-fault.Entered()
	hangUp()
	<-left
	fault.Release()
	running.Wait()
	if n := upstreamGets(s, "/v1/me/playlists"); n != 2 {
		t.Errorf("%d requests reached Spotify for two accounts", n)
	}
}

// Q05: what asks for something else is not joined.
func TestOtherRequestsAreNotJoined(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "links keep"})
	b := s.NewBrowser()
	b.Login("mira")
	s.Sim.ForgetRequests()
	fault := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Hold: true})
	var running sync.WaitGroup
	for _, test := range []struct {
		target string
		edit   proxytest.Edit
	}{
		{"", func(*http.Request) {}},
		{"?limit=1", func(*http.Request) {}},
		{"", proxytest.Header("Accept-Language", "de")},
		{"", proxytest.Header("Range", "bytes=0-9")},
		{"", proxytest.Header("Range", "bytes=0-9")},
		{"", proxytest.Header("Cache-Control", "no-cache")},
		{"", proxytest.Header("If-None-Match", `"of-spotify"`)},
		{"", proxytest.Header("If-None-Match", `"of-spotify"`)},
	} {
		running.Go(func() { b.Fetch("GET", "/spotify/v1/me/playlists"+test.target, "", test.edit) })
		<-fault.Entered()
	}
	fault.Release()
	running.Wait()
}

// Q06: what the operator's rules keep is fresh for as long as they say, has an entity
// tag of ours, and is private to the account.
func TestRulesKeepResponses(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: `
		access_keys
		cache {
			5s /v1/me/player /v1/me/player/*
			10m /v1/me/top/artists
			off /v1/albums/*
		}
	`})
	b, other := s.NewBrowser(), s.NewBrowser()
	b.Login("mira")
	other.Login("jonas")
	program := s.Program(b.CreateKey(proxytest.KeyForm("a program")))
	get := func(b *proxytest.Browser, status int, edits ...proxytest.Edit) proxytest.Response {
		t.Helper()
		return b.WantStatus(b.Fetch("GET", "/spotify/v1/me/top/artists?limit=1", "", edits...), status)
	}
	plain := proxytest.Header("Accept-Encoding", "identity")
	first := get(b, 200, plain)
	wantCache(t, first, "fwd=miss; stored")
	tag := first.Header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || first.Header.Get("Age") != "" {
		t.Errorf("ETag %q, Age %q", tag, first.Header.Get("Age"))
	}
	fake.Advance(7 * time.Second)
	if gzipped := get(b, 200, proxytest.Header("Accept-Encoding", "gzip")); gzipped.Header.Get("ETag") != "W/"+tag {
		t.Errorf("the tag of the gzipped response is %q", gzipped.Header.Get("ETag"))
	}
	second := get(b, 200, plain)
	wantCache(t, second, "hit; ttl=593")
	if second.Text != first.Text || second.Header.Get("ETag") != tag || second.Header.Get("Age") != "7" ||
		second.Header.Get("Content-Type") != first.Header.Get("Content-Type") || second.Header.Get("Vary") != first.Header.Get("Vary") {
		t.Errorf("a hit has other headers: %v, %v", first.Header, second.Header)
	}
	unchanged := get(b, http.StatusNotModified, plain, proxytest.Header("If-None-Match", `"sp1-x", W/`+tag))
	if unchanged.Text != "" || unchanged.Header.Get("ETag") != tag || !strings.HasPrefix(unchanged.Header.Get("Cache-Control"), "private") {
		t.Errorf("a 304: %v", unchanged.Header)
	}
	get(b, 200, proxytest.Header("If-None-Match", `"sp1-other"`))
	wantCache(t, get(other, 200), "fwd=miss; stored")
	wantCache(t, get(program, 200), "hit") // it was granted as much as the session
	if n := upstreamGets(s, "/v1/me/top/artists"); n != 2 {
		t.Errorf("%d requests reached Spotify", n)
	}
	// no-cache goes through and refreshes, no-store leaves all as it was.
	wantCache(t, get(b, 200, proxytest.Header("Cache-Control", "no-cache")), "fwd=request; stored")
	wantCache(t, get(b, 200), "hit; ttl=600")
	fake.Advance(time.Second)
	wantCache(t, get(b, 200, proxytest.Header("Cache-Control", "no-store")), "fwd=request")
	wantCache(t, get(b, 200), "hit; ttl=599")
	// Spotify's own Cache-Control counts without a rule, and off is stronger.
	cacheable(s)
	for _, test := range []struct{ target, again string }{{"/spotify/v1/albums/1", "fwd=miss"}, {"/spotify/v1/tracks/1", "hit; ttl=60"}} {
		b.WantStatus(b.Fetch("GET", test.target, ""), http.StatusOK)
		wantCache(t, b.WantStatus(b.Fetch("GET", test.target, ""), http.StatusOK), test.again)
	}
}

// Q06: a change drops what is kept of its family, whichever site of the app makes it,
// and nothing of another account or family.
func TestChangesDropWhatIsKept(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: `
		cache {
			10m /v1/me/player /v1/me/playlists /v1/me
		}
	`})
	b, other := s.NewBrowser(), s.NewBrowser()
	b.Login("mira")
	other.Login("jonas")
	for _, who := range []*proxytest.Browser{b, other} {
		for _, path := range []string{"player", "playlists"} {
			who.Fetch("GET", "/spotify/v1/me/"+path, "")
		}
	}
	b.Fetch("PUT", "/spotify/v1/me/player/volume?volume_percent=17", "")
	wantCache(t, b.Fetch("GET", "/spotify/v1/me/player", ""), "fwd=miss; stored")
	wantCache(t, b.Fetch("GET", "/spotify/v1/me/playlists", ""), "hit")
	wantCache(t, other.Fetch("GET", "/spotify/v1/me/player", ""), "hit")
	b.WantStatus(b.Fetch("POST", "/spotify/v1/me/playlists", `{"name":"new","public":false}`, proxytest.Header("Content-Type", "application/json")), http.StatusCreated)
	a := b.Fetch("GET", "/spotify/v1/me/playlists", "")
	wantCache(t, a, "fwd=miss; stored")
	wantCache(t, b.Fetch("GET", "/spotify/v1/me/player", ""), "hit")

	// A logout drops all of the account, also for its other sessions.
	again := s.NewBrowser()
	again.Login("mira")
	wantCache(t, again.Fetch("GET", "/spotify/v1/me/player", ""), "hit")
	b.WantStatus(b.Fetch("POST", "/spotify/logout", ""), http.StatusNoContent)
	wantCache(t, again.Fetch("GET", "/spotify/v1/me/player", ""), "fwd=miss; stored")
	wantCache(t, other.Fetch("GET", "/spotify/v1/me/player", ""), "hit")

	// A reload drops everything: its rules may be others.
	s.Load("grace_period 1s")
	wantCache(t, other.Fetch("GET", "/spotify/v1/me/player", ""), "fwd=miss; stored")
}

// Q06: while Spotify limits the app, what is out of date is better than nothing, and
// says that it is.
func TestStaleWhileLimited(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	s := proxytest.Start(t, proxytest.Options{Auth: `
		cache {
			5s /v1/me/playlists
		}
	`})
	b := s.NewBrowser()
	b.Login("mira")
	get := func(status int, edits ...proxytest.Edit) proxytest.Response {
		t.Helper()
		return b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists?limit=1", "", edits...), status)
	}
	first := get(200)
	fake.Advance(6 * time.Second)
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Status: 429, RetryAfter: time.Hour, Body: "{}"})
	for range 2 { // Spotify's 429, and then the proxy's own
		a := get(200)
		wantCache(t, a, "hit; ttl=-1; detail=limited")
		if a.Header.Get("Spotify-Proxy-Stale") != "1" || a.Text != first.Text || a.Header.Get("Age") != "6" || a.Header.Get("Spotify-Proxy-Reason") != "" {
			t.Errorf("stale: %v", a.Header)
		}
	}
	get(http.StatusTooManyRequests, proxytest.Header("Cache-Control", "no-cache"))
	get(http.StatusTooManyRequests, proxytest.Header("Cache-Control", "max-age=2"))
	fake.Advance(11 * time.Minute)
	get(http.StatusTooManyRequests)
}

// P53, Q06: what breaks off is nobody else's, and not kept.
func TestBrokenResponsesAreNotKept(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: `
		cache {
			10m /v1/me/playlists
		}
	`})
	b := s.NewBrowser()
	b.Login("mira")
	s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Times: 1, CutAfter: 30})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Origin+"/spotify/v1/me/playlists", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if res, err := b.Client.Do(req); err == nil {
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Error("the client cannot tell that the response broke off")
		}
		res.Body.Close()
	}
	wantCache(t, b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), 200), "fwd=miss; stored")
}

// Q05, Q06: cache off sends each request and keeps nothing.
func TestCacheOff(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "cache off"})
	b := s.NewBrowser()
	b.Login("mira")
	s.Sim.ForgetRequests()
	cacheable(s)
	for range 2 {
		if a := b.WantStatus(b.Fetch("GET", "/spotify/v1/tracks/1", ""), http.StatusOK); a.Header.Get("Cache-Status") != "" {
			t.Errorf("Cache-Status %q", a.Header.Get("Cache-Status"))
		}
	}
	if n := upstreamGets(s, "/v1/tracks/1"); n != 2 {
		t.Errorf("%d requests reached Spotify", n)
	}
}
