package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// scaleSeed is that of all simulations of scale.
const scaleSeed = 1

// When what happens in a simulation, in seconds. What comes before the first does not count.
const (
	steadyFrom  = 20 * 60
	restartOne  = 35 * 60
	restartAll  = 45 * 60
	failover    = 55 * 60
	scaleLength = 65 * 60
	// restartTakes is for how long an instance is away.
	restartTakes = 5
)

// simulateScale prints what the sizes ask of Redis, and what follows restarts.
func simulateScale(ctx context.Context, sc scenario, _ settings) error {
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	var runs []*scaleRun
	add := func(n, instances int, name string, change func(*habits)) error {
		h := busyHour
		change(&h)
		runs = append(runs, runScale(n, instances, h, name))
		return ctx.Err()
	}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, instances := range []int{1, 2, 4, 8, 16} {
			if err := add(n, instances, "", func(*habits) {}); err != nil {
				return err
			}
		}
	}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		instances := map[int]int{10_000: 2, 100_000: 4, 1_000_000: 16}[n]
		if err := add(n, instances, "sticky", func(h *habits) { h.sticky = true }); err != nil {
			return err
		}
		if err := add(n, instances, "streams", func(h *habits) { h.streams = true }); err != nil {
			return err
		}
	}
	printSteady(os.Stdout, runs)
	printHerds(os.Stdout, runs)
	printSlots(os.Stdout)
	return nil
}

// scaleRun is what came of a simulation.
type scaleRun struct {
	name        string
	sessions    int
	instances   int
	steady      []second
	streams     int
	one         herd
	all         herd
	reconnected herd
}

func runScale(n, instances int, h habits, name string) *scaleRun {
	s := newSim(n, instances, h, scaleSeed, scaleLength*time.Second)
	away := func(at int, which []int) {
		s.after[at] = func(s *sim) {
			for _, i := range which {
				s.stop(i)
			}
		}
		s.after[at+restartTakes] = func(s *sim) {
			for _, i := range which {
				s.up[i] = true
			}
		}
	}
	all := make([]int, instances)
	for i := range all {
		all[i] = i
	}
	away(restartOne, all[:1])
	away(restartAll, all)
	s.after[failover] = (*sim).reconnect
	s.run()
	r := &scaleRun{name: name, sessions: n, instances: instances, steady: s.seconds[steadyFrom:restartOne]}
	for _, listening := range s.streams {
		r.streams += listening
	}
	usual := mean(r.steady, func(s second) float64 { return float64(s.loads) })
	r.one = herdOf(s.seconds[restartOne:restartAll], usual)
	r.all = herdOf(s.seconds[restartAll:failover], usual)
	r.reconnected = herdOf(s.seconds[failover:scaleLength], usual)
	return r
}

// herd is what follows a restart.
type herd struct {
	loads, refreshes int           // in the busiest second
	returns          int           // of streams, in the busiest second
	calm             time.Duration // until a tenth of the busiest second's loads, or nearly as few as usual
}

// calmOver is over how many seconds the mean is taken that says that it is calm.
const calmOver = 10

func herdOf(seconds []second, usual float64) (h herd) {
	peak := 0
	for i, s := range seconds {
		if s.loads > h.loads {
			h.loads, peak = s.loads, i
		}
		h.refreshes, h.returns = max(h.refreshes, s.refreshes), max(h.returns, s.returns)
	}
	enough := max(float64(h.loads)/10, 1.1*usual+1)
	for i := peak; ; i++ {
		if i+calmOver > len(seconds) || mean(seconds[i:i+calmOver], func(s second) float64 { return float64(s.loads) }) <= enough {
			h.calm = time.Duration(i) * time.Second
			return h
		}
	}
}

func mean(seconds []second, of func(second) float64) float64 {
	all := 0.0
	for _, s := range seconds {
		all += of(s)
	}
	return all / float64(len(seconds))
}

// p99 is what 99 of 100 seconds do not exceed.
func p99(seconds []second, of func(second) float64) float64 {
	values := make([]float64, len(seconds))
	for i, s := range seconds {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[min(len(values)-1, len(values)*99/100)]
}

func requestsOf(s second) float64  { return float64(s.redis.requests) }
func commandsOf(s second) float64  { return float64(s.redis.commands) }
func refreshesIn(s second) float64 { return float64(s.refreshes) }

func printSteady(out io.Writer, runs []*scaleRun) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nsessions\tinstances\t\trequests/s\trefreshes/s\tlogins/s\tRedis requests/s\tp99 second\tcommands/s\tinvalidations/s\tloads/s\tlease polls/s\tmemory of an instance, at most\t")
	for _, r := range runs {
		requests, commands := costStream()
		requests, commands = requests*float64(r.streams), commands*float64(r.streams)
		held := r.sessions
		if r.name == "sticky" {
			held /= r.instances
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%.0f\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f MB\t\n", r.sessions, r.instances, r.name,
			mean(r.steady, func(s second) float64 { return float64(s.requests) }),
			mean(r.steady, refreshesIn),
			mean(r.steady, func(s second) float64 { return float64(s.logins) }),
			requests+mean(r.steady, requestsOf), requests+p99(r.steady, requestsOf), commands+mean(r.steady, commandsOf),
			mean(r.steady, func(s second) float64 { return float64(s.messages) }),
			mean(r.steady, func(s second) float64 { return float64(s.loads) }),
			mean(r.steady, func(s second) float64 { return float64(s.polls) }),
			float64(held*bytesOfSession)/1e6)
	}
	w.Flush()
}

func printHerds(out io.Writer, runs []*scaleRun) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nsessions\tinstances\t\tone restarts: loads/s\trefreshes/s\tstreams/s\tcalm\tall restart: loads/s\trefreshes/s\tstreams/s\tcalm\tRedis fails over: loads/s\tcalm\t")
	for _, r := range runs {
		fmt.Fprintf(w, "%d\t%d\t%s\t%d\t%d\t%d\t%v\t%d\t%d\t%d\t%v\t%d\t%v\t\n", r.sessions, r.instances, r.name,
			r.one.loads, r.one.refreshes, r.one.returns, r.one.calm,
			r.all.loads, r.all.refreshes, r.all.returns, r.all.calm,
			r.reconnected.loads, r.reconnected.calm)
	}
	w.Flush()
}

func printSlots(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nsessions\tmasters\tnames\tbusiest master\tidlest\tfullest slot\tmasters of a session\tscripts with keys in two slots\t")
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, masters := range []int{3, 6} {
			for _, tagged := range []bool{true, false} {
				s := sharesOf(n, masters, tagged, scaleSeed)
				names := "in braces"
				if !tagged {
					names = "without"
				}
				fmt.Fprintf(w, "%d\t%d\t%s\t%.2f %%\t%.2f %%\t%d\t%.2f\t%.2f %%\t\n", n, masters, names, 100*s.busiest, 100*s.idlest, s.fullest, s.nodes, 100*s.split)
			}
		}
	}
	w.Flush()
}
