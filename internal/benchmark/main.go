// Command benchmark compares the proxy with plain Caddy on this machine.
//
// It starts an upstream, Caddy with a reverse_proxy that adds a fixed
// Authorization header, and Caddy with spotify_proxy, each in a process of its
// own and the last two with one core. Another process drives the two in turns,
// over a fixed number of connections. What is printed are ratios, proxy to plain
// Caddy: of each round's, the median and the range. It also prints what becomes
// of the slowest requests in the second when all tokens are refreshed.
//
//	go run -C internal/benchmark . [-scenario <names>] [-rounds 5] [-seconds 2]
//
// Nothing leaves the machine. It needs Linux, for the CPU time of a process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// roleVariable in the environment says what a process of this program is.
const roleVariable = "CADDY_SPOTIFY_BENCHMARK_ROLE"

const (
	roleCaddy    = "caddy"
	roleUpstream = "upstream"
	roleLoad     = "load"
)

func main() {
	var err error
	switch os.Getenv(roleVariable) {
	case roleCaddy:
		caddycmd.Main() // exits
	case roleUpstream:
		err = serveUpstream()
	case roleLoad:
		err = runLoad(os.Stdin, os.Stdout)
	default:
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	rounds      int
	seconds     float64
	connections int
	sessions    int
	profiles    string
	restart     bool
	minutes     float64
	visitors    int
	oauth2proxy string
}

func (s settings) duration() time.Duration { return time.Duration(s.seconds * float64(time.Second)) }

// watch is how long the scenarios of an hour take.
func (s settings) watch() time.Duration { return time.Duration(s.minutes * float64(time.Minute)) }

// shortTurn is how long a server is driven at a time, or a little longer. What
// else a machine does changes over seconds; in short turns both servers get
// their part of it.
const shortTurn = 500 * time.Millisecond

// turns is how many turns each server has in a round, and turn how long one is.
func (s settings) turns() int          { return max(1, int(s.duration()/shortTurn)) }
func (s settings) turn() time.Duration { return s.duration() / time.Duration(s.turns()) }

func run() error {
	var s settings
	var names string
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each scenario; each drives both servers in turns")
	flag.Float64Var(&s.seconds, "seconds", 2, "seconds for which a server is driven in a round")
	flag.IntVar(&s.connections, "connections", 64, "connections, or streams over HTTP/2")
	flag.IntVar(&s.sessions, "sessions", 10_000, "sessions in use in the scenarios named so; each is logged in first, at some 1000 a second")
	flag.BoolVar(&s.restart, "restart", true, "start both servers again for each round; without it a run is shorter and says less")
	flag.StringVar(&s.profiles, "profiles", "", "a folder to write profiles of both servers to, of their CPU time and of what they allocate, in two more turns after the rounds")
	flag.Float64Var(&s.minutes, "minutes", 60, "minutes that a scenario of an hour takes")
	flag.IntVar(&s.visitors, "visitors", 1000, "visitors of the widget at a time")
	flag.StringVar(&s.oauth2proxy, "oauth2-proxy", "", "the program oauth2-proxy, if it is not in the PATH")
	flag.StringVar(&names, "scenario", "all", "scenarios, separated by commas; all is those that take no hour:\n"+scenarioHelp())
	flag.Parse()
	chosen, err := choose(names)
	switch {
	case err != nil:
		return err
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case s.rounds < 1 || s.seconds <= 0 || s.connections < 1 || s.sessions < 1 || s.minutes <= 0 || s.visitors < 1:
		return errors.New("rounds, seconds, connections, sessions, minutes and visitors must be positive")
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	printMachine(os.Stdout, s)
	for _, sc := range chosen {
		if err := sc.run(ctx, sc, s); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	return nil
}

func choose(names string) ([]scenario, error) {
	var chosen []scenario
	if names == "all" {
		return slices.DeleteFunc(slices.Clone(scenarios), func(sc scenario) bool { return sc.long }), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, sc := range scenarios {
			if sc.name == name {
				chosen, found = append(chosen, sc), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no scenario %q; there are:\n%s", name, scenarioHelp())
		}
	}
	return chosen, nil
}

func scenarioHelp() string {
	var b strings.Builder
	for _, sc := range scenarios {
		fmt.Fprintf(&b, "%-14s %s\n", sc.name, sc.about)
	}
	return b.String()
}
