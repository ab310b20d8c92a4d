package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Paths of the upstream's Web API, below /v1.
const (
	smallPath  = "/small"
	largePath  = "/large"
	uploadPath = "/upload"
)

// upstreamOptions are for the upstream's process, which has them from its
// environment.
type upstreamOptions struct {
	Address string
	// TokenLife is the life of access tokens.
	TokenLife time.Duration
	// RefreshTakes is how long the token endpoint takes for a refresh.
	RefreshTakes time.Duration
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
	p := &process{addr: o.Address, cancel: cancel}
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
	mu        sync.Mutex
	refreshes []time.Time
}

func serveUpstream() error {
	u := new(upstream)
	if err := json.Unmarshal([]byte(os.Getenv(optionsVariable)), &u.options); err != nil {
		return fmt.Errorf("reading the options: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", u.authorize)
	mux.HandleFunc("POST /api/token", u.token)
	mux.Handle("GET /v1/me", answer([]byte(`{"id":"user","account_id":"6gY5IRPwmSgvhfRLwGhTKh","display_name":"Some Name"}`)))
	mux.Handle("GET /v1"+smallPath, answer(page(2_000)))
	mux.Handle("GET /v1"+largePath, answer(page(100_000)))
	mux.HandleFunc("PUT /v1"+uploadPath, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /refreshes", u.listRefreshes)
	server := &http.Server{Addr: u.options.Address, Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// answer sends a body with the headers that Spotify's answers have.
func answer(body []byte) http.Handler {
	length := strconv.Itoa(len(body))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"] = []string{"application/json; charset=utf-8"}
		h["Content-Length"] = []string{length}
		h["Cache-Control"] = []string{"private, max-age=0"}
		h["X-Robots-Tag"] = []string{"noindex, nofollow"}
		h["Vary"] = []string{"Authorization"}
		h["Strict-Transport-Security"] = []string{"max-age=31536000"}
		h["X-Content-Type-Options"] = []string{"nosniff"}
		h["Via"] = []string{"1.1 google"}
		_, _ = w.Write(body)
	})
}

// page is about so many bytes of a paging object, with as many links in it as
// Spotify's have: its own, and three for each item.
func page(size int) []byte {
	const api = "https://api.spotify.com/v1"
	item := func(i int) string {
		return fmt.Sprintf(`{"href":"%s/tracks/4iV5W9uYEdYUVa79Axb7Rh%03d","id":"4iV5W9uYEdYUVa79Axb7Rh%03d","name":"Track number %d","popularity":%d,`+
			`"explicit":false,"duration_ms":%d,"album":{"href":"%s/albums/2up3OPMp9Tb4dAKM2erWXQ","name":"An album","release_date":"2019-06-21"},`+
			`"artists":[{"href":"%s/artists/6sFIWsNpZYqfjUpaCgueju","name":"Somebody","type":"artist"}],"type":"track","is_local":false}`,
			api, i, i, i, i%100, 180_000+i, api, api)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"href":"%s/me/tracks?offset=0&limit=50","next":"%s/me/tracks?offset=50&limit=50","previous":null,"limit":50,"offset":0,"total":540,"items":[`, api, api)
	b.WriteString(item(0))
	for i := 1; b.Len() < size-300; i++ {
		b.WriteString("," + item(i))
	}
	b.WriteString("]}")
	return []byte(b.String())
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
		"refresh_token": fmt.Sprintf("AQ%0129d", n), "scope": "user-read-private user-top-read",
	})
}

// listRefreshes answers with when refreshes began.
func (u *upstream) listRefreshes(w http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_ = json.NewEncoder(w).Encode(u.refreshes)
}
