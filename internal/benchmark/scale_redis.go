package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// What is measured: requests of a number of sessions in use, among many that are stored.
const (
	measuredSessions = 100_000
	measuredOpen     = 2_000
	measuredRate     = 300 // requests a second, to both instances together
	// measuredLife is short, so that there are refreshes to count within a minute.
	measuredLife     = 2 * time.Minute
	measuredEndpoint = 200 * time.Millisecond

	// In seconds from the first request.
	measuredFrom    = 20
	measuredRestart = 80
	measuredEnd     = 120
)

// measureScale drives two instances that share a Redis, counts what they ask of it for a
// minute and after one of them has restarted, and prints that beside the simulation.
func measureScale(ctx context.Context, sc scenario, _ settings) error {
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	server, err := startRedis(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	up, err := startUpstream(ctx, upstreamOptions{TokenLife: measuredLife, RefreshTakes: measuredEndpoint})
	if err != nil {
		return err
	}
	defer up.stop()
	sc.store, sc.links = "redis "+server.addr, "keep"
	instances := make([]*caddyProcess, 2)
	var origin string
	start := func(i int) (err error) {
		instances[i], err = startCaddy(ctx, up.addr, sc, settings{}, func(upstreamAddr, addr string, sc scenario) string {
			if origin == "" {
				origin = "http://" + addr
			}
			// One site, whichever of its instances a request comes to.
			return strings.ReplaceAll(proxyCaddyfile(upstreamAddr, addr, sc), "redirect_uri http://"+addr, "redirect_uri "+origin)
		})
		return err
	}
	for i := range instances {
		if err := start(i); err != nil {
			return err
		}
		defer func() { instances[i].stop() }()
	}

	before, err := redisMemory(server.addr)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := storeSessions(ctx, server.addr, origin, measuredSessions-measuredOpen); err != nil {
		return err
	}
	stored := time.Since(began)
	cookies, err := storeSessions(ctx, server.addr, origin, measuredOpen)
	if err != nil {
		return err
	}
	after, err := redisMemory(server.addr)
	if err != nil {
		return err
	}
	took, records, err := walkTakes(ctx, server.addr)
	if err != nil {
		return err
	}
	fmt.Printf("a session in Redis: %d bytes; stored at %.0f a second, %d at once; a walk over %d records: %.1f s\n",
		(after-before)/measuredSessions, (measuredSessions-measuredOpen)/stored.Seconds(), storing, records, took.Seconds())

	random := rand.New(rand.NewPCG(scaleSeed, 0))
	jobFor := func(i int, seconds int) job {
		j := sc.job(instances[i], "/spotify", nil, settings{seconds: 1, connections: 32})
		j.Path, j.Every = "/spotify/v1"+smallPath, time.Second*time.Duration(len(instances))/measuredRate
		j.Duration = time.Duration(seconds) * time.Second
		for range seconds * measuredRate {
			j.Cookies = append(j.Cookies, cookies[random.IntN(len(cookies))])
		}
		return j
	}
	loads := make(chan error, 3)
	load := func(i int, seconds int) {
		j := jobFor(i, seconds)
		go func() {
			r, err := startLoad(ctx, j)
			if err == nil && r.Failed > 0 {
				err = fmt.Errorf("%d of %d requests failed, the first with: %s", r.Failed, r.All, r.Failure)
			}
			loads <- err
		}()
	}
	load(0, measuredEnd)
	load(1, measuredRestart)
	var samples []map[string]int
	for begin, n := time.Now(), 0; n <= measuredEnd; n++ {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second)))
		stats, err := redisInfo(server.addr, "commandstats")
		if err != nil {
			return err
		}
		samples = append(samples, parseCommandStats(stats))
		if n == measuredRestart {
			if err := <-loads; err != nil {
				return err
			}
			instances[1].stop()
			if err := start(1); err != nil {
				return err
			}
			load(1, measuredEnd-int(time.Since(begin)/time.Second))
		}
	}
	for range 2 {
		if err := <-loads; err != nil {
			return err
		}
	}
	refreshes, err := refreshesOf(ctx, up.addr)
	if err != nil {
		return err
	}
	stats, err := redisInfo(server.addr, "stats")
	if err != nil {
		return err
	}
	fmt.Printf("refreshes, all along: %d\n", len(refreshes))
	for line := range strings.Lines(stats) {
		if strings.HasPrefix(line, "tracking_") {
			fmt.Print(line)
		}
	}
	printMeasured(samples)
	return nil
}

// simulated is the simulation of what is measured.
func simulated() *sim {
	h := habits{
		open: float64(measuredOpen) / measuredSessions, visit: 1e6 * time.Hour, burst: 1,
		click: time.Second * measuredOpen / measuredRate, life: measuredLife, endpoint: measuredEndpoint * 2 / 3,
	}
	s := newSim(measuredSessions, 2, h, scaleSeed, measuredEnd*time.Second)
	clear(s.tracked) // nothing is in memory yet
	s.after[measuredRestart] = func(s *sim) { s.stop(1) }
	s.after[measuredRestart+2] = func(s *sim) { s.up[1] = true }
	s.run()
	return s
}

func printMeasured(samples []map[string]int) {
	var measured []second
	for i := 1; i < len(samples); i++ {
		measured = append(measured, secondOf(samples[i-1], samples[i]))
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\n\trefreshes/s\tRedis requests/s\tp99 second\tcommands/s\tloads/s\tlease polls/s\tafter a restart: loads/s\tcalm\t")
	for _, of := range []struct {
		name    string
		seconds []second
	}{{"measured", measured}, {"simulated", simulated().seconds}} {
		steady := of.seconds[measuredFrom:measuredRestart]
		usual := mean(steady, func(s second) float64 { return float64(s.loads) })
		h := herdOf(of.seconds[measuredRestart:measuredEnd], usual)
		fmt.Fprintf(w, "%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t%d\t%v\t\n", of.name,
			mean(steady, refreshesIn), mean(steady, requestsOf), p99(steady, requestsOf), mean(steady, commandsOf), usual,
			mean(steady, func(s second) float64 { return float64(s.polls) }), h.loads, h.calm)
	}
	w.Flush()
}

// secondOf tells from two samples what happened in between, where no session begins or
// ends. Each lease that was had asked for the time, each of those led to one load and, but
// for those that adopted a token, to an update, and each update began with HGET.
func secondOf(before, after map[string]int) (s second) {
	d := make(map[string]int)
	for name, calls := range after {
		d[name] = calls - before[name]
	}
	s.redis = costOf(d)
	s.refreshes = d["hget"]
	s.adopted = d["time"] - d["hget"]
	s.loads = d["hmget"] - d["time"]
	s.polls = d["set"] - 3*d["time"]
	return s
}

// costOf tells from the commands of the store, by name, what they were as requests: scripts
// are counted by themselves and by the commands in them. A lease that was had has asked for
// the time, and its release deletes it.
func costOf(calls map[string]int) (c cost) {
	for name, n := range calls {
		switch name {
		case "info", "ping", "hello", "config|resetstat", "client|tracking", "client|setname", "client|setinfo":
		default:
			c.commands += n
		}
	}
	c.requests = calls["eval"] + calls["hmget"] + calls["del"] - calls["time"]
	return c
}

// parseCommandStats returns how often each command was called, from INFO commandstats.
func parseCommandStats(text string) map[string]int {
	calls := make(map[string]int)
	for line := range strings.Lines(text) {
		name, values, ok := strings.Cut(strings.TrimSpace(line), ":")
		name, found := strings.CutPrefix(name, "cmdstat_")
		first, _, _ := strings.Cut(values, ",")
		if n, err := strconv.Atoi(strings.TrimPrefix(first, "calls=")); ok && found && err == nil {
			calls[name] = n
		}
	}
	return calls
}

// redisInfo is one section of INFO, over a connection of its own.
func redisInfo(addr, section string) (string, error) {
	conn, err := dialPlain(addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "INFO %s\r\n", section); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	header, err := in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	length, err := strconv.Atoi(string(bytes.Trim(header, "$\r\n")))
	if err != nil {
		return "", fmt.Errorf("INFO: %q", header)
	}
	text := make([]byte, length)
	_, err = io.ReadFull(in, text)
	return string(text), err
}

// redisMemory is what the data and what belongs to it take, in bytes.
func redisMemory(addr string) (int, error) {
	text, err := redisInfo(addr, "memory")
	if err != nil {
		return 0, err
	}
	lines := strings.Split(text, "\r\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "used_memory_dataset:") })
	if i < 0 {
		return 0, errors.New("INFO memory does not say used_memory_dataset")
	}
	return strconv.Atoi(strings.TrimPrefix(lines[i], "used_memory_dataset:"))
}
