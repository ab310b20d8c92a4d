package player

import (
	"testing"
	"time"
)

const s = time.Second

func playing(item string, progress, duration time.Duration) State {
	return State{Active: true, Playing: true, Item: item, Progress: progress, Duration: duration}
}

// observe feeds a schedule and returns how long until it asks again.
func observe(t *testing.T, sc *Schedule, at time.Duration, st State, want Change) time.Duration {
	t.Helper()
	if got := sc.Observed(at, st); got != want {
		t.Errorf("at %v: change %d, want %d", at, got, want)
	}
	return sc.Next() - at
}

func check(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("%s: asks again after %v, want %v", what, got, want)
	}
}

// Q07: it asks at the end of an item, not shortly before, and at heartbeats that stretch.
func TestAsksAtTheEnd(t *testing.T) {
	var sc Schedule
	check(t, "new", sc.Next(), 0)
	check(t, "first", observe(t, &sc, 100*s, playing("a", 10*s, 200*s), Unexpected), 10*s)
	check(t, "second", observe(t, &sc, 110*s, playing("a", 20*s, 200*s), None), 15*s)
	check(t, "near the end", observe(t, &sc, 125*s, playing("a", 174*s+s/2, 200*s), Unexpected), 10*s)
	check(t, "nearer", observe(t, &sc, 135*s, playing("a", 184*s+s/2, 200*s), None), 16500*time.Millisecond)
	check(t, "the next", observe(t, &sc, 151500*time.Millisecond, playing("b", s, 200*s), Expected), 22500*time.Millisecond)
}

// An end that does not come is asked about a few times and then left to heartbeats.
func TestEndThatDoesNotCome(t *testing.T) {
	var sc Schedule
	at := 10 * s
	observe(t, &sc, at, playing("a", 195*s, 200*s), Unexpected)
	for _, want := range []time.Duration{s, 2 * s, 4 * s} {
		at = sc.Next()
		check(t, "at the end", observe(t, &sc, at, playing("a", 200*s, 200*s), None), want)
	}
	at = sc.Next()
	if pause := observe(t, &sc, at, playing("a", 200*s, 200*s), None); pause < minHeartbeat {
		t.Errorf("asks again after %v, want a heartbeat", pause)
	}
}

func TestChanges(t *testing.T) {
	paused := playing("a", 20*s, 200*s)
	paused.Playing = false
	louder := playing("a", 20*s, 200*s)
	louder.Rest = 1
	ad := State{Active: true, Playing: true, Advertisement: true}
	for name, tc := range map[string]struct {
		at   time.Duration
		st   State
		want Change
	}{
		"the same":                         {20 * s, playing("a", 20*s, 200*s), None},
		"what Spotify says lags":           {20 * s, playing("a", 18500*time.Millisecond, 200*s), None},
		"a seek":                           {20 * s, playing("a", 60*s, 200*s), Unexpected},
		"a seek back":                      {20 * s, playing("a", 0, 200*s), Unexpected},
		"a skip":                           {20 * s, playing("b", s, 200*s), Unexpected},
		"a pause":                          {20 * s, paused, Unexpected},
		"the volume":                       {20 * s, louder, Detail},
		"nothing plays":                    {20 * s, Idle, Unexpected},
		"the next":                         {201 * s, playing("b", s, 100*s), Expected},
		"the same again":                   {201 * s, playing("a", s, 200*s), Expected},
		"the next on another device":       {201 * s, State{Active: true, Playing: true, Item: "b", Progress: s, Rest: 1}, Expected},
		"the next, seen late":              {230 * s, playing("b", 30*s, 100*s), Expected},
		"the one after the next":           {320 * s, playing("c", s, 100*s), Unexpected},
		"an advertisement":                 {201 * s, ad, Expected},
		"an advertisement before its time": {100 * s, ad, Unexpected},
		"an end and then nothing":          {201 * s, Idle, Unexpected},
	} {
		t.Run(name, func(t *testing.T) {
			var sc Schedule
			sc.Observed(0, playing("a", 0, 200*s))
			observe(t, &sc, tc.at, tc.st, tc.want)
		})
	}
}

// A pause stretches to five minutes, an advertisement is looked at often.
func TestPauses(t *testing.T) {
	var sc Schedule
	at := s
	observe(t, &sc, at, Idle, Unexpected)
	for range 20 {
		at = sc.Next()
		observe(t, &sc, at, Idle, None)
	}
	check(t, "idle", sc.Next()-at, maxIdle)
	for range 20 {
		at = sc.Next()
		sc.Observed(at, State{Active: true, Playing: true, Item: "local file"})
	}
	check(t, "without a length", sc.Next()-at, maxPlaying)
	ad := State{Active: true, Playing: true, Advertisement: true}
	at = sc.Next()
	check(t, "an advertisement", observe(t, &sc, at, ad, Unexpected), minAdvertisement)
	for range 5 {
		at = sc.Next()
		observe(t, &sc, at, ad, None)
	}
	check(t, "a long one", sc.Next()-at, maxAdvertisement)
}

// Q07: a command is looked at twice, a hundred of them a few times.
func TestCommands(t *testing.T) {
	var sc Schedule
	observe(t, &sc, 0, playing("a", 0, 200*s), Unexpected)
	sc.Commanded(2 * s)
	check(t, "a command", sc.Next(), 2*s+firstAfterCommand)
	observe(t, &sc, sc.Next(), playing("b", 0, 200*s), Unexpected)
	check(t, "the second look", sc.Next(), 2*s+secondAfterCommand)
	observe(t, &sc, sc.Next(), playing("b", s, 200*s), None)
	if _, ok := sc.NextCommand(); ok {
		t.Error("there is a third look")
	}
	asked := 0
	for at := 20 * s; at < 30*s; at += 100 * time.Millisecond {
		sc.Commanded(at)
		for sc.Next() <= at {
			sc.Observed(at, playing("b", at, 200*s))
			asked++
		}
	}
	if asked > 15 || asked < 8 {
		t.Errorf("asked %d times in ten seconds of commands", asked)
	}
}

// Nothing is asked while Spotify gives no response, whatever happens.
func TestLimited(t *testing.T) {
	var sc Schedule
	observe(t, &sc, 0, playing("a", 0, 200*s), Unexpected)
	sc.Commanded(s)
	sc.Limited(2*s, 1000*s)
	sc.Commanded(3 * s)
	sc.Wanted(4 * s)
	check(t, "limited", sc.Next(), 1002*s)
	observe(t, &sc, 1002*s, playing("a", 0, 200*s), Unexpected)
	sc.Commanded(1003 * s)
	check(t, "open again", sc.Next(), 1003*s+firstAfterCommand)
}

func TestFailures(t *testing.T) {
	var sc Schedule
	var pauses []time.Duration
	for at := time.Duration(0); len(pauses) < 6; at = sc.Next() {
		pause, _ := sc.Failed(at)
		pauses = append(pauses, pause)
	}
	if pauses[0] != 5*s || pauses[1] != 10*s || pauses[5] != maxFailurePause {
		t.Errorf("pauses after failures: %v", pauses)
	}
}

// As the budget runs short only heartbeats wait longer.
func TestScarcity(t *testing.T) {
	var sc Schedule
	sc.Scarcity(4)
	check(t, "a heartbeat", observe(t, &sc, 0, Idle, Unexpected), 40*s)
	check(t, "an end", observe(t, &sc, 40*s, playing("a", 170*s, 200*s), Unexpected), 31*s)
	sc.Scarcity(1e9)
	check(t, "bounded", observe(t, &sc, 50*s, Idle, Unexpected), maxScarcity*minHeartbeat)
	sc.Scarcity(-1)
	check(t, "none", observe(t, &sc, 60*s, Idle, None), 15*s)
}
