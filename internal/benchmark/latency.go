package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	// farAway is the round trip to the API.
	farAway = 40 * time.Millisecond
	// latencyEvery is the time between two requests of a warm server.
	latencyEvery = time.Second / 50
	// edgeIdle is how long the API keeps a connection that is not used, and idleFor how
	// long nothing is asked before a cold request.
	edgeIdle = 11 * time.Second
	idleFor  = 15 * time.Second
	// coldTries is how many cold requests, and requests after a reload, there are for each
	// server.
	coldTries = 7
	// latencyLife is the life of tokens of the server whose tokens are refreshed. Half of it
	// is left when they are.
	latencyLife = 16 * time.Second
)

// watchLatency asks an API that is 40 ms away, over TLS and HTTP/2, through nothing, plain
// Caddy and the proxy.
func watchLatency(ctx context.Context, sc scenario, s settings) error {
	dir, err := os.MkdirTemp("", "caddy-spotify-benchmark-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cert, key, err := writeCertificate(dir)
	if err != nil {
		return err
	}
	// Every process of this run trusts it.
	if err := os.Setenv("SSL_CERT_FILE", cert); err != nil {
		return err
	}
	start := func(o upstreamOptions) (*process, error) {
		var err error
		o.CertFile, o.KeyFile, o.RoundTrip, o.IdleTimeout = cert, key, farAway, edgeIdle
		if o.FarAddress, err = freeAddress(); err != nil {
			return nil, err
		}
		if o.SecureAddress, err = freeAddress(); err != nil {
			return nil, err
		}
		up, err := startUpstream(ctx, o)
		if err == nil {
			up.far = o.FarAddress
		}
		return up, err
	}
	up, err := start(upstreamOptions{TokenLife: time.Hour})
	if err != nil {
		return err
	}
	defer up.stop()
	refreshing, err := start(upstreamOptions{TokenLife: latencyLife, RefreshTakes: refreshTakes})
	if err != nil {
		return err
	}
	defer refreshing.stop()

	var asked []*asked
	defer func() {
		for _, a := range asked {
			a.stop()
		}
	}()
	direct, err := askDirectly(up.far, cert)
	if err != nil {
		return err
	}
	asked = append(asked, direct)
	for _, server := range []struct {
		name, store string
		up          *process
		caddyfile   func(upstreamAddr, addr string, sc scenario) string
	}{
		{"plain Caddy", "", up, farPlainCaddyfile},
		{"the proxy", "memory", up, proxyCaddyfile},
		{"the proxy, files", "caddy", up, proxyCaddyfile},
		{"the proxy, Redis", "redis", up, proxyCaddyfile},
	} {
		if server.store == "redis" {
			redis, err := startRedis(ctx)
			if err != nil {
				fmt.Printf("%s is left out: %v\n", server.name, err)
				continue
			}
			defer redis.stop()
			server.store = "redis " + redis.addr
		}
		a, err := askThrough(ctx, sc, s, server.name, server.store, server.up, server.caddyfile)
		if err != nil {
			return fmt.Errorf("%s: %w", server.name, err)
		}
		asked = append(asked, a)
	}
	if err := askWarm(ctx, asked, s); err != nil {
		return err
	}
	if err := askCold(ctx, asked); err != nil {
		return err
	}
	refreshed, err := askRefreshed(ctx, sc, s, refreshing)
	if err != nil {
		return err
	}
	defer refreshed.stop()
	reportLatency(sc, append(asked, refreshed))
	return nil
}

// askRefreshed asks through a proxy whose tokens are refreshed meanwhile, each several
// times. No session is ever out of use.
func askRefreshed(ctx context.Context, sc scenario, s settings, up *process) (*asked, error) {
	a, err := askThrough(ctx, sc, s, "the proxy, tokens refreshed", "memory", up, proxyCaddyfile)
	if err != nil {
		return nil, err
	}
	s.rounds, s.seconds = 1, max(s.seconds*float64(s.rounds), 2*latencyLife.Seconds())
	if err := askWarm(ctx, []*asked{a}, s); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// askWarm asks each in turns, fifty times a second.
func askWarm(ctx context.Context, all []*asked, s settings) error {
	for range s.rounds {
		for _, a := range all {
			j := a.job
			j.Every, j.Connections, j.Duration = latencyEvery, 8, s.duration()
			r, err := startLoad(ctx, j)
			if err != nil {
				return err
			}
			if r.Failed > 0 {
				return fmt.Errorf("%s: %d of %d requests failed, the first with: %s", a.name, r.Failed, r.All, r.Failure)
			}
			a.warm = append(a.warm, r.Latencies...)
		}
	}
	return nil
}

// askCold asks each once after a while without requests, and once after a reload.
func askCold(ctx context.Context, all []*asked) error {
	for range coldTries {
		time.Sleep(idleFor)
		for _, a := range all {
			took, err := a.once(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			a.cold = append(a.cold, took)
		}
		for _, a := range all {
			if a.server == nil {
				continue
			}
			if err := a.server.reload(ctx); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			took, err := a.once(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			a.reload = append(a.reload, took)
		}
	}
	return nil
}

func reportLatency(sc scenario, all []*asked) {
	fmt.Printf("\n%s: %s, load %s\n", sc.name, sc.about, load())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\twarm p50\tover plain\tp90\tp99\tover plain\tafter idle, p50\tof warm\tafter a reload, p50\tof warm\t")
	plain := all[1]
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
	for _, a := range all {
		p50, p99 := percentile(a.warm, 50), percentile(a.warm, 99)
		part := func(took []time.Duration) string {
			if len(took) == 0 {
				return "\t"
			}
			middle := percentile(took, 50)
			return fmt.Sprintf("%s\t%.2f", ms(middle), float64(middle)/float64(p50))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", a.name, ms(p50), ms(p50-percentile(plain.warm, 50)), ms(percentile(a.warm, 90)),
			ms(p99), ms(p99-percentile(plain.warm, 99)), part(a.cold), part(a.reload))
	}
	_ = w.Flush()
	fmt.Printf("%d warm requests of each, 50 a second; %d after %v without any, the API closing connections that are not used for %v; %d right after a reload\n",
		len(plain.warm), coldTries, idleFor, edgeIdle, coldTries)
}

// farPlainCaddyfile is plain Caddy in front of an API that speaks TLS.
func farPlainCaddyfile(upstreamAddr, addr string, sc scenario) string {
	return strings.Replace(plainCaddyfile(upstreamAddr, addr, sc), "reverse_proxy "+upstreamAddr, "reverse_proxy https://"+sc.far, 1)
}

// reload has the server load its configuration again.
func (c *caddyProcess) reload(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(c.home, "Caddyfile"))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.admin+"/load", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate") // although it is the same
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("reloading: status %s", res.Status)
	}
	return nil
}

// startRedis starts a Redis server with nothing in it.
func startRedis(ctx context.Context) (*process, error) {
	name := ""
	for _, n := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(n); err == nil {
			name = path
			break
		}
	}
	if name == "" {
		return nil, fmt.Errorf("there is no redis-server here")
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, name, "--bind", "127.0.0.1", "--port", addr[strings.LastIndexByte(addr, ':')+1:], "--save", "", "--appendonly", "no")
	cmd.Dir = os.TempDir()
	p := &process{addr: addr, pin: ofOthers, cancel: cancel}
	if err := p.start(cmd, dialPlain); err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}
