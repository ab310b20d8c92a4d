package upstream

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
)

// accountsPool keeps the accounts of each client ID. A change that is made through
// one site or configuration of an app drops what all of them keep.
var accountsPool = newPerClient(cache.NewAccounts)

// AcquireCache returns a cache for a site of a client ID's, and what lets go of it
// and drops what it keeps.
func AcquireCache(clientID string, o cache.Options) (*cache.Cache, func() error) {
	accounts, release := accountsPool.acquire(clientID)
	c := cache.New(accounts, o)
	return c, func() error {
		c.Close()
		return release()
	}
}

// Waiting returns how many requests in the process wait for the response to an
// identical one.
func Waiting() int {
	n := 0
	accountsPool.each(func(_ string, accounts *cache.Accounts) { n += accounts.Waiting() })
	return n
}

// served is where the response to a call came from, if not simply from Spotify.
type served struct {
	how      telemetry.CacheOutcome // 0 if the cache has no part in it
	kept     bool                   // response is
	outdated bool                   // what was kept
	response *cache.Response        // that is whole and in memory; nil if it streams
	age, ttl time.Duration          // of one that was kept
	values   [2]string              // room for header values
}

// fetch sends a call to Spotify.
func (t *Transport) fetch(c *call) (*http.Response, error) {
	token, err := AccessToken(&c.ctx, c.ex)
	if err != nil {
		return nil, err
	}
	if err := c.readBody(t.replayLimit); err != nil {
		c.ex.note(ClientGone)
		return nil, clientFailed(err)
	}
	return t.sendWithRetry(c, token)
}

// once returns the response to a call: one that is kept, that of an identical
// request of the same account, or one of its own.
func (t *Transport) once(c *call) (*http.Response, error) {
	site, account := c.ex.Site, c.account()
	if site.Cache == nil || account == "" {
		return t.fetch(c)
	}
	switch c.in.Method {
	case http.MethodGet:
	case http.MethodHead:
		return t.fetch(c)
	default:
		_, family := c.bucket()
		site.Cache.Accounts().Write(account, family)
		defer site.Cache.Accounts().Write(account, family)
		return t.fetch(c)
	}
	if site.Cache.Off() {
		return t.fetch(c)
	}
	key, ok := t.keyOf(c)
	if !ok {
		c.served.how = telemetry.CacheBypass
		return t.fetch(c)
	}
	asks := c.asks()
	_, family := c.bucket()
	kept, flight, state := site.Cache.Begin(&c.flight, account, family, key, asks)
	switch state {
	case cache.Hit:
		return c.serve(served{how: telemetry.CacheHit, response: kept.Response, kept: true, age: kept.Age, ttl: kept.TTL}), nil
	case cache.Joined:
		ctx, span := trace.Start(c.in.Context(), trace.JoinedWait)
		outcome, err := flight.Wait(ctx)
		span.End(errors.Join(err, outcome.Err))
		switch {
		case err != nil:
			return nil, err
		case outcome.Response != nil:
			res := c.serve(served{how: telemetry.CacheCollapsed, response: outcome.Response, kept: outcome.Fresh > 0})
			return t.orStale(c, key, asks, res, nil)
		case outcome.Err != nil:
			return t.orStale(c, key, asks, nil, outcome.Err)
		}
		c.served.how = telemetry.CacheMiss
		return t.fetch(c)
	}
	c.served.how, c.served.outdated = telemetry.CacheMiss, kept.Response != nil
	if asks.NoCache {
		c.served.how = telemetry.CacheRefresh
	}
	res, err := t.lead(c, asks)
	return t.orStale(c, key, asks, res, err)
}

// asks are what the client, or who asks for it, wants of a cache.
func (c *call) asks() cache.Asks {
	if c.ex.KeptElsewhere {
		return cache.Asks{NoCache: true, NoStore: true, MaxAge: -1}
	}
	asks := cache.AsksOf(c.out.Header)
	asks.NoCache = asks.NoCache || c.ex.Fresh
	return asks
}

// orStale returns what came of a call or, if that is a 429, be it Spotify's or our
// own, what is kept though it is out of date.
func (t *Transport) orStale(c *call, key cache.Key, asks cache.Asks, res *http.Response, err error) (*http.Response, error) {
	p := problem.As(err)
	limited := p != nil && p.Status == http.StatusTooManyRequests || err == nil && res.StatusCode == http.StatusTooManyRequests
	if !limited || asks.NoCache {
		return res, err
	}
	kept := c.ex.Site.Cache.Peek(c.account(), key)
	if kept.Response == nil || asks.MaxAge >= 0 && kept.Response.Age(kept.Age) > asks.MaxAge {
		return res, err
	}
	if res != nil {
		discard(res)
	}
	c.reason = ""
	return c.serve(served{how: telemetry.CacheStale, response: kept.Response, kept: true, age: kept.Age, ttl: kept.TTL}), nil
}

// lead sends the call, whose flight others may join. If the client hangs up, the
// call goes on for as long as one of them is waiting.
func (t *Transport) lead(c *call, asks cache.Asks) (res *http.Response, err error) {
	f := &c.flight
	c.ctx.detach()
	f.OnAbandon(c.ctx.end)
	c.hungUp = context.AfterFunc(c.in.Context(), f.Leave)
	handed := false
	defer func() {
		if !handed {
			f.Finish(cache.Outcome{}) // also if fetch panics
		}
	}()
	res, err = t.fetch(c)
	switch p := problem.As(err); {
	case err == nil:
	case p != nil && p.Status != http.StatusTooManyRequests, c.ctx.Err() != nil:
		// It is the matter of this session, or of this client.
		return nil, err
	default:
		f.Finish(cache.Outcome{Err: err})
		return nil, err
	}
	kept := cache.Outcome{Supersedes: res.StatusCode < http.StatusInternalServerError && res.StatusCode != http.StatusTooManyRequests}
	fresh, stale := c.ex.Site.Cache.Lifetime(c.in.URL.Path, res.StatusCode, res.Header)
	if asks.NoStore {
		fresh, stale, kept.Supersedes = 0, 0, false
	}
	if !shareable(res) || fresh == 0 && f.SealIfAlone() {
		f.Finish(kept)
		return res, nil
	}
	handed = true
	kept.Fresh, kept.Stale = fresh, stale
	return t.collect(c, res, kept), nil
}

// shareable reports whether a response may be that of several requests. What it
// says about a token concerns one session, and a stream has no end to wait for.
func shareable(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusPartialContent, http.StatusNotModified, http.StatusSwitchingProtocols:
		return false
	}
	if res.ContentLength > cache.MaxBody || strings.HasPrefix(problem.First(res.Header["Content-Type"]), "text/event-stream") {
		return false
	}
	// The end of a body that ends with the connection cannot be told from a
	// connection that broke off (RFC 9112 §8).
	return res.ContentLength >= 0 || res.ProtoMajor != 1 || len(res.TransferEncoding) > 0 || res.Uncompressed
}

// serve makes a response of one that is in memory.
func (c *call) serve(s served) *http.Response {
	c.served = s
	r := s.response
	res := &http.Response{
		Status: strconv.Itoa(r.Status) + " " + http.StatusText(r.Status), StatusCode: r.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.Header.Clone(), Request: c.in,
	}
	setWhole(res, r.Body)
	return res
}

// dress says in the headers of a call's response where it came from, and makes a 304
// of one that the client has.
func (c *call) dress(res *http.Response) *http.Response {
	s := &c.served
	if s.how == 0 {
		return res
	}
	c.ex.Site.Metrics.Cached(s.how)
	status := cacheStatus(s)
	if others := res.Header["Cache-Status"]; len(others) > 0 {
		res.Header["Cache-Status"] = append(others[:len(others):len(others)], status)
	} else {
		s.values[0] = status
		res.Header["Cache-Status"] = s.values[0:1:1]
	}
	if s.how == telemetry.CacheStale {
		res.Header.Set(staleHeader, "1")
	}
	r := s.response
	if r == nil || !s.kept {
		return res
	}
	if s.how == telemetry.CacheHit || s.how == telemetry.CacheStale {
		s.values[1] = strconv.FormatInt(int64(r.Age(s.age)/time.Second), 10)
		res.Header["Age"] = s.values[1:2:2]
	}
	if r.ETag == "" {
		return res
	}
	tag := r.ETag
	if res.Header["Content-Encoding"] != nil {
		// Only of the text is it sure that its bytes are the same each time
		// (RFC 9110 §8.8.1): links in it are changed for every client anew.
		tag = "W/" + tag
	}
	res.Header.Set("ETag", tag)
	if c.ifNoneMatch == nil || !r.Matches(c.ifNoneMatch) {
		return res
	}
	_ = res.Body.Close()
	res.Status, res.StatusCode = "304 Not Modified", http.StatusNotModified
	res.Body, res.ContentLength = http.NoBody, 0
	delete(res.Header, "Content-Length")
	delete(res.Header, "Content-Type")
	delete(res.Header, "Content-Encoding")
	return res
}

// staleHeader marks a response that is shown although it is out of date, because
// there is no newer one to be had.
const staleHeader = "Spotify-Proxy-Stale"

// cacheStatus is the value of Cache-Status (RFC 9211).
func cacheStatus(s *served) string {
	ttl := strconv.FormatInt(int64(s.ttl/time.Second), 10)
	switch s.how {
	case telemetry.CacheHit:
		return "spotify_proxy; hit; ttl=" + ttl
	case telemetry.CacheStale:
		return "spotify_proxy; hit; ttl=" + ttl + "; detail=limited"
	case telemetry.CacheCollapsed:
		return "spotify_proxy; fwd=miss; collapsed"
	}
	why := "miss"
	switch {
	case s.how == telemetry.CacheBypass:
		why = "bypass"
	case s.how == telemetry.CacheRefresh:
		why = "request"
	case s.outdated:
		why = "stale"
	}
	if s.kept {
		return forwarded[why].stored
	}
	return forwarded[why].passed
}

// forwarded are the values for requests that were sent, by why they were.
var forwarded = func() map[string]struct{ passed, stored string } {
	values := make(map[string]struct{ passed, stored string })
	for _, why := range []string{"miss", "bypass", "request", "stale"} {
		value := "spotify_proxy; fwd=" + why
		values[why] = struct{ passed, stored string }{value, value + "; stored"}
	}
	return values
}()

// holdBody is how long the rest of a body that is to be kept, or that others wait
// for, is waited for before what there is of it goes to the client.
const holdBody = 250 * time.Millisecond

// waitFor waits for a moment at most until done is closed, and reports whether it is.
func waitFor(ctx context.Context, done <-chan struct{}, patience time.Duration) bool {
	late := make(chan struct{})
	defer clock.Get().AfterFunc(patience, func() { close(late) })()
	select {
	case <-done:
		return true
	case <-late:
	case <-ctx.Done():
	}
	return false
}
