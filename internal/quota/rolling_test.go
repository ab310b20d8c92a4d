package quota

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// spotify is what the other end has counted.
type spotify struct{ requests []request }

type request struct {
	at        time.Time
	operation string
	caller    Caller
	refused   bool
}

// counts returns what was counted in the last 24 hours, in all and by operation and
// caller.
func (s *spotify) counts() map[string]Counts {
	since := time.Now().Add(-24 * time.Hour)
	counts := make(map[string]Counts)
	for _, r := range s.requests {
		if r.at.Before(since) {
			continue
		}
		for _, key := range []string{"", "operation " + r.operation, string(r.caller.Kind) + " " + r.caller.Name} {
			c := counts[key]
			if r.refused {
				c.Refused++
			} else {
				c.Used++
			}
			counts[key] = c
		}
	}
	return counts
}

// reported returns a report in the same form.
func reported(l *Ledger) map[string]Counts {
	r := l.Report()
	l.Name(r, slices.Values([]string{"mira", "jonas"}))
	counts := make(map[string]Counts)
	if r.Counts != (Counts{}) {
		counts[""] = r.Counts
	}
	for _, c := range append(r.Operations, r.Callers...) {
		counts[string(c.Kind)+" "+c.Name] = c.Counts
	}
	return counts
}

// instance is one process.
type instance struct {
	*Ledger
	storage *handle
}

func (d *disk) start(name string) *instance {
	h := d.handle()
	return &instance{New("app", name, h, pkce.SystemClock{}, zap.NewNop()), h}
}

// send sends a request through an instance.
func (s *spotify) send(i *instance, operation string, c Caller, refused bool) {
	e := i.Begin(operation, c)
	e.Sent()
	s.requests = append(s.requests, request{time.Now(), operation, c, refused})
	if refused {
		e.Refused(operation, false)
	}
}

// Q03: over two rolling days, with two instances on one storage, clean stops and kills,
// the ledger agrees with what Spotify has counted, to the request.
func TestRollingDays(t *testing.T) {
	for seed := range uint64(1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rollingDays(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func rollingDays(t *testing.T, r *rand.Rand) {
	operations := []string{"GET /me", "GET /me/player", "PUT /me/player/play", "GET /foo/bar"}
	callers := []Caller{{Account, "mira"}, {Account, "jonas"}, {Key, "0a1b2c3d4e5f"}, {Line, "/v1/me/player"}, {Login, "logins"}}
	d, other, started := newDisk(), new(spotify), 2
	instances := []*instance{d.start("i0"), d.start("i1")}
	var kills, stops int
	begin := time.Now()
	for checked := 0; time.Since(begin) < 48*time.Hour+time.Minute; {
		time.Sleep(time.Duration(r.IntN(120_000)) * time.Millisecond)
		i := r.IntN(len(instances))
		other.send(instances[i], operations[r.IntN(len(operations))], callers[r.IntN(len(callers))], r.IntN(10) == 0)
		switch at := r.IntN(100); {
		case at == 0:
			// Killed, when what it sent last is a second ago.
			time.Sleep(writeEvery)
			synctest.Wait()
			instances[i].storage.kill()
			instances[i], kills, started = d.start(fmt.Sprintf("i%d", started)), kills+1, started+1
		case at == 1:
			if err := instances[i].Stop(); err != nil {
				t.Fatal(err)
			}
			instances[i], stops, started = d.start(fmt.Sprintf("i%d", started)), stops+1, started+1
		case at < 8:
			// The beginning of a minute, at which both have the same day. One shows what
			// the other has sent a second ago, or has read within a minute.
			time.Sleep(writeEvery)
			time.Sleep(time.Until(time.Now().Add(time.Minute).Truncate(time.Minute)))
			synctest.Wait()
			if err := instances[i].Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			checked++
			want, got := other.counts(), reported(instances[i].Ledger)
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("%s in, after %d kills and %d stops:\ngot  %v\nwant %v", time.Since(begin), kills, stops, got, want)
			}
		}
	}
	if kills == 0 || stops == 0 {
		t.Errorf("%d kills, %d stops", kills, stops)
	}
	for _, i := range instances {
		i.storage.kill()
		_ = i.Stop()
	}
	time.Sleep(2 * readEvery)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.files); n > 30*started {
		t.Errorf("%d files of %d instances are left", n, started)
	}
	t.Logf("%d requests, %d kills, %d stops, %d writes, %d files left", len(other.requests), kills, stops, d.writes, len(d.files))
}

// Q03: at any time between, the count is not below Spotify's, and above it by no more
// than what left the day within the minute.
func TestNeverTooLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		i, other := newDisk().start("i"), new(spotify)
		defer func() { _ = i.Stop() }()
		for range 2000 {
			time.Sleep(time.Duration(r.IntN(120_000)) * time.Millisecond)
			other.send(i, "GET /me", Caller{Account, "mira"}, false)
			least := other.counts()[""].Used
			most := least
			for _, q := range other.requests {
				if age := time.Since(q.at); age > 24*time.Hour && age < 24*time.Hour+time.Minute {
					most++
				}
			}
			if n := i.Used(); n < least || n > most {
				t.Fatalf("%d counted, not %d to %d", n, least, most)
			}
		}
	})
}

// Q03: a kill at any time forgets at most what was sent in the second before it.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		d, sent, least := newDisk(), 0, 0
		for n := range 200 {
			i := d.start(fmt.Sprint("i", n))
			var last []time.Time
			for range 1 + r.IntN(8) {
				e := i.Begin("GET /me", Caller{Account, "mira"})
				e.Sent()
				last = append(last, time.Now())
				time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
			}
			synctest.Wait()
			i.storage.kill()
			sent += len(last)
			for _, at := range last {
				if time.Since(at) >= writeEvery {
					least++
				}
			}
			_ = i.Stop()
		}
		i := d.start("last")
		if err := i.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := i.Used(); n < least || n > sent {
			t.Errorf("%d counted, of %d that were sent, %d of them long enough before a kill", n, sent, least)
		}
		_ = i.Stop()
		time.Sleep(2 * readEvery)
	})
}

// A storage that fails costs nothing but what a restart would have read from it, and
// what it missed is written once it works again.
func TestStorageFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		i := d.start("i0")
		i.storage.kill()
		for range 5 {
			e := i.Begin("GET /me", Caller{Account, "mira"})
			e.Sent()
			time.Sleep(time.Second)
		}
		if n := i.Used(); n != 5 {
			t.Errorf("%d counted", n)
		}
		i.storage.mu.Lock()
		i.storage.dead = false
		i.storage.mu.Unlock()
		time.Sleep(readEvery)
		synctest.Wait()
		later := d.start("i1")
		if err := later.Sync(t.Context()); err != nil || later.Used() != 5 {
			t.Errorf("%d counted by another instance: %v", later.Used(), err)
		}
		_, _ = i.Stop(), later.Stop()
		time.Sleep(2 * readEvery)
	})
}

// A file that cannot be read is left alone, and the others count.
func TestForeignFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		i := d.start("i0")
		e := i.Begin("GET /me", Caller{Account, "mira"})
		e.Sent()
		_ = i.Stop()
		hour := minuteOf(time.Now()) / 60
		folder := i.sync.folder + "/"
		d.files[folder+fileName(hour, "torn")] = []byte(`{"version":1,"rows":[{"kind":"acc`)
		d.files[folder+fileName(hour, "newer")] = []byte(`{"version":2}`)
		d.files[folder+fileName(hour, "odd")] = []byte(`{"version":1,"rows":[{"kind":"x","name":"y","spent":{"1":2}},{"kind":"key","name":"k","spent":{"-1":1,"60":1,"99":4,"5":2}}]}`)
		d.files[folder+"notes.txt"] = []byte("hello")
		later := d.start("i1")
		if err := later.Sync(t.Context()); err == nil {
			t.Error("nothing is said of the file that cannot be read")
		}
		if n := later.Used(); n != 3 {
			t.Errorf("%d counted", n)
		}
		if len(d.files) != 6 { // with the key of the aliases
			t.Errorf("%d files left", len(d.files))
		}
		_ = later.Stop()
		time.Sleep(2 * readEvery)
	})
}
