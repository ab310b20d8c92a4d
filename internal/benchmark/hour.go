package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	// hourUser is the account whose player is followed.
	hourUser = "mira"
	// polledEvery is the interval of the pages that a scenario is compared with.
	polledEvery = 5 * time.Second
	// hourTokenLife is Spotify's.
	hourTokenLife = time.Hour
)

// hour is a simulated Spotify, somebody who listens to music on a phone, and a site in
// a Caddy of its own, watched for some time.
type hour struct {
	sim      *spotifytest.Running
	site     *caddyProcess
	phone    *phone
	clientID string
	before   map[string]spotifytest.Spending // spent when the watch began
	cpu      time.Duration                   // used when it began
	began    time.Time
}

// startHour starts all of it. configure writes the site's Caddyfile.
func startHour(ctx context.Context, sc scenario, s settings, configure func(sim *spotifytest.Running, addr string) (text, clientID string, err error)) (*hour, error) {
	sim, err := spotifytest.New(spotifytest.Options{TokenLife: hourTokenLife, Rotation: spotifytest.RotateRevoke}).Listen("")
	if err != nil {
		return nil, err
	}
	h := &hour{sim: sim}
	s.profiles = "" // of a run that long they would say nothing
	var problem error
	h.site, err = startCaddy(ctx, "", sc, s, func(_, addr string, _ scenario) string {
		var text string
		text, h.clientID, problem = configure(sim, addr)
		return text
	})
	if err = cmp.Or(problem, err); err != nil {
		sim.Close()
		return nil, err
	}
	if h.phone, err = startPhone(ctx, sim); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

func (h *hour) stop() {
	h.site.stop()
	h.sim.Close()
}

// begin begins the watch: what was spent before does not count.
func (h *hour) begin() error {
	var err error
	h.cpu, err = h.site.cpu()
	h.before, h.began = h.sim.Spent(h.clientID), time.Now()
	return err
}

// report prints what Spotify was asked since begin, beside what it would have been by
// pages that ask every five seconds, and how late changes were seen.
func (h *hour) report(w io.Writer, watched time.Duration, pages string, lags []time.Duration, missed int) error {
	cpu, err := h.site.cpu()
	if err != nil {
		return err
	}
	resident, err := h.site.resident()
	if err != nil {
		return err
	}
	elapsed := time.Since(h.began)
	spent, total, player := h.sim.Spent(h.clientID), 0, 0
	fmt.Fprintf(w, "  watched for %v: the simulated Spotify was asked\n", elapsed.Round(time.Second))
	for _, operation := range slices.Sorted(maps.Keys(spent)) {
		if n := spent[operation].Served - h.before[operation].Served; n > 0 {
			fmt.Fprintf(w, "    %6d × %s\n", n, operation)
			total += n
			if strings.HasPrefix(operation, "GET /me/player") {
				player += n
			}
		}
	}
	polled := int(watched / polledEvery)
	fmt.Fprintf(w, "    %6d requests in all, %d of them for the player; of %s that ask for it every %v: %d, %.0f times as many\n",
		total, player, pages, polledEvery, polled, float64(polled)/float64(max(player, 1)))
	skips, ends := h.phone.counts()
	fmt.Fprintf(w, "  changes on the phone: %d tracks that ended, %d skipped\n", ends, skips)
	fmt.Fprintf(w, "  seen after: p50 %v, p90 %v, p95 %v, longest %v (%d sightings, %d changes not seen before the next)\n",
		tenths(percentile(lags, 50)), tenths(percentile(lags, 90)), tenths(percentile(lags, 95)), tenths(percentile(lags, 100)), len(lags), missed)
	fmt.Fprintf(w, "  the server: %v of CPU time (%.2f %% of a core), %.0f MiB resident, load %s\n",
		(cpu - h.cpu).Round(10*time.Millisecond), 100*(cpu-h.cpu).Seconds()/elapsed.Seconds(), float64(resident)/(1<<20), load())
	return nil
}

func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// newVisitor is a browser without a page, with a cookie jar.
func newVisitor() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	return &http.Client{Jar: jar, Timeout: time.Minute}, err
}

// connect logs the account in at a page of the site.
func (h *hour) connect(ctx context.Context, path string) error {
	visitor, err := newVisitor()
	if err != nil {
		return err
	}
	callback, err := spotifytest.Visit(visitor, h.site.url()+path, hourUser, "agree")
	if err != nil {
		return err
	}
	return get(ctx, visitor, callback)
}

// get reads a page to its end.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %s", url, res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// folder returns a folder of the repository. The command runs in its own.
func folder(elements ...string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err != nil {
		return "", fmt.Errorf("run the command in internal/benchmark: %w", err)
	}
	return dir, nil
}

// fill fills in a Caddyfile.
func fill(text string, values map[string]string) string {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
