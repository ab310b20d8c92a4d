package push

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/upstream"
)

// What a response means: whether there is a state, when to ask again, and whether the
// listener may listen on.
func TestJudge(t *testing.T) {
	s := &source{asker: site.Asker{Site: &site.Site{Clock: fakeclock.New(time.Now())}}, view: player.View{Whole: true}}
	limited := func(wait time.Duration, reason string) error { return &player.LimitedError{Wait: wait, Reason: reason} }
	ended := func(reason string) error { return &player.EndedError{Reason: reason} }
	temporary := func(reason string) error { return &player.TemporaryError{Reason: reason} }
	for _, tc := range []struct {
		status     int
		why, after string
		want       error
	}{
		{200, "", "", nil},
		{204, "", "", nil},
		{202, "", "", nil},
		{429, "rate_limited", "7", limited(7*time.Second, "rate_limited")},
		{429, "quota_exceeded", "48925", limited(48925*time.Second, "quota_exceeded")},
		{429, "", "", limited(0, "rate_limited")},
		{401, "reauthorization_required", "", ended("reauthorization_required")},
		{401, "invalid_access_key", "", ended("invalid_access_key")},
		{401, "", "", temporary("upstream_unavailable")},
		{401, "insufficient_scope", "", limited(refusedPause, "insufficient_scope")},
		{403, "premium_required", "", limited(refusedPause, "premium_required")},
		{403, "insufficient_scope", "", limited(refusedPause, "insufficient_scope")},
		{404, "", "", limited(refusedPause, "forbidden")},
		{502, "", "", temporary("upstream_unavailable")},
		{503, "store_unavailable", "5", temporary("store_unavailable")},
	} {
		rec := site.NewRecorder(nil, 0)
		rec.Status = tc.status
		if tc.why != "" {
			rec.Header().Set("Spotify-Proxy-Reason", tc.why)
		}
		if tc.after != "" {
			rec.Header().Set("Retry-After", tc.after)
		}
		rec.Body.WriteString(`{"is_playing":true}`)
		res, err := s.judge(rec)
		if !same(err, tc.want) {
			t.Errorf("status %d, reason %q: %v, want %v", tc.status, tc.why, err, tc.want)
		}
		if err == nil && (len(res.Body) > 0) != (tc.status == 200) {
			t.Errorf("status %d: body %q", tc.status, res.Body)
		}
	}
}

func same(a, b error) bool {
	switch want := b.(type) {
	case nil:
		return a == nil
	case *player.LimitedError:
		got, ok := errors.AsType[*player.LimitedError](a)
		return ok && *got == *want
	case *player.EndedError:
		got, ok := errors.AsType[*player.EndedError](a)
		return ok && *got == *want
	case *player.TemporaryError:
		got, ok := errors.AsType[*player.TemporaryError](a)
		return ok && got.Reason == want.Reason
	}
	return false
}

// Q04: with less than half of the budget left it is asked less often.
func TestScarcity(t *testing.T) {
	for quota, want := range map[string]float64{
		"":                                    1,
		"used=50":                             1,
		"limit=1000, remaining=900, reset=60": 1,
		"limit=1000, remaining=500":           1,
		"limit=1000;remaining=250":            2,
		"limit=1000, remaining=50":            10,
		"limit=1000, remaining=0":             1000,
		"limit=0, remaining=0":                1,
		"limit=x, remaining=y":                1,
	} {
		h := make(http.Header)
		h.Set(upstream.QuotaHeader, quota)
		if got := scarcity(h); got != want {
			t.Errorf("%q: %v, want %v", quota, got, want)
		}
	}
}
