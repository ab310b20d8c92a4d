package ratelimit_test

import (
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
)

// systemClock is the machine's clock.
type systemClock struct{ start time.Time }

func (systemClock) Now() time.Time             { return time.Now() }
func (c systemClock) Monotonic() time.Duration { return time.Since(c.start) }

func TestOpenGateAllocatesNothing(t *testing.T) {
	g := ratelimit.New(systemClock{time.Now()})
	if n := testing.AllocsPerRun(1000, func() { g.Report(g.Admit("account", op, family), 200, "", false) }); n != 0 {
		t.Errorf("a request through an open gate allocates %v times", n)
	}
}

func BenchmarkGate(b *testing.B) {
	closed := ratelimit.New(systemClock{time.Now()})
	closed.Report(closed.Admit("a", op, family), 429, "86400", false)
	for _, bm := range []struct {
		name string
		gate *ratelimit.Gate
	}{
		{"open", ratelimit.New(systemClock{time.Now()})},
		{"closed", closed},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if d := bm.gate.Admit("account", op, family); d.Admitted {
						bm.gate.Report(d, 200, "", false)
					}
				}
			})
		})
	}
}
