package share

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// staleHeader marks an answer that is shown although it is out of date, because
// there is no newer one to be had.
const staleHeader = "Spotify-Proxy-Stale"

// Requested returns what a request of a visitor without a session gets to see of
// the shared account, or nil.
func (s *Share) Requested(r *http.Request) *target {
	if s == nil {
		return nil
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return s.allowed(strings.TrimPrefix(r.URL.Path, s.site.Prefix), r.URL.RawQuery)
	}
	return nil
}

// Serve answers with the owner's data. A request from another site or origin is
// foreign: it gets them whether or not its visitor has a session, which it must not
// learn. Without CORS its response is kept by no cache: there it could be taken for the
// visitor's own data, and how fast it comes again would tell whether it was kept.
func (s *Share) Serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, t *target, foreign bool) error {
	s.openTo(w.Header(), r)
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	kept, err := s.get(r.Context(), t, s.fetcher(next, server))
	if err != nil {
		return caddyhttp.Error(telemetry.StatusClientGone, err)
	}
	if kept.Response == nil {
		p := *problem.As(kept.Failure)
		p.RetryAfter = max(p.RetryAfter, kept.Wait)
		return s.site.Fail(w, r, &p)
	}
	_, hasCookie := s.site.Session(r.Header)
	opened := w.Header().Get("Access-Control-Allow-Origin") != ""
	return s.show(w, r, kept, foreign && (hasCookie || !opened))
}

// openTo has browsers let pages of other origins read the answer, if that was
// chosen. It comes without credentials: visitors who are logged in get their own
// data, which is nobody else's to read.
func (s *Share) openTo(h http.Header, r *http.Request) {
	if len(s.origins) == 0 || s.site.AllowsOrigin(r) {
		// To pages on the origins of allow_origin it is open already.
		return
	}
	allowed := "*"
	if s.origins[0] != "*" {
		if !problem.HasToken(h["Vary"], "origin") {
			h.Add("Vary", "Origin")
		}
		allowed = r.Header.Get("Origin")
		if !slices.Contains(s.origins, allowed) {
			return
		}
	}
	h.Set("Access-Control-Allow-Origin", allowed)
	h.Set("Access-Control-Expose-Headers", "Age, ETag, Retry-After, "+reason.Header+", "+staleHeader)
}

// Preflight answers a browser that asks before it sends a request with headers
// of a page's own.
func (s *Share) Preflight(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	s.openTo(h, r)
	h.Set("Allow", "GET, HEAD, OPTIONS")
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "Accept, Content-Type, If-None-Match")
		h.Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// show writes a response.
func (s *Share) show(w http.ResponseWriter, r *http.Request, kept cache.Kept, private bool) error {
	response, h := kept.Response, w.Header()
	for name, values := range response.Header {
		h[name] = slices.Clone(values) // handlers before this one may change them
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", problem.InertPolicy)
	// With another cookie, which is a session's, the same path has another answer.
	h.Add("Vary", "Cookie")
	if s.site.Upstream.Keys {
		h.Add("Vary", "Authorization") // or with a key's
	}
	h.Set("Age", seconds(response.Age(kept.Age)))
	h.Set("Cache-Control", "public, max-age="+seconds(s.fresh))
	if kept.TTL <= 0 {
		h.Set(staleHeader, "1")
		h.Set("Cache-Control", "public, no-cache")
	}
	if private {
		h.Set("Cache-Control", "private, no-store")
	}
	if response.Status == http.StatusOK {
		h.Set("ETag", response.ETag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(response.Body))
		return nil
	}
	w.WriteHeader(response.Status)
	if r.Method == http.MethodHead || response.Status == http.StatusNoContent {
		return nil
	}
	_, err := w.Write(response.Body)
	return err
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// CheckOrigin refuses what is not an origin whose pages may read the shared
// responses, of so many that are listed. "*" stands for all origins.
func CheckOrigin(origin string, of int) error {
	if origin == "*" {
		if of > 1 {
			return errors.New("share cors: * covers all origins: give it alone")
		}
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != origin {
		return fmt.Errorf("share cors %q is not an origin: write it like https://www.example.com, in lower case and without a path, or *", origin)
	}
	return nil
}
