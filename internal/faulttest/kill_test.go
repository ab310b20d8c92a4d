package faulttest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// refreshSteps are the places at which a refresh can be cut off, in their order.
var refreshSteps = []string{
	"before lease", "after lease", "before load", "after load",
	"before redemption", "after redemption",
	"before update", "after update", "before release", "after release",
}

// strandedSteps are those at which the only copy of a new refresh token dies
// with the process. A server that rotates has then ended the grant.
var strandedSteps = map[string]bool{"after redemption": true, "before update": true}

// R41: kill -9 at any step of a refresh leaves a session that works, or one that
// asks for a new login once, and never a record that cannot be read. A login
// is lost only where a server that rotates refresh tokens has already sent the
// next one.
func TestKilledDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, rotation := range []spotifytest.Rotation{spotifytest.RotateOmit, spotifytest.RotateRevoke} {
		for _, store := range sharedStores {
			t.Run(rotation.String()+"/"+store.name, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, spotifytest.Options{Rotation: rotation})
				store.use(c)
				c.openGate()
				doomed := c.prepare()
				visitors := make([]*visitor, len(refreshSteps))
				for i, step := range refreshSteps {
					doomed.start()
					visitors[i] = c.login(doomed)
					visitors[i].killDuring(doomed, step)
				}

				survivor := c.start()
				outcomes := make([]string, len(refreshSteps))
				var group sync.WaitGroup
				for i, v := range visitors {
					group.Go(func() { outcomes[i] = v.comeBack(survivor) })
				}
				group.Wait()
				for i, step := range refreshSteps {
					t.Logf("rotate %-6s  %-5s  %-17s  %s", rotation, store.name, step, outcomes[i])
					wanted := "works"
					if rotation != spotifytest.RotateOmit && strandedSteps[step] {
						wanted = "asks for a new login once"
					}
					if outcomes[i] != wanted {
						t.Errorf("killed %s: the session %s, want %s", step, outcomes[i], wanted)
					}
				}
				for _, line := range []string{"unreadable session record", "corrupt"} {
					if strings.Contains(survivor.log.String(), line) {
						t.Errorf("the log says %q", line)
					}
				}
			})
		}
	}
}

// killDuring starts a refresh on an instance and kills it at a step of that.
func (v *visitor) killDuring(in *instance, step string) {
	v.t.Helper()
	v.sim.ExpireAccessTokens()
	var reached <-chan struct{}
	if strings.HasSuffix(step, "redemption") {
		held := v.sim.Inject(spotifytest.Fault{
			Path: "/api/token", GrantType: "refresh_token",
			Hold: true, AfterServing: step == "after redemption",
		})
		defer held.Clear()
		reached = held.Entered()
	} else {
		reached, _ = v.gate.stopAt(in, step)
		defer v.gate.forget(in, step)
	}
	request := v.later(v.t.Context(), in)
	await(v.t, "the refresh comes "+step, reached)
	in.kill()
	await(v.t, "the request ends", request)
}

// comeBack uses the session until it works or is over, and returns what the
// visitor has seen.
func (v *visitor) comeBack(in *instance) string {
	for range 30 {
		a, err := v.try(v.t.Context(), in, http.MethodGet, "/spotify/v1/me")
		switch {
		case err != nil:
			return err.Error()
		case a.StatusCode == http.StatusOK:
			return "works"
		case a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
			time.Sleep(time.Second)
		case a.StatusCode == http.StatusUnauthorized && a.reason() == "reauthorization_required":
			if a, err := v.try(v.t.Context(), in, http.MethodGet, "/spotify/v1/me"); err != nil || a.reason() != "login_required" {
				return fmt.Sprintf("ended, and then answered %d %s %v", a.StatusCode, a.body, err)
			}
			if a, err := v.comeIn(in); err != nil || a.StatusCode != http.StatusSeeOther {
				return fmt.Sprintf("ended, and the login was answered %s %v", a.body, err)
			}
			if a, err := v.try(v.t.Context(), in, http.MethodGet, "/spotify/v1/me"); err != nil || a.StatusCode != http.StatusOK {
				return fmt.Sprintf("ended, and after a new login answered %s %v", a.body, err)
			}
			return "asks for a new login once"
		default:
			return fmt.Sprintf("answered %d: %s", a.StatusCode, a.body)
		}
	}
	return "never comes back"
}
