package faulttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Q08, O53: reloads wait for no stream, none hangs, each is told when to come back, at
// different times, and requests beside them do not fail.
func TestReloadUnderStreams(t *testing.T) {
	t.Parallel()
	reloads, people := 12, 8
	if os.Getenv("CADDY_SPOTIFY_LONG") != "" {
		reloads, people = 100, 40
	}
	const each, connections = 25, 64
	c := newCluster(t, spotifytest.Options{RecordLimit: 1 << 20})
	c.cache = "" // as by default
	c.scopes = "user-read-private user-read-playback-state"
	in := c.start()
	visitors := make([]*visitor, people)
	for i := range visitors {
		visitors[i] = c.login(in)
	}
	l := &load{in: in, stop: make(chan struct{}), dropped: make(map[string]error)}
	var requests, streams sync.WaitGroup
	for i := range connections {
		requests.Go(func() { l.use(visitors[i%people].twin()) })
	}
	all := &listeners{in: in}
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	for _, v := range visitors {
		for range each {
			streams.Go(func() { all.listen(ctx, v) })
		}
	}
	var slowest time.Duration
	for i := range reloads {
		eventually(t, "all streams are open", func() bool { return all.count() == people*each })
		all.next()
		began := time.Now()
		if err := in.reload(fmt.Sprintf("header_down Config %d\n", l.config.Add(1))); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		slowest = max(slowest, time.Since(began))
	}
	eventually(t, "all streams are open again", func() bool { return all.count() == people*each })
	close(l.stop)
	requests.Wait()
	hangUp()
	streams.Wait()

	first, last, broken := all.sum()
	polls := c.polls()
	t.Logf("%d reloads, the slowest in %s, %d streams: %d ended with bye, which come back between %s and %s, %d without; %d requests, %d failed; %d requests for the player",
		reloads, slowest.Round(time.Millisecond), people*each, len(all.retries), first, last, broken, l.requests, len(l.failed), polls)
	for _, err := range l.failed[:min(5, len(l.failed))] {
		t.Errorf("a request failed: %v", err)
	}
	if broken != 0 || len(all.retries) < reloads*people*each {
		t.Errorf("%d streams ended with bye, want %d, and %d without", len(all.retries), reloads*people*each, broken)
	}
	if last-first < 5*time.Second {
		t.Errorf("they come back between %s and %s", first, last)
	}
}

// listeners are streams that come back when they are told to, if sooner.
type listeners struct {
	in *instance

	mu      sync.Mutex
	open    int // since the last reload
	retries []time.Duration
	broken  int
}

func (l *listeners) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// next begins a round: streams count once they are open again.
func (l *listeners) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = 0
}

func (l *listeners) sum() (first, last time.Duration, broken int) {
	first = time.Hour
	for _, d := range l.retries {
		first, last = min(first, d), max(last, d)
	}
	return first, last, l.broken
}

var byeWithRetry = regexp.MustCompile(`event: bye\ndata: \{"reason":"reload"\}\nretry: (\d+)\n\n$`)

// listen opens one stream after the other until ctx ends.
func (l *listeners) listen(ctx context.Context, v *visitor) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.in.origin+"/spotify/events", nil)
		if err != nil {
			l.in.t.Error(err)
			return
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Accept", "text/event-stream")
		res, err := v.client.Do(req)
		if err != nil {
			continue // the connection was new and met a reload: an EventSource tries again as well
		}
		l.mu.Lock()
		if res.StatusCode == http.StatusOK {
			l.open++
		} else {
			l.broken++
		}
		l.mu.Unlock()
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		if bye := byeWithRetry.FindSubmatch(text); bye != nil {
			ms, _ := strconv.Atoi(string(bye[1]))
			l.retries = append(l.retries, time.Duration(ms)*time.Millisecond)
		} else {
			l.broken++
		}
		l.mu.Unlock()
	}
}
