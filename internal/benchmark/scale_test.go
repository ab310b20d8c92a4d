package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/redistest"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// quiet are habits in which nothing happens but requests and refreshes: one session is
// always open, and asks every ten seconds.
var quiet = habits{open: 1, visit: 1e6 * time.Hour, click: 10 * time.Second, burst: 1, life: time.Hour, endpoint: 100 * time.Millisecond}

// total adds up what happened.
func total(s *sim) (all second) {
	for _, one := range s.seconds {
		all.requests += one.requests
		all.loads += one.loads
		all.refreshes += one.refreshes
		all.redis = sum(all.redis, one.redis)
		all.messages += one.messages
		all.adopted += one.adopted
		all.logins += one.logins
		all.logouts += one.logouts
		all.revoked += one.revoked
		all.polls += one.polls
		all.saves += one.saves
	}
	return all
}

func TestSimulationIsDeterministic(t *testing.T) {
	printed := func(seed uint64) string {
		var all strings.Builder
		for _, h := range []habits{busyHour, {open: 0.3, visit: time.Minute, click: time.Second, burst: 4, newLogin: 0.5, logout: 0.5, revoked: 0.1, life: 2 * time.Minute, endpoint: time.Second, streams: true}} {
			s := newSim(300, 3, h, seed, 10*time.Minute)
			s.after[200] = func(s *sim) { s.stop(1) }
			s.after[205] = func(s *sim) { s.up[1] = true }
			s.after[400] = (*sim).reconnect
			s.run()
			fmt.Fprintln(&all, s.seconds, s.tracked, s.streams)
		}
		return all.String()
	}
	if printed(1) != printed(1) {
		t.Error("one seed gave two histories")
	}
	if printed(1) == printed(2) {
		t.Error("two seeds gave one history")
	}
}

// TestOneSession counts by hand. A token of an hour is refreshed when five minutes of it are
// left, so every 55 minutes and up to a click: 13 times in 12 hours.
func TestOneSession(t *testing.T) {
	s := newSim(1, 1, quiet, 1, 12*time.Hour)
	s.run()
	all := total(s)
	if want := (cost{4, 16}); costRefresh != want {
		t.Errorf("a refresh costs %v, want %v", costRefresh, want)
	}
	if all.refreshes != 13 && all.refreshes != 14 {
		t.Errorf("%d refreshes in 12 hours, want 13 or 14", all.refreshes)
	}
	if want := costRefresh.times(all.refreshes); all.redis != want {
		t.Errorf("%d refreshes asked for %v, want %v", all.refreshes, all.redis, want)
	}
	if all.messages != 0 || all.loads != 0 || all.polls != 0 || all.saves != 0 {
		t.Errorf("one instance heard of itself: %+v", all)
	}
}

// TestOneSessionOnTwoInstances counts by hand: the instance that refreshes has the other one told,
// which reads the session at its next request.
func TestOneSessionOnTwoInstances(t *testing.T) {
	s := newSim(1, 2, quiet, 1, 240*time.Hour)
	s.run()
	all := total(s)
	if all.refreshes < 250 || all.messages != all.refreshes || all.loads+all.adopted < all.refreshes-1 || all.loads+all.adopted > all.refreshes {
		t.Errorf("%d refreshes, %d messages, %d loads, %d adopted; want as many messages as refreshes, and loads but for the last", all.refreshes, all.messages, all.loads, all.adopted)
	}
	want := sum(costRefresh.times(all.refreshes), costLoad.times(all.loads), costAdopted.times(all.adopted), costRefused.times(all.polls))
	if all.redis != want {
		t.Errorf("Redis was asked for %v, want %v", all.redis, want)
	}
}

// TestStickySession hears nothing of the other instances, since none has it in use.
func TestStickySession(t *testing.T) {
	h := quiet
	h.sticky = true
	s := newSim(8, 4, h, 1, 12*time.Hour)
	clear(s.tracked)
	s.run()
	all := total(s)
	if all.loads != 8 || all.messages != 0 {
		t.Errorf("%d loads and %d messages, want one load of each of 8 sessions and no message", all.loads, all.messages)
	}
}

// TestRestart has every session in use read once on the instance that starts again.
func TestRestart(t *testing.T) {
	h := quiet
	h.life = 1000 * time.Hour
	s := newSim(500, 1, h, 1, 20*time.Minute)
	s.after[60] = func(s *sim) { s.stop(0) }
	s.after[65] = func(s *sim) { s.up[0] = true }
	s.run()
	herd := s.seconds[60:]
	loads, lost := 0, 0
	for i, one := range herd {
		loads += one.loads
		lost += one.lost
		if i < 5 && one.loads > 0 {
			t.Errorf("second %d: %d loads of an instance that is down", i, one.loads)
		}
	}
	if loads != 500 || lost < 150 || lost > 350 {
		t.Errorf("%d loads after a restart and %d requests lost, want 500 and some 250", loads, lost)
	}
}

// TestStreamsComeBackSpread has no more of them return in a second than the server asks for.
func TestStreamsComeBackSpread(t *testing.T) {
	h := quiet
	h.streams, h.click = true, time.Hour
	s := newSim(12_000, 2, h, 1, 5*time.Minute)
	s.after[60] = func(s *sim) { s.stop(0) }
	s.run()
	most, all := 0, 0
	for _, one := range s.seconds {
		most, all = max(most, one.returns), all+one.returns
	}
	// 6,000 over 15 seconds.
	if all < 5_800 || most > returnsPerSecond*5/4 || s.streams[1] != 12_000 {
		t.Errorf("%d streams came back, at most %d in a second, and %d are on the instance that is left", all, most, s.streams[1])
	}
}

func TestSlots(t *testing.T) {
	if crc := crc16("123456789"); crc != 0x31c3 {
		t.Errorf("CRC16 is %#x, want 0x31c3", crc)
	}
	for key, want := range map[string]int{"foo": 12182, "{foo}:lease": 12182, "somekey": 11058} {
		if got := slotOf(key); got != want {
			t.Errorf("slot of %q is %d, want %d", key, got, want)
		}
	}
	tagged := sharesOf(3_000, 3, true, 1)
	if tagged.nodes != 1 || tagged.split != 0 || tagged.busiest > 0.37 || tagged.idlest < 0.30 {
		t.Errorf("with braces: %+v", tagged)
	}
	// A CRC tells names apart that differ in their ends alone, so no two of them share a slot.
	if s := sharesOf(3_000, 3, false, 1); s.nodes < 2.2 || s.nodes > 2.5 || s.split != 1 {
		t.Errorf("without braces: %+v", s)
	}
}

// TestConstantsAreTheCodes reads the constants of the simulation where they are declared.
func TestConstantsAreTheCodes(t *testing.T) {
	for file, lines := range map[string][]string{
		"internal/session/limits.go":     {"freeRefreshes = 4", "longestPace = 10 * time.Second", "maxRefreshes = 1024"},
		"internal/session/background.go": {"every := max(1, min(m.idleSeconds/20, 6*3600))"},
		"tokenstore/redis/lease.go":      {"minPoll = 20 * time.Millisecond", "maxPoll = 200 * time.Millisecond"},
		"tokenstore/redis/settings.go":   {"defaultLease = 2500 * time.Millisecond"},
		"internal/player/member.go":      {"lookEvery = time.Second"},
		"internal/player/event.go":       {"leastSpread = 6 * time.Second", "longestSpread = time.Minute", "returnsPerSecond = 400", "soonestReturn = 500 * time.Millisecond"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		plain := regexp.MustCompile(` +`).ReplaceAllString(string(text), " ")
		for _, line := range lines {
			if !strings.Contains(plain, line) {
				t.Errorf("%s has no %q: change the simulation with it", file, line)
			}
		}
	}
}

// TestCosts counts what a real Redis was asked.
func TestCosts(t *testing.T) {
	server := redistest.Start(t)
	store, err := openRedis(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := t.Context()
	now := time.Now()
	rec := &tokenstore.Record{Sealed: []byte("sealed"), Meta: tokenstore.Meta{CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Hour)}}
	key := tokenstore.NewSessionID().Key("scale")
	var lease tokenstore.Lease
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func() { _, err := store.Load(ctx, key); must(err) }
	acquire := func() { lease, err = store.Lease(ctx, key); must(err) }
	release := func() { must(lease.Release(ctx)) }
	load2 := func() { _, _ = store.Load(ctx, tokenstore.NewSessionID().Key("nothing")) }
	load2() // connects
	for _, step := range []struct {
		name string
		do   func()
		want cost
	}{
		{"a load", load2, costLoad},
		{"a create", func() { must(store.Create(ctx, key, rec)) }, costCreate},
		{"a load of what is there", load, costLoad},
		{"an update", func() { must(store.Update(ctx, key, rec)) }, costUpdate},
		{"a lease that another wanted", func() {
			acquire()
			brief, cancel := context.WithTimeout(ctx, minPoll/2)
			defer cancel()
			if _, err := store.Lease(brief, key); err == nil {
				t.Error("two had the lease")
			}
			release()
		}, sum(costAcquire, costRefused, costRelease)},
		{"a refresh", func() { acquire(); load(); must(store.Update(ctx, key, rec)); release() }, costRefresh},
		{"an end", func() { must(store.Delete(ctx, key)) }, costDelete},
	} {
		server.Do("CONFIG", "RESETSTAT")
		step.do()
		stats, _ := server.Do("INFO", "commandstats").(string)
		if got := costOf(parseCommandStats(stats)); got != step.want {
			t.Errorf("%s asked Redis for %v, want %v:\n%s", step.name, got, step.want, bytes.TrimSpace([]byte(stats)))
		}
	}
}
