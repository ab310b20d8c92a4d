package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/player/playertest"
)

// playerDays is how many days are simulated, and playerSeed which ones.
const (
	playerDays = 200
	playerSeed = 1
)

// followPlayer prints what it costs to follow a player, by the schedule and at fixed
// intervals. Nothing is measured but the schedule: the days are simulated.
func followPlayer(_ context.Context, sc scenario, _ settings) error {
	fmt.Printf("\n%s: %s\n", sc.name, sc.about)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests a day\tlag p50\tlag p90\tnatural ends p50\tp95\tskips elsewhere p50\tmusic begins p50\t")
	for _, life := range []struct {
		name   string
		change func(*playertest.Habits)
	}{
		{"six hours of music", func(*playertest.Habits) {}},
		{"with advertisements every day", func(h *playertest.Habits) { h.FreeDays = 1 }},
		{"half of the tracks skipped", func(h *playertest.Habits) { h.Skips = 0.5 }},
		{"crossfades of 12 s", func(h *playertest.Habits) { h.Crossfade, h.Gap = 12*time.Second, 0 }},
		{"music for 20 hours", func(h *playertest.Habits) { h.Music = 20 * time.Hour }},
	} {
		habits := playertest.Usual
		life.change(&habits)
		l := playertest.NewLife(playerSeed, playerDays, habits)
		ours := playertest.Follow(l, playertest.UsualNetwork, playerSeed, new(player.Schedule))
		printFollowed(w, life.name, ours)
		every, same := playertest.Best(l, playertest.UsualNetwork, playerSeed, ours)
		printFollowed(w, fmt.Sprintf("  every %v, at the same cost", every), same)
		for _, every := range []time.Duration{10 * time.Second, 75 * time.Second} {
			if life.name == "six hours of music" {
				printFollowed(w, fmt.Sprintf("  every %v", every), playertest.Follow(l, playertest.UsualNetwork, playerSeed, &playertest.Fixed{Every: every}))
			}
		}
	}
	return w.Flush()
}

func printFollowed(w *tabwriter.Writer, name string, r *playertest.Result) {
	lag := func(quantile float64, causes ...playertest.Cause) string {
		d, _ := r.Lag(quantile, causes...)
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, r.PerDay(), lag(0.5), lag(0.9),
		lag(0.5, playertest.Ended), lag(0.95, playertest.Ended), lag(0.5, playertest.Skipped), lag(0.5, playertest.Started))
}
