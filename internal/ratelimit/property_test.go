package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// asked are operations that the rounds of the property test send, as paths. Four of
// each family.
var asked = []string{
	"/v1/me/player", "/v1/me/player/devices", "/v1/me/player/queue", "/v1/me/player/currently-playing",
	"/v1/me/tracks", "/v1/me/albums", "/v1/me/shows", "/v1/me/following",
	"/v1/me/playlists", "/v1/playlists/x", "/v1/playlists/x/items", "/v1/playlists/x/images",
	"/v1/albums/x", "/v1/artists/x", "/v1/tracks/x", "/v1/shows/x",
	"/v1/me", "/v1/me/top/artists", "/v1/users/x", "/v1/search",
}

// Q01, Q02: whatever the groups of operations are for which Spotify has quotas, an
// operation that it would serve is refused for at most one interval between probes,
// and one that it would not serve is asked at most once in the interval that the gate
// names. So for two days of two accounts, in many groupings.
func TestAnyGroupingOfQuotas(t *testing.T) {
	const client, step = "client", 20 * time.Second
	groupings := []spotifytest.Grouping{spotifytest.OneBudget, spotifytest.PerOperation, spotifytest.PerFamily, spotifytest.RandomGroups}
	for seed := range uint64(16) {
		grouping := groupings[min(int(seed), 3)]
		t.Run(fmt.Sprintf("grouping %d, seed %d", grouping, seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			clock := fakeclock.New(noon)
			gate := ratelimit.New(clock)
			spotify := spotifytest.NewQuotas(spotifytest.Quota{Grouping: grouping, Size: 20 + r.IntN(400), Seed: seed})
			type state struct {
				refusedSince time.Duration // by the gate although Spotify would serve
				refused      bool
				notBefore    time.Duration // when the gate may send it again
				limited      bool          // since Spotify has refused it
			}
			states := make([]state, len(asked))
			served, wrongly, wasted, longest := 0, 0, 0, time.Duration(0)
			for clock.Monotonic() < 48*time.Hour {
				for range 1 + r.IntN(len(asked)) {
					i := r.IntN(len(asked))
					if r.IntN(3) == 0 {
						i = r.IntN(3) // some are polled
					}
					st, now := &states[i], clock.Monotonic()
					operation, family := webapi.Bucket("GET", asked[i])
					would := spotify.Wait(client, operation, clock.Now()) == 0
					d := gate.Admit(strconv.Itoa(i%2), operation, family)
					if !d.Admitted {
						switch {
						case d.FairShare || d.Limit.Scope == ratelimit.ScopeApp:
							t.Fatalf("after %v, quotas closed the app: %+v", now, d)
						case d.Wait > ratelimit.LastProbe:
							t.Fatalf("after %v, %s waits %v for a probe", now, operation, d.Wait)
						case !would:
							st.refused = false
						case !st.refused:
							st.refused, st.refusedSince = true, now
						}
						if would {
							wrongly++
							longest = max(longest, now-st.refusedSince)
						}
						continue
					}
					st.refused = false
					wait, _, ok := spotify.Take(client, operation, clock.Now(), nil)
					if ok {
						served++
						st.limited = false
						gate.Report(d, 200, "", false)
						continue
					}
					wasted++
					if st.limited && now < st.notBefore {
						t.Fatalf("after %v, %s was asked again %v too early", now, operation, st.notBefore-now)
					}
					told := (wait + time.Second - 1).Truncate(time.Second)
					gate.Report(d, 429, strconv.Itoa(int(told/time.Second)), true)
					st.limited, st.notBefore = true, now+min(told, ratelimit.FirstProbe)
				}
				clock.Advance(step)
			}
			if longest > ratelimit.FirstProbe+step {
				t.Errorf("an operation that Spotify would serve was refused for %v", longest)
			}
			if served == 0 || wasted == 0 {
				t.Errorf("%d served, %d refused by Spotify: nothing was tested", served, wasted)
			}
			t.Logf("%d served, %d refused by Spotify, %d refused here though it would serve, for %v at most", served, wasted, wrongly, longest)
		})
	}
}
