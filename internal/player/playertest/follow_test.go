package playertest_test

import (
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/player/playertest"
)

const days = 200

// Q07: a display that is watched all day costs at most a thousand requests, and sees
// changes sooner than any fixed interval that costs as much.
func TestDisplayWatchedAllDay(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		life := playertest.NewLife(seed, days, playertest.Usual)
		got := playertest.Follow(life, playertest.UsualNetwork, seed, new(player.Schedule))
		median, changes := got.Lag(0.5)
		ends, natural := got.Lag(0.95, playertest.Ended)
		every, fixed := playertest.Best(life, playertest.UsualNetwork, seed, got)
		fixedMedian, _ := fixed.Lag(0.5)
		t.Logf("seed %d: %.0f requests a day, median lag %v of %d changes, natural ends %v at p95 of %d; every %v: %.0f, %v",
			seed, got.PerDay(), median, changes, ends, natural, every, fixed.PerDay(), fixedMedian)
		if got.PerDay() > 1000 {
			t.Errorf("seed %d: %.0f requests a day, want at most 1,000", seed, got.PerDay())
		}
		if median > 1500*time.Millisecond {
			t.Errorf("seed %d: median lag %v, want at most 1.5 s", seed, median)
		}
		if ends > 2*time.Second {
			t.Errorf("seed %d: natural ends are seen after %v at p95, want at most 2 s", seed, ends)
		}
		if fixedMedian < 10*median {
			t.Errorf("seed %d: a fixed interval of the same cost has a median lag of %v, ours is %v", seed, fixedMedian, median)
		}
	}
}

// Q07: the same holds for those who do not fit the usual: all with advertisements,
// crossfades, long gaps, or much skipping, as far as it can.
func TestOtherHabits(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*playertest.Habits)
		ends   time.Duration // p90 of natural ends
	}{
		"advertisements every day": {func(h *playertest.Habits) { h.FreeDays = 1 }, 2 * time.Second},
		"crossfade of 12 seconds":  {func(h *playertest.Habits) { h.Crossfade, h.Gap = 12*time.Second, 0 }, 2 * time.Second},
		"gaps of up to 3 seconds":  {func(h *playertest.Habits) { h.Gap = 3 * time.Second }, 4 * time.Second},
		"half is skipped":          {func(h *playertest.Habits) { h.Skips = 0.5 }, 2 * time.Second},
		"nothing but music":        {func(h *playertest.Habits) { h.Music = 20 * time.Hour }, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			habits := playertest.Usual
			tc.change(&habits)
			life := playertest.NewLife(7, 30, habits)
			got := playertest.Follow(life, playertest.UsualNetwork, 7, new(player.Schedule))
			ends, n := got.Lag(0.9, playertest.Ended)
			median, _ := got.Lag(0.5)
			t.Logf("%.0f requests a day, median lag %v, natural ends %v at p90 of %d", got.PerDay(), median, ends, n)
			if ends > tc.ends {
				t.Errorf("natural ends are seen after %v at p90, want at most %v", ends, tc.ends)
			}
			if got.PerDay() > 1700 {
				t.Errorf("%.0f requests a day", got.PerDay())
			}
		})
	}
}
