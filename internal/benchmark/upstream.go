package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Paths of the upstream's Web API, below /v1. They are real ones, since the proxy
// looks them up.
const (
	smallPath   = "/me/tracks"
	largePath   = "/me/top/tracks"
	packedPath  = "/me/top/artists" // the large one, gzipped for who accepts that
	smallPacked = "/me/albums"      // the small one, gzipped
	uploadPath  = "/playlists/3cEYpjA9oz9GiPac4AsH4n/images"
)

// upstreamOptions are for the upstream's process, which has them from its
// environment.
type upstreamOptions struct {
	Address string
	// TokenLife is the life of access tokens.
	TokenLife time.Duration
	// RefreshTakes is how long the token endpoint takes for a refresh.
	RefreshTakes time.Duration
	// OneAccount has all logins be of one account. Otherwise each is of another, since
	// identical requests of one account would be joined, and so not be sent.
	OneAccount bool
	// SecureAddress is where the API is served over TLS and HTTP/2 as well, if it is set,
	// with a certificate, and FarAddress where that can be reached from far away, with a
	// round trip. IdleTimeout is how long a connection is kept that is not used.
	SecureAddress, FarAddress string
	CertFile, KeyFile         string
	RoundTrip, IdleTimeout    time.Duration
}

const optionsVariable = "CADDY_SPOTIFY_BENCHMARK_UPSTREAM"

func startUpstream(ctx context.Context, o upstreamOptions) (*process, error) {
	var err error
	if o.Address, err = freeAddress(); err != nil {
		return nil, err
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &process{addr: o.Address, pin: ofOthers, cancel: cancel}
	cmd, err := command(ctx, roleUpstream, 1)
	if err == nil {
		cmd.Env = append(cmd.Env, optionsVariable+"="+string(options))
		err = p.start(cmd, dialPlain)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// upstream is a Web API that costs next to nothing, and an accounts service
// that agrees to everything at once. What Spotify really says is the simulator's
// business, which would take more time than what is measured.
type upstream struct {
	options   upstreamOptions
	tokens    atomic.Int64
	accounts  atomic.Int64
	track     atomic.Int64 // that is played
	asking    atomic.Int64 // requests for the player in progress
	mu        sync.Mutex
	refreshes []time.Time
	asked     playerAsked
}

func serveUpstream() error {
	u := new(upstream)
	if err := json.Unmarshal([]byte(os.Getenv(optionsVariable)), &u.options); err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", u.authorize)
	mux.HandleFunc("POST /api/token", u.token)
	mux.HandleFunc("GET /v1/me", u.profile)
	mux.Handle("GET /v1"+smallPath, answer(page(2_000)))
	mux.Handle("GET /v1"+largePath, answer(page(100_000)))
	mux.Handle("GET /v1"+packedPath, answerPacked(page(100_000)))
	mux.Handle("GET /v1"+smallPacked, answerPacked(page(2_000)))
	mux.HandleFunc("PUT /v1"+uploadPath, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v1/me/player", u.playing)
	mux.HandleFunc("POST /v1/me/player/next", func(w http.ResponseWriter, _ *http.Request) {
		u.track.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /refreshes", u.listRefreshes)
	mux.HandleFunc("GET /asked", func(w http.ResponseWriter, _ *http.Request) {
		u.mu.Lock()
		defer u.mu.Unlock()
		_ = json.NewEncoder(w).Encode(u.asked)
	})
	if u.options.SecureAddress != "" {
		if err := u.serveFar(mux); err != nil {
			return err
		}
	}
	server := &http.Server{Addr: u.options.Address, Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// serveFar serves over TLS and HTTP/2, far away.
func (u *upstream) serveFar(handler http.Handler) error {
	if _, err := startRelay(u.options.FarAddress, u.options.SecureAddress, u.options.RoundTrip); err != nil {
		return err
	}
	server := &http.Server{Addr: u.options.SecureAddress, Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: u.options.IdleTimeout}
	go func() {
		if err := server.ListenAndServeTLS(u.options.CertFile, u.options.KeyFile); err != nil {
			fmt.Fprintln(os.Stderr, "benchmark:", err)
		}
	}()
	return nil
}

// profile is asked for once a login.
func (u *upstream) profile(w http.ResponseWriter, _ *http.Request) {
	n := int64(1)
	if !u.options.OneAccount {
		n = u.accounts.Add(1)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"id":"user%d","account_id":"6gY5IRPwmSgvhf%08d","display_name":"Some Name"}`, n, n)
}

// playerTakes is how long the API takes to say what is played, so that requests that
// overlap are seen to.
const playerTakes = 50 * time.Millisecond

// playing is a player in the middle of a long track.
func (u *upstream) playing(w http.ResponseWriter, _ *http.Request) {
	now := u.asking.Add(1)
	defer u.asking.Add(-1)
	u.mu.Lock()
	u.asked.Requests++
	u.asked.AtOnce = max(u.asked.AtOnce, now)
	u.mu.Unlock()
	time.Sleep(playerTakes)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"device":{"id":"d","name":"Kitchen"},"is_playing":true,"progress_ms":0,"currently_playing_type":"track","item":{"uri":"spotify:track:%d","duration_ms":3600000,"album":%s}}`,
		u.track.Load(), page(2_000))
}

// packed is what Spotify makes of a body for who accepts gzip.
func packed(body []byte) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = zw.Write(body)
	_ = zw.Close()
	return b.Bytes()
}

// spotifyHeaders are those of the Web API's answers, but for Content-Encoding,
// Date and what tells the length, as client libraries and their users have
// recorded them from 2020 to 2025.
const spotifyHeaders = `content-type: application/json; charset=utf-8
cache-control: private, max-age=0
etag: "MC-ImMwNTRhZWZhMTBkODMyM2QxN2QyMWNmMDU2NjcwODJmIg=="
vary: Authorization
x-robots-tag: noindex, nofollow
access-control-allow-origin: *
access-control-allow-headers: Accept, App-Platform, Authorization, Content-Type, Origin, Retry-After, Spotify-App-Version, X-Cloud-Trace-Context, client-token, content-access-token
access-control-allow-methods: GET, POST, OPTIONS, PUT, DELETE, PATCH
access-control-allow-credentials: true
access-control-max-age: 604800
strict-transport-security: max-age=31536000
x-content-type-options: nosniff
alt-svc: h3=":443"; ma=2592000,h3-29=":443"; ma=2592000
server: envoy
via: HTTP/2 edgeproxy, 1.1 google`

// answer sends a body with the headers that Spotify's answers have, and one more
// if its name and value are given.
func answer(body []byte, more ...string) http.Handler {
	all := http.Header{"Content-Length": {strconv.Itoa(len(body))}}
	for name, value := range headerLines(spotifyHeaders) {
		all.Set(name, value)
	}
	if len(more) > 0 {
		all.Set(more[0], more[1])
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), all)
		_, _ = w.Write(body)
	})
}

// answerPacked is answer, but gzipped for who accepts that.
func answerPacked(body []byte) http.Handler {
	plain, gzipped := answer(body), answer(packed(body), "Content-Encoding", "gzip")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			gzipped.ServeHTTP(w, r)
			return
		}
		plain.ServeHTTP(w, r)
	})
}

// accessToken has the length of Spotify's.
func accessToken(n int64) string { return fmt.Sprintf("BQ%0200d", n) }

func (u *upstream) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back := url.Values{"code": {"AQ" + q.Get("code_challenge")}, "state": {q.Get("state")}}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusFound)
}

func (u *upstream) token(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") == "refresh_token" {
		u.mu.Lock()
		u.refreshes = append(u.refreshes, time.Now())
		u.mu.Unlock()
		time.Sleep(u.options.RefreshTakes)
	}
	n := u.tokens.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": accessToken(n), "token_type": "Bearer", "expires_in": int(u.options.TokenLife.Seconds()),
		"refresh_token": fmt.Sprintf("AQ%0129d", n), "scope": "user-read-private user-top-read user-read-currently-playing user-read-playback-state user-modify-playback-state",
	})
}

// listRefreshes answers with when refreshes began.
func (u *upstream) listRefreshes(w http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_ = json.NewEncoder(w).Encode(u.refreshes)
}
