package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/demo"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	// meanStay is how long a visitor of the widget stays in the mean, and shortStay at
	// least.
	meanStay  = 5 * time.Minute
	shortStay = 10 * time.Second
	// arrivals is over what time the first visitors arrive.
	arrivals = 30 * time.Second
)

// widgetFiles are what a browser loads of the page of examples/now-playing.
var widgetFiles = []string{"/", "/style.css", "/app.js", "/spotify/client.js", "/card.svg"}

// watchWidget has the page of examples/now-playing visited, at all times by as many as
// -visitors says. Each loads the page and opens a stream, leaves after a while, and
// another one comes.
func watchWidget(ctx context.Context, sc scenario, s settings) error {
	dir, err := folder("examples", "now-playing")
	if err != nil {
		return err
	}
	written, err := os.ReadFile(filepath.Join(dir, "Caddyfile"))
	if err != nil {
		return err
	}
	h, err := startHour(ctx, sc, s, func(sim *spotifytest.Running, addr string) (string, string, error) {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			return "", "", err
		}
		text, err := demo.Simulate(strings.Replace(string(written), "root * site", "root * "+filepath.Join(dir, "site"), 1), at, sim)
		_, id, _ := strings.Cut(text, "client_id ")
		id, _, _ = strings.Cut(id, "\n")
		return text, id, err
	})
	if err != nil {
		return err
	}
	defer h.stop()
	if err := h.connect(ctx, "/spotify/share/connect"); err != nil {
		return fmt.Errorf("connecting the account: %w\n%s", err, h.site.log())
	}
	if err := h.begin(); err != nil {
		return err
	}
	v := &visitors{hour: h, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second, DialContext: new(net.Dialer).DialContext,
	}}}
	defer v.client.CloseIdleConnections()
	watch, cancel := context.WithTimeout(ctx, s.watch())
	defer cancel()
	var wg sync.WaitGroup
	for range s.visitors {
		wg.Go(func() {
			if pause(watch, rand.N(arrivals)) { //nolint:gosec // nothing is secret
				v.come(watch)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	fmt.Printf("  %d visitors at all times, %d in all, who stay for %v in the mean; %d events; %d loads or streams failed%s\n",
		s.visitors, v.came, meanStay, v.events, v.failed, v.failure)
	return h.report(os.Stdout, v.stayed, fmt.Sprintf("%d pages", s.visitors), v.lags, h.phone.unseen(h.began))
}

// visitors are those of the widget.
type visitors struct {
	hour   *hour
	client *http.Client

	mu      sync.Mutex
	came    int
	events  int
	failed  int
	failure string
	stayed  time.Duration // of all together
	lags    []time.Duration
}

// come is one visitor after another, until ctx is done.
func (v *visitors) come(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		stay, cancel := context.WithTimeout(ctx, max(shortStay, time.Duration(rand.ExpFloat64()*float64(meanStay)))) //nolint:gosec // nothing is secret
		err := v.visit(stay)
		left := stay.Err() != nil
		cancel()
		v.mu.Lock()
		v.came++
		v.stayed += time.Since(began)
		if err != nil && !left {
			v.failed++
			v.failure = ", the last with: " + err.Error()
		}
		v.mu.Unlock()
		if err != nil && !left && !pause(ctx, time.Second) {
			return
		}
	}
}

// visit loads the page and listens until ctx is done.
func (v *visitors) visit(ctx context.Context) error {
	for _, file := range widgetFiles {
		if err := get(ctx, v.client, v.hour.site.url()+file); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.hour.site.url()+"/spotify/share/events", nil)
	if err != nil {
		return err
	}
	res, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream: status %s", res.Status)
	}
	lines, track := bufio.NewReaderSize(res.Body, 32<<10), ""
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		data, found := strings.CutPrefix(string(line), "data: ")
		if !found {
			continue
		}
		var news struct {
			Player struct {
				Item struct{ URI string }
			}
		}
		if err := json.Unmarshal([]byte(data), &news); err != nil {
			return errors.Join(err, errors.New("an event that is no JSON: "+data))
		}
		v.heard(&track, news.Player.Item.URI)
	}
}

// heard notes an event. If it has another track than the one before it, a change has
// been seen.
func (v *visitors) heard(track *string, uri string) {
	changed := *track != "" && uri != "" && uri != *track
	if uri != "" { // otherwise it says that there is no news, or nothing plays
		*track = uri
	}
	var lag time.Duration
	if changed {
		lag, changed = v.hour.phone.saw(time.Now())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.events++
	if changed {
		v.lags = append(v.lags, lag)
	}
}
