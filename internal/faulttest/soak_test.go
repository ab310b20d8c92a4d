package faulttest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// soakTime is how long a soak lasts, unless the environment has SOAK=5m or the
// like. Then there is one over files, too, where it takes a while until nobody
// waits for those who were killed any more.
const soakTime = 20 * time.Second

// R41, R27, R28, O51: fifty sessions, two instances, tokens that live three
// seconds and a server that rotates refresh tokens and ends the grant at the
// reuse of one. While people use their sessions the instances are killed at
// random, Redis is restarted, and the token endpoint fails. In the end each
// session works, or was ended by the server, which had sent a new refresh token
// that died with the process it was sent to.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := soakTime
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := newSoak(t)
		s.server = s.startRedis()
		s.run(length)
	})
	if os.Getenv("SOAK") != "" {
		t.Run("files", func(t *testing.T) {
			t.Parallel()
			newSoak(t).run(length)
		})
	}
}

// people is how many there are.
const people = 50

// run lets fifty people use their sessions while all is tormented.
func (s *soak) run(length time.Duration) {
	s.t.Helper()
	s.begin()
	stop := make(chan struct{})
	var group sync.WaitGroup
	for _, p := range s.people {
		group.Go(func() { p.live(stop) })
	}
	s.torment(time.Now().Add(length))
	close(stop)
	group.Wait()
	s.heal()
	s.report(length)
}

// soak is what happens in a soak.
type soak struct {
	*cluster
	server    *redistest.Server // nil if there is none
	instances []*instance
	people    []*person

	mu       sync.Mutex
	answers  map[string]int
	kills    []kill
	restarts int
	faults   int
	stranded int      // sessions whose new refresh token died with a process
	lost     []string // sessions lost to us, and why
	alive    int
}

// kill is when an instance was killed: it ran before, and was gone after.
type kill struct {
	of            *instance
	before, after time.Time
}

// person is somebody who uses one session after the other.
type person struct {
	*visitor
	soak  *soak
	ref   string
	grant int // its index among the simulator's grants
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	options := spotifytest.Options{Rotation: spotifytest.RotateRevoke, TokenLife: 3 * time.Second, RecordLimit: 1 << 20}
	for i := range people {
		options.Users = append(options.Users, spotifytest.User{ID: fmt.Sprintf("user%02d", i)})
	}
	return &soak{cluster: newCluster(t, options), answers: make(map[string]int)}
}

// begin starts two instances and logs people in.
func (s *soak) begin() {
	s.t.Helper()
	s.instances = []*instance{s.prepare(), s.prepare()}
	// So that the simulator's record tells whose requests are whose.
	s.instances[1].tokenURL = strings.Replace(s.sim.TokenURL, "127.0.0.1", "localhost", 1)
	for _, in := range s.instances {
		in.start()
	}
	for i := range people {
		p := &person{visitor: s.visitor(), soak: s}
		p.user = fmt.Sprintf("user%02d", i)
		s.people = append(s.people, p)
		if err := p.begin(s.instances[0]); err != nil {
			s.t.Fatal(err)
		}
	}
}

// begin logs in. Logins come one at a time, so that one knows whose grant the
// last one is.
func (p *person) begin(in *instance) error {
	p.soak.mu.Lock()
	defer p.soak.mu.Unlock()
	a, err := p.comeIn(in)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("login: status %d", a.StatusCode)
	}
	p.ref, p.grant = tokenstore.Ref(p.key()), len(p.sim.Grants())-1
	return nil
}

// live uses the session until the soak ends.
func (p *person) live(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(100*time.Millisecond + rand.N(300*time.Millisecond)):
		}
		in := p.soak.instances[rand.IntN(len(p.soak.instances))]
		if p.ref == "" {
			_ = p.begin(in) // if it cannot be done now, then later
			continue
		}
		p.use(in)
	}
}

// use makes one request, and reports whether the session works. It notes the
// session's end.
func (p *person) use(in *instance) bool {
	a, err := p.try(p.t.Context(), in, http.MethodGet, "/spotify/v1/me")
	kind := "no connection"
	if err == nil {
		kind = strings.TrimSpace(fmt.Sprintf("%d %s", a.StatusCode, a.reason()))
	}
	p.soak.mu.Lock()
	defer p.soak.mu.Unlock()
	p.soak.answers[kind]++
	switch {
	case err != nil:
	case a.StatusCode == http.StatusOK:
		return true
	case a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
	case a.StatusCode == http.StatusUnauthorized && a.reason() != "":
		if why := p.soak.judge(p); why == "" {
			p.soak.stranded++
		} else {
			p.soak.lost = append(p.soak.lost, p.ref+": "+why)
		}
		p.ref = ""
	default:
		p.soak.lost = append(p.soak.lost, fmt.Sprintf("%s: answered %d: %s", p.ref, a.StatusCode, a.body))
		p.ref = ""
	}
	return false
}

// judge says why a session that has ended was lost to us, or nothing if its
// refresh token died with a process. s.mu is held.
func (s *soak) judge(p *person) string {
	grant := s.sim.Grants()[p.grant]
	if !grant.Revoked {
		return "the server has not ended it"
	}
	var redeemed, reused time.Time
	for _, event := range grant.Events {
		switch event.Kind {
		case "refreshed":
			redeemed = event.At
		case "reuse":
			reused = event.At
		}
	}
	for _, in := range s.instances {
		for _, line := range in.log.about(p.ref) {
			if line.Message == "token refreshed" && line.Outcome == "refreshed" && line.time().After(redeemed.Add(-time.Millisecond)) && line.time().Before(reused) {
				return fmt.Sprintf("%s had saved the new token", in.name)
			}
		}
	}
	redeemer := s.redeemer(p.user, redeemed)
	for _, k := range s.kills {
		// What it had sent may have arrived when it was gone.
		if k.of == redeemer && redeemed.Before(k.after.Add(time.Second)) && reused.After(k.before) {
			return ""
		}
	}
	return fmt.Sprintf("%s redeemed it at %.3f and was not killed before the reuse at %.3f", redeemer.name, seconds(redeemed), seconds(reused))
}

// redeemer returns the instance that redeemed a user's refresh token at that time.
func (s *soak) redeemer(user string, at time.Time) *instance {
	requests := s.sim.RequestsTo("/api/token")
	for _, r := range slices.Backward(requests) {
		if r.User != user || r.Status != http.StatusOK || r.At.After(at) {
			continue
		}
		for _, in := range s.instances {
			if strings.HasPrefix(in.tokenURL, "http://"+r.Host+"/") {
				return in
			}
		}
	}
	return &instance{name: "nobody"}
}

// torment does harm until the time has come. It runs in the test's goroutine.
func (s *soak) torment(until time.Time) {
	for time.Now().Before(until) {
		time.Sleep(200*time.Millisecond + rand.N(800*time.Millisecond))
		kinds := 4
		if s.server == nil {
			kinds = 3
		}
		switch rand.IntN(kinds) {
		case 0, 1:
			in := s.instances[rand.IntN(len(s.instances))]
			before := time.Now()
			in.kill()
			s.mu.Lock()
			s.kills = append(s.kills, kill{in, before, time.Now()})
			s.mu.Unlock()
			time.Sleep(rand.N(500 * time.Millisecond))
			in.start()
		case 2:
			n := 1 + rand.IntN(20)
			s.sim.Inject(spotifytest.Fault{
				Path: "/api/token", GrantType: "refresh_token",
				Times: n, Status: []int{500, 502, 503, 429}[rand.IntN(4)],
			})
			s.faults += n
		case 3:
			if rand.IntN(2) == 0 {
				s.server.Kill()
				time.Sleep(rand.N(500 * time.Millisecond))
			}
			s.server.Restart()
			s.restarts++
		}
	}
}

// heal ends all faults, and has everybody use their session until it works or
// is found to be over.
func (s *soak) heal() {
	s.sim.ClearFaults()
	s.sim.SetTokenLife(time.Hour)
	var group sync.WaitGroup
	for i, p := range s.people {
		group.Go(func() {
			for deadline := time.Now().Add(2 * patience); p.ref != ""; time.Sleep(100 * time.Millisecond) {
				if p.use(s.instances[i%len(s.instances)]) {
					s.mu.Lock()
					s.alive++
					s.mu.Unlock()
					return
				}
				if time.Now().After(deadline) {
					s.t.Errorf("session %s neither works nor ends", p.ref)
					return
				}
			}
		})
	}
	group.Wait()
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (s *soak) report(length time.Duration) {
	var table strings.Builder
	row := func(name string, n int) { fmt.Fprintf(&table, "\n%8d  %s", n, name) }
	row("seconds", int(length.Seconds()))
	row("instances killed", len(s.kills))
	row("restarts of Redis", s.restarts)
	row("failures of the token endpoint", s.faults)
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(s.answers)) {
		row("answered "+kind, s.answers[kind])
		total += s.answers[kind]
	}
	row("requests", total)
	row("refreshes", s.sim.Refreshes())
	row("logins", len(s.sim.Grants()))
	row("sessions whose new refresh token died with a process", s.stranded)
	row("sessions that work at the end", s.alive)
	row("sessions lost to us", len(s.lost))
	s.t.Log(table.String())
	for _, why := range s.lost {
		s.t.Errorf("lost to us: %s", why)
	}
	if n := s.answers["200"]; n == 0 {
		s.t.Error("nothing worked")
	}
}
