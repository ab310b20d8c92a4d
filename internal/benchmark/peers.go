package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// peer is another server that adds an Authorization header.
type peer struct {
	name    string
	needs   string   // the program
	version []string // arguments that print its version
	files   map[string]string
	command []string
}

// peers are compared with plain Caddy and the proxy. {upstream}, {port} and {dir} in files
// and commands are filled in. Each has one thread, as the two Caddys have one core.
var peers = []peer{
	{
		name: "nginx", needs: "nginx", version: []string{"-v"}, command: []string{"nginx", "-p", "{dir}", "-c", "{dir}/nginx.conf", "-e", "{dir}/error.log"},
		files: map[string]string{"nginx.conf": `daemon off;
master_process off;
pid {dir}/nginx.pid;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	upstream api { server {upstream}; keepalive 256; }
	server {
		listen 127.0.0.1:{port};
		keepalive_requests 1000000000;
		location / {
			proxy_pass http://api;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Cookie "";
			proxy_set_header Authorization "Bearer {token}";
		}
	}
}
`},
	},
	{
		name: "HAProxy", needs: "haproxy", version: []string{"-v"}, command: []string{"haproxy", "-db", "-f", "{dir}/haproxy.cfg"},
		files: map[string]string{"haproxy.cfg": `global
	nbthread 1
	maxconn 2000
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 5s
	http-reuse always
frontend site
	bind 127.0.0.1:{port}
	http-request del-header Cookie
	http-request set-header Authorization "Bearer {token}"
	default_backend api
backend api
	server api {upstream} pool-max-conn 256
`},
	},
	{
		name: "a Node BFF", needs: "node", version: []string{"--version"}, command: []string{"node", "{dir}/bff.js"},
		files: map[string]string{"bff.js": `// What a back end for a front end does at least: a session by a cookie, and a token for it.
const http = require("node:http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const sessions = new Map([["fixed", "{token}"]]);
const [host, port] = "{upstream}".split(":");
http.createServer((req, res) => {
  const token = sessions.get(/(?:^|; )session=([^;]*)/.exec(req.headers.cookie ?? "session=fixed")?.[1] ?? "fixed");
  const { cookie, host: _, ...headers } = req.headers;
  const up = http.request({ host, port, agent, method: req.method, path: req.url, headers: { ...headers, authorization: "Bearer " + token } }, (from) => {
    res.writeHead(from.statusCode, from.headers);
    from.pipe(res);
  });
  up.on("error", () => res.writeHead(502).end());
  req.pipe(up);
}).listen({port}, "127.0.0.1");
`},
	},
	{
		name: "oauth2-proxy", needs: "oauth2-proxy", version: []string{"--version"},
		// Its routes are open, so that no provider is needed: neither its session nor its
		// token is part of what is measured.
		command: []string{"oauth2-proxy", "--http-address=127.0.0.1:{port}", "--upstream=http://{upstream}", "--skip-auth-route=.*", "--email-domain=*",
			"--client-id=x", "--client-secret=x", "--cookie-secret=0123456789abcdef0123456789abcdef", "--provider=github", "--request-logging=false", "--standard-logging=false", "--auth-logging=false"},
	},
}

// startPeer starts a peer in a folder.
func startPeer(ctx context.Context, p peer, program, dir, upstreamAddr string) (*caddyProcess, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	values := map[string]string{"upstream": upstreamAddr, "port": port, "dir": dir, "token": accessToken(1)}
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill(text, values)), 0o600); err != nil {
			return nil, err
		}
	}
	var args []string
	for _, a := range p.command[1:] {
		args = append(args, fill(a, values))
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOMAXPROCS=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	c := &caddyProcess{process: process{addr: addr, pin: ofServer, cancel: cancel}, home: dir}
	if err := c.start(cmd, dialPlain); err != nil {
		cancel()
		return nil, err
	}
	fmt.Printf("  %s: %s %s\n", p.name, p.command[0], strings.ReplaceAll(strings.Join(args, " "), dir+"/", ""))
	return c, nil
}

// version returns the first line of what a program says of its version.
func version(program string, args []string) string {
	said, _ := exec.Command(program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(said), "\n")
	return strings.TrimSpace(line)
}

// comparePeers drives plain Caddy, the proxy and whatever peers there are in turns.
func comparePeers(ctx context.Context, sc scenario, s settings) error {
	up, err := startUpstream(ctx, upstreamOptions{TokenLife: time.Hour})
	if err != nil {
		return err
	}
	defer up.stop()
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	pair, err := startPair(ctx, up.addr, sc, s)
	defer pair.stop()
	if err != nil {
		return err
	}
	names := []string{"plain Caddy", "the proxy"}
	all := []contender{pair.plain, pair.proxy}
	for _, p := range peers {
		program, err := exec.LookPath(p.needs)
		if p.needs == "oauth2-proxy" && s.oauth2proxy != "" {
			program, err = s.oauth2proxy, nil
		}
		if err != nil {
			fmt.Printf("  %s is left out: there is no program %s here\n", p.name, p.needs)
			continue
		}
		fmt.Printf("  %s: %s\n", p.name, version(program, p.version))
		dir, err := os.MkdirTemp("", "caddy-spotify-benchmark-")
		if err != nil {
			return err
		}
		server, err := startPeer(ctx, p, program, dir, up.addr)
		if err != nil {
			_ = os.RemoveAll(dir)
			return errors.Join(fmt.Errorf("starting %s", p.name), err)
		}
		defer server.stop()
		names, all = append(names, p.name), append(all, contender{server, sc.job(server, "", nil, s)})
	}
	for _, path := range []string{smallPacked, packedPath} {
		rounds := make([][]measure, len(all))
		for range s.rounds {
			for i, c := range all {
				c.job.Path = strings.TrimSuffix(c.job.Path, "/v1"+sc.path) + "/v1" + path
				var t turns
				for range s.turns() {
					more, err := drive(ctx, c.caddyProcess, c.job)
					if err != nil {
						return fmt.Errorf("%s: %w", names[i], err)
					}
					t.add(more)
				}
				rounds[i] = append(rounds[i], t.measure())
			}
		}
		reportPeers(path, names, rounds)
	}
	return nil
}

// reportPeers prints the ratios to plain Caddy, which is the first.
func reportPeers(path string, names []string, rounds [][]measure) {
	fmt.Printf("\n  GET /v1%s, gzipped, to a client that accepts it; ratios to plain Caddy, load %s\n", path, load())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  \tthroughput\tCPU time\tp50\tp99\tCPU of a request")
	for i, name := range names {
		row := []string{"  " + name}
		for _, of := range []func(measure) float64{
			func(m measure) float64 { return m.perSecond },
			func(m measure) float64 { return micros(m.cpu) },
			func(m measure) float64 { return micros(m.p50) },
			func(m measure) float64 { return micros(m.p99) },
		} {
			var ratios []float64
			for n, m := range rounds[i] {
				ratios = append(ratios, of(m)/of(rounds[0][n]))
			}
			row = append(row, fmt.Sprintf("%.2f [%.2f–%.2f]", median(ratios), slices.Min(ratios), slices.Max(ratios)))
		}
		var cpu []float64
		for _, m := range rounds[i] {
			cpu = append(cpu, micros(m.cpu))
		}
		fmt.Fprintln(w, strings.Join(append(row, strconv.FormatFloat(median(cpu), 'f', 0, 64)+" µs"), "\t"))
	}
	_ = w.Flush()
}
