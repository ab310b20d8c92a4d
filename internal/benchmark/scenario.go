package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// scenario is one comparison.
type scenario struct {
	name, about string
	run         func(context.Context, scenario, settings) error

	method   string // GET unless set
	path     string // below /v1
	upload   int    // bytes of the request's body
	rush     bool   // all tokens are refreshed at once
	bare     bool   // the client sends what curl does, not what a browser does
	identity bool   // the proxy's client, and not plain Caddy's, takes no coding
	links    string // of the proxy: keep or rewrite
	unpacked bool   // compression off for the proxy
	store    string // of the proxy: caddy (the default one) or memory
	far      string // address of the API over TLS; it is the upstream without
	admin    string // address of the server's profiles; they are off if it is empty
	long     bool   // takes long or needs other programs, so it runs if it is named only
	share    bool   // the account's player is shared with visitors
	secure   bool   // HTTPS and HTTP/2 towards the client
	sessions func(settings) int
	against  func(upstreamAddr, addr string, sc scenario) string // the Caddyfile of what is compared
}

// scenarios, in the order in which they run.
var scenarios = []scenario{
	{name: "noise", about: "plain Caddy against plain Caddy: what the machine makes of no difference at all",
		run: compare, path: smallPath, against: plainCaddyfile, sessions: none},
	{name: "2k-keep", about: "2 kB of JSON, links kept", run: compare, path: smallPath, links: "keep"},
	{name: "2k-rewrite", about: "2 kB of JSON, links rewritten (the default)", run: compare, path: smallPath, links: "rewrite"},
	{name: "2k-bare", about: "the same for a client that sends no more headers than curl", run: compare, path: smallPath, links: "rewrite", bare: true},
	{name: "100k-keep", about: "100 kB of JSON, links kept", run: compare, path: largePath, links: "keep"},
	{name: "100k-rewrite", about: "100 kB of JSON, links rewritten", run: compare, path: largePath, links: "rewrite"},
	{name: "2k-packed", about: "2 kB of JSON that Spotify sends gzipped, for a client that accepts it so: plain Caddy passes it on, the proxy rewrites its links",
		run: compare, path: smallPacked, links: "rewrite"},
	{name: "100k-packed", about: "100 kB of JSON that Spotify sends gzipped, for a client that accepts it so", run: compare, path: packedPath, links: "rewrite"},
	{name: "100k-gunzip", about: "the same for a client of the proxy that accepts nothing, while plain Caddy's accepts gzip",
		run: compare, path: packedPath, links: "rewrite", identity: true},
	{name: "100k-unpacked", about: "100 kB of JSON that Spotify would send gzipped, but the proxy asks for it unpacked (compression off)",
		run: compare, path: packedPath, links: "rewrite", unpacked: true},
	{name: "100k-upload", about: "PUT of 100 kB, kept to be sent again", run: compare, method: "PUT", path: uploadPath, upload: 100_000, links: "keep"},
	{name: "h2", about: "2 kB of JSON over HTTPS and HTTP/2, links kept", run: compare, path: smallPath, links: "keep", secure: true},
	{name: "sessions", about: "2 kB of JSON, -sessions sessions in use, in memory", run: compare, path: smallPath, links: "keep", store: "memory", sessions: many},
	{name: "sessions-files", about: "the same with the default store, which is files", run: compare, path: smallPath, links: "keep", sessions: many},
	{name: "refresh", about: "tokens of sessions in use are refreshed one by one, by a token endpoint that takes 500 ms", run: refreshMoment, path: smallPath, links: "keep"},
	{name: "refresh-rush", about: "the same with 100 tokens at once", run: refreshMoment, path: smallPath, links: "keep", rush: true},
	{name: "refresh-rush-memory", about: "the same with 100 tokens at once and sessions in memory", run: refreshMoment, path: smallPath, links: "keep", rush: true, store: "memory"},
	{name: "latency", about: "2 kB of JSON from an API that is 40 ms away, over TLS and HTTP/2: what is added to the wait", run: watchLatency, links: "rewrite"},
	{name: "listeners", about: "10,000 streams of one account's player: memory of each, and how long a change takes to the last", run: listen, links: "rewrite", store: "memory"},
	{name: "share-listeners", about: "the same on the line of a shared account, without sessions", run: listen, links: "rewrite", store: "memory", share: true},
	{name: "player", about: "what it costs to follow a player for a day, and how late one hears of its changes; 200 days are simulated", run: followPlayer},
	{name: "peers", about: "plain Caddy, the proxy, and other servers that add a header, as far as they are here", run: comparePeers, path: smallPacked, links: "rewrite", long: true},
	{name: "scale", about: "what 10,000 to 1,000,000 sessions on 1 to 16 instances ask of Redis; a busy hour is simulated", run: simulateScale, long: true},
	{name: "scale-redis", about: "two instances, 100,000 sessions and a Redis, measured beside the simulation, in some two minutes", run: measureScale, long: true},
	{name: "hour-tabs", about: "the demo's page in three tabs of Chromium, and music on a phone, for -minutes: what Spotify is asked", run: watchTabs, long: true},
	{name: "hour-widget", about: "the page of examples/now-playing with -visitors at a time, for -minutes: what Spotify is asked", run: watchWidget, long: true},
}

func none(settings) int   { return 0 }
func many(s settings) int { return s.sessions }

// loggedIn is how many sessions the requests come from: unless the scenario says
// otherwise, as many as there are connections.
func (sc scenario) loggedIn(s settings) int {
	if sc.sessions != nil {
		return sc.sessions(s)
	}
	return s.connections
}

// compare drives plain Caddy and the proxy in turns.
func compare(ctx context.Context, sc scenario, s settings) error {
	up, err := startUpstream(ctx, upstreamOptions{TokenLife: time.Hour})
	if err != nil {
		return err
	}
	defer up.stop()
	var p *pair
	defer func() { p.stop() }()
	var rounds []round
	for range s.rounds {
		// How fast a process is depends a little on where its memory came to
		// lie, so each round has new ones. Many sessions take too long to log
		// in for that.
		if p == nil || s.restart && sc.sessions == nil {
			p.stop()
			if p, err = startPair(ctx, up.addr, sc, s); err != nil {
				return err
			}
		}
		r, err := p.round(ctx, s)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	report(os.Stdout, sc, p.sessions, rounds)
	if s.profiles == "" {
		return nil
	}
	for name, server := range map[string]contender{"plain": p.plain, "proxy": p.proxy} {
		if err := profile(ctx, server, filepath.Join(s.profiles, sc.name+"-"+name)); err != nil {
			return err
		}
	}
	return nil
}

// contender is a server and what to ask of it.
type contender struct {
	*caddyProcess
	job job
}

// pair is the two servers that are compared.
type pair struct {
	plain, proxy contender
	sessions     int // logged in
}

// warmUp is how long each server is driven before anything counts.
const warmUp = 400 * time.Millisecond

// startPair starts both servers, and has everything made that is made once. What
// it returns is to be stopped, with an error as well.
func startPair(ctx context.Context, upstreamAddr string, sc scenario, s settings) (p *pair, err error) {
	p = new(pair)
	if p.plain.caddyProcess, err = startCaddy(ctx, upstreamAddr, sc, s, plainCaddyfile); err != nil {
		return p, err
	}
	caddyfile := proxyCaddyfile
	if sc.against != nil {
		caddyfile = sc.against
	}
	if p.proxy.caddyProcess, err = startCaddy(ctx, upstreamAddr, sc, s, caddyfile); err != nil {
		return p, err
	}
	cookies, err := logIn(ctx, p.proxy.caddyProcess, sc.loggedIn(s), s.connections)
	if err != nil {
		return p, err
	}
	p.sessions = len(cookies)
	prefix := "/spotify"
	if len(cookies) == 0 {
		prefix = ""
	}
	p.plain.job = sc.job(p.plain.caddyProcess, "", nil, s)
	p.proxy.job = sc.job(p.proxy.caddyProcess, prefix, cookies, s)
	p.proxy.job.Identity = sc.identity
	for _, c := range []contender{p.plain, p.proxy} {
		j := c.job
		j.Duration = warmUp
		if _, err := drive(ctx, c.caddyProcess, j); err != nil {
			return p, err
		}
	}
	return p, nil
}

// stop ends both. p may be nil.
func (p *pair) stop() {
	if p == nil {
		return
	}
	for _, c := range []contender{p.plain, p.proxy} {
		if c.caddyProcess != nil {
			c.stop()
		}
	}
}

// round drives both in turns.
func (p *pair) round(ctx context.Context, s settings) (round, error) {
	var plain, proxy turns
	for i := range s.turns() {
		order := []struct {
			contender
			got *turns
		}{{p.plain, &plain}, {p.proxy, &proxy}}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			t, err := drive(ctx, c.caddyProcess, c.job)
			if err != nil {
				return round{}, err
			}
			c.got.add(t)
		}
	}
	return round{plain: plain.measure(), proxy: proxy.measure()}, nil
}

// job is what to ask of a server.
func (sc scenario) job(server *caddyProcess, prefix string, cookies []string, s settings) job {
	method := sc.method
	if method == "" {
		method = "GET"
	}
	return job{
		Address: server.addr, Secure: sc.secure, Method: method, Path: prefix + "/v1" + sc.path, Upload: sc.upload, Bare: sc.bare,
		Cookies: cookies, Connections: s.connections, Duration: s.turn(),
	}
}

// drive has another process carry out a job, and says what that took.
func drive(ctx context.Context, server *caddyProcess, j job) (turns, error) {
	before, err := server.cpu()
	if err != nil {
		return turns{}, err
	}
	r, err := startLoad(ctx, j)
	if err != nil {
		return turns{}, err
	}
	after, err := server.cpu()
	if err != nil {
		return turns{}, err
	}
	if r.Failed > 0 {
		return turns{}, fmt.Errorf("%d of %d requests failed, the first with: %s\n%s", r.Failed, r.All, r.Failure, server.log())
	}
	return turns{elapsed: r.Elapsed, latencies: r.Latencies, all: r.All, cpu: after - before}, nil
}

// turns is what a server did in some of its turns.
type turns struct {
	elapsed   time.Duration
	latencies []time.Duration
	all       int
	cpu       time.Duration
}

func (t *turns) add(more turns) {
	t.elapsed += more.elapsed
	t.latencies = append(t.latencies, more.latencies...)
	t.all += more.all
	t.cpu += more.cpu
}

func (t *turns) measure() measure {
	return measure{
		perSecond: float64(len(t.latencies)) / t.elapsed.Seconds(),
		p50:       percentile(t.latencies, 50),
		p99:       percentile(t.latencies, 99),
		cpu:       t.cpu / time.Duration(t.all),
	}
}
