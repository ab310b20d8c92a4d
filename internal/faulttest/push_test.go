package faulttest

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// listen opens a stream of events at an instance.
func (v *visitor) listen(in *instance) *proxytest.Stream {
	v.t.Helper()
	s := proxytest.OpenStream(v.t, v.client, in.origin+"/spotify/events")
	if s.Response.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: status %s", in.name, s.Response.Status)
	}
	return s
}

// polls returns how often Spotify was asked what an account plays.
func (c *cluster) polls() (n int) {
	for _, r := range c.sim.RequestsTo("/v1/me/player") {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

// awaitPlaying waits for an event with an item, and returns how long that took.
func awaitPlaying(t *testing.T, s *proxytest.Stream, uri string) time.Duration {
	t.Helper()
	for began := time.Now(); ; {
		var data struct {
			Player struct {
				Item struct {
					URI string `json:"uri"`
				} `json:"item"`
			} `json:"player"`
		}
		if e := s.Next(); e.Name == "player" {
			if e.Into(t, &data); data.Player.Item.URI == uri {
				return time.Since(began)
			}
		}
	}
}

// play has the instances that start from now on ask for what it takes to listen, and a
// user's phone play some tracks.
func (c *cluster) play() (spotifytest.Phone, []string) {
	c.t.Helper()
	c.scopes = "user-read-private user-read-playback-state user-modify-playback-state"
	phone, tracks := c.sim.Phone("mira"), c.sim.Tracks(5)
	if err := phone.Play(tracks...); err != nil {
		c.t.Fatal(err)
	}
	return phone, tracks
}

// Q07: of the instances at which somebody listens one asks Spotify, and all of them tell.
// When it is killed, another goes on within the lease.
func TestOneInstancePolls(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			store.use(c)
			phone, tracks := c.play()
			here, there := c.start(), c.start()
			v := c.login(here)
			first := v.listen(here)
			awaitPlaying(t, first, tracks[0])
			second := v.listen(there)
			awaitPlaying(t, second, tracks[0])
			if n := c.polls(); n != 1 {
				t.Errorf("%d requests for two instances", n)
			}

			// A command through the one that does not poll.
			want(t, v.fetch(there, http.MethodPost, "/spotify/v1/me/player/next"), http.StatusNoContent, "")
			t.Logf("%s: a command is seen there after %s, and on the other instance %s later", store.name,
				awaitPlaying(t, second, tracks[1]).Round(time.Millisecond), awaitPlaying(t, first, tracks[1]).Round(time.Millisecond))

			eventually(t, "both looks after the command", func() bool { return c.polls() >= 3 })
			here.kill()
			killed := time.Now()
			phone.Skip()
			awaitPlaying(t, second, tracks[2])
			took := time.Since(killed)
			t.Logf("%s: a change is seen %s after the instance that polls was killed", store.name, took.Round(time.Millisecond))
			// The lease, the look for it, and a heartbeat.
			if limit := 30 * time.Second; took > limit {
				t.Errorf("took %s, want at most %s", took, limit)
			}
		})
	}
}

// Q08: after a logout no stream of the session hears of anything, on whichever instance, and
// each is told why it ends. Another session's go on.
func TestNoEventAfterLogout(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			store.use(c)
			_, tracks := c.play()
			here, there := c.start(), c.start()
			v, other := c.login(here), c.login(here)
			own := []*proxytest.Stream{v.listen(here), v.listen(there)}
			others := []*proxytest.Stream{other.listen(here), other.listen(there)}
			for _, s := range append(own, others...) {
				awaitPlaying(t, s, tracks[0])
			}
			want(t, v.fetch(here, http.MethodPost, "/spotify/logout"), http.StatusNoContent, "")
			want(t, other.fetch(here, http.MethodPost, "/spotify/v1/me/player/next"), http.StatusNoContent, "")
			for _, s := range others {
				awaitPlaying(t, s, tracks[1])
			}
			for i, s := range own {
				e := s.NextNamed("login_required")
				if rest := s.Ended(); len(rest) != 0 {
					t.Errorf("stream %d: %s, and then %v", i, e.Data, rest)
				}
			}
		})
	}
}
