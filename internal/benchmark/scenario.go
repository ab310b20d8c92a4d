package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	packed   bool   // the client accepts gzip
	links    string // of the proxy: keep or rewrite
	store    string // of the proxy: caddy (the default one) or memory
	admin    string // address of the server's profiles; they are off if it is empty
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
	{name: "100k-keep", about: "100 kB of JSON, links kept", run: compare, path: largePath, links: "keep"},
	{name: "100k-rewrite", about: "100 kB of JSON, links rewritten", run: compare, path: largePath, links: "rewrite"},
	{name: "100k-packed", about: "100 kB of JSON that Spotify sends gzipped, for a client that accepts it so: plain Caddy passes it on, the proxy unpacks it to find the links",
		run: compare, path: packedPath, links: "rewrite", packed: true},
	{name: "100k-upload", about: "PUT of 100 kB, kept to be sent again", run: compare, method: "PUT", path: uploadPath, upload: 100_000, links: "keep"},
	{name: "h2", about: "2 kB of JSON over HTTPS and HTTP/2, links kept", run: compare, path: smallPath, links: "keep", secure: true},
	{name: "sessions", about: "2 kB of JSON, -sessions sessions in use, in memory", run: compare, path: smallPath, links: "keep", store: "memory", sessions: many},
	{name: "sessions-files", about: "the same with the default store, which is files", run: compare, path: smallPath, links: "keep", sessions: many},
	{name: "refresh", about: "tokens of sessions in use are refreshed one by one, by a token endpoint that takes 500 ms", run: refreshMoment, path: smallPath, links: "keep"},
	{name: "refresh-rush", about: "the same with 100 tokens at once", run: refreshMoment, path: smallPath, links: "keep", rush: true},
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
	plain, err := startCaddy(ctx, up.addr, sc, s, plainCaddyfile)
	if err != nil {
		return err
	}
	defer plain.stop()
	caddyfile := proxyCaddyfile
	if sc.against != nil {
		caddyfile = sc.against
	}
	proxy, err := startCaddy(ctx, up.addr, sc, s, caddyfile)
	if err != nil {
		return err
	}
	defer proxy.stop()
	cookies, err := logIn(ctx, proxy, sc.loggedIn(s), s.connections)
	if err != nil {
		return err
	}

	prefix := "/spotify"
	if len(cookies) == 0 {
		prefix = ""
	}
	jobs := map[*caddyProcess]job{
		plain: sc.job(plain, "", nil, s),
		proxy: sc.job(proxy, prefix, cookies, s),
	}
	// Whatever is made once is made before anything counts.
	for server, j := range jobs {
		j.Duration = time.Second
		if _, err := drive(ctx, server, j); err != nil {
			return err
		}
	}
	var rounds []round
	for range s.rounds {
		got := map[*caddyProcess]*turns{plain: {}, proxy: {}}
		for i := range s.turns() {
			order := []*caddyProcess{plain, proxy}
			if i%2 == 1 {
				order = []*caddyProcess{proxy, plain}
			}
			for _, server := range order {
				t, err := drive(ctx, server, jobs[server])
				if err != nil {
					return err
				}
				got[server].add(t)
			}
		}
		rounds = append(rounds, round{plain: got[plain].measure(), proxy: got[proxy].measure()})
	}
	report(os.Stdout, sc, len(cookies), rounds)
	if s.profiles == "" {
		return nil
	}
	for server, name := range map[*caddyProcess]string{plain: "plain", proxy: "proxy"} {
		if err := profile(ctx, server, jobs[server], filepath.Join(s.profiles, sc.name+"-"+name+".pprof")); err != nil {
			return err
		}
	}
	return nil
}

// job is what to ask of a server.
func (sc scenario) job(server *caddyProcess, prefix string, cookies []string, s settings) job {
	method := sc.method
	if method == "" {
		method = "GET"
	}
	return job{
		Address: server.addr, Secure: sc.secure, Method: method, Path: prefix + "/v1" + sc.path, Upload: sc.upload, Packed: sc.packed,
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
