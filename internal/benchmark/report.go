package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// measure is what one server did in one round.
type measure struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // per request
}

// round is one turn of both servers.
type round struct{ plain, proxy measure }

// printMachine says where and how it was measured.
func printMachine(w io.Writer, s settings) {
	caddy := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/caddyserver/caddy/v2" {
				caddy = ", Caddy " + m.Version
			}
		}
	}
	fmt.Fprintf(w, "%s%s, %s/%s, %s, %d cores, load %s\n", runtime.Version(), caddy, runtime.GOOS, runtime.GOARCH, processor(), runtime.NumCPU(), load())
	fmt.Fprintf(w, "%d rounds of %v for each server in turns of %v, %d connections, one core for the server and the others for the rest\n\n",
		s.rounds, s.duration(), s.turn(), s.connections)
	fmt.Fprintln(w, "ratios are proxy to plain Caddy: median [least–most] of the rounds")
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// load is the machine's load average of the last minute.
func load() string {
	average, _ := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(average), " ")
	return minute
}

// report prints a comparison.
func report(w io.Writer, sc scenario, sessions int, rounds []round) {
	fmt.Fprintf(w, "\n%s: %s", sc.name, sc.about)
	if sessions > 0 {
		fmt.Fprintf(w, " (%d sessions)", sessions)
	}
	fmt.Fprintf(w, ", load %s\n", load())
	row := func(name, unit string, of func(measure) float64) {
		var plain, proxy, ratios []float64
		for _, r := range rounds {
			plain, proxy = append(plain, of(r.plain)), append(proxy, of(r.proxy))
			ratios = append(ratios, of(r.proxy)/of(r.plain))
		}
		fmt.Fprintf(w, "  %-12s %.3f [%.3f–%.3f]   %8.1f against %8.1f %s\n",
			name, median(ratios), slices.Min(ratios), slices.Max(ratios), median(proxy), median(plain), unit)
	}
	row("throughput", "requests/s", func(m measure) float64 { return m.perSecond })
	row("CPU", "µs/request", func(m measure) float64 { return micros(m.cpu) })
	row("p50", "µs", func(m measure) float64 { return micros(m.p50) })
	row("p99", "µs", func(m measure) float64 { return micros(m.p99) })
}

// reportRefresh prints what refreshes do to the slowest requests.
func reportRefresh(w io.Writer, sc scenario, refreshes, moments int, during, elsewhere []time.Duration) {
	fmt.Fprintf(w, "\n%s: %s (%d refreshes in %d moments), load %s\n", sc.name, sc.about, refreshes, moments, load())
	for _, percent := range []float64{50, 99, 99.9, 100} {
		name := fmt.Sprintf("p%v", percent)
		if percent == 100 {
			name = "slowest"
		}
		in, out := percentile(during, percent), percentile(elsewhere, percent)
		fmt.Fprintf(w, "  %-12s %.3f                 %8.1f in the second around a refresh against %8.1f µs elsewhere\n",
			name, micros(in)/micros(out), micros(in), micros(out))
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
