package share

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// A response is shown for as long as it is fresh, after that while there is none newer,
// and then no more. A failure is shown for as long as a response would be.
func TestShareShowsWhatIsThere(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "")
	get := sh.allowed("/v1/me/player", "")
	asked, fails := 0, false
	look := func() cache.Kept {
		t.Helper()
		kept, err := sh.get(t.Context(), get, func(context.Context, *target) (*cache.Response, *problem.Problem) {
			asked++
			if fails {
				return nil, shareUnavailable(errors.New("Spotify is out of reach"))
			}
			return &cache.Response{Status: 200}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	for i, step := range []struct {
		after            time.Duration
		fails            bool
		asked            int
		shown, outOfDate bool
		age, wait        time.Duration
	}{
		{asked: 1, shown: true},
		{after: 4 * time.Second, asked: 1, shown: true, age: 4 * time.Second},
		{after: time.Second, fails: true, asked: 2, shown: true, outOfDate: true, age: 5 * time.Second, wait: 5 * time.Second},
		{after: 4 * time.Second, asked: 2, shown: true, outOfDate: true, age: 9 * time.Second, wait: time.Second},
		{after: time.Second, asked: 3, shown: true},
		{after: 65 * time.Second, fails: true, asked: 4, wait: 5 * time.Second},
		{after: time.Second, asked: 4, wait: 4 * time.Second},
		{after: 4 * time.Second, asked: 5, shown: true},
	} {
		fake.Advance(step.after)
		fails = step.fails
		kept := look()
		if asked != step.asked || (kept.Response != nil) != step.shown || kept.Age != step.age || kept.Wait != step.wait {
			t.Errorf("step %d: asked %d times, %+v", i, asked, kept)
		}
		if step.shown && (kept.TTL <= 0) != step.outOfDate {
			t.Errorf("step %d: fresh for %s", i, kept.TTL)
		}
		if !step.shown && problem.As(kept.Failure) == nil {
			t.Errorf("step %d: the failure is %v", i, kept.Failure)
		}
	}
}

// A visitor who hangs up leaves the others alone, be it the one for whom Spotify was
// asked, and so do all of them: what comes is shown to those who look next.
func TestShareGoesOnWithoutItsVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakeclock.New(time.Now())
		fake.Install(t)
		sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "")
		get := sh.allowed("/v1/me/player", "")
		answer := make(chan struct{})
		asked := 0
		look := func(ctx context.Context) error {
			_, err := sh.get(ctx, get, func(ctx context.Context, _ *target) (*cache.Response, *problem.Problem) {
				asked++
				select {
				case <-answer:
					return &cache.Response{Status: 200}, nil
				case <-ctx.Done():
					return nil, shareUnavailable(ctx.Err())
				}
			})
			return err
		}
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan error, 2)
		for range 2 {
			go func() { gone <- look(ctx) }()
		}
		synctest.Wait()
		hangUp()
		for range 2 {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up: %v", err)
			}
		}
		synctest.Wait()
		close(answer)
		synctest.Wait()
		if err := look(t.Context()); err != nil || asked != 1 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	})
}

// However long the responses are that are shown, all of them are kept, and nothing once
// the configuration is gone.
func TestShareHasRoomForItsPaths(t *testing.T) {
	fake := fakeclock.New(time.Now())
	fake.Install(t)
	sh := openShare(t, memory.New(memory.Config{Now: fake.Now}), fake, "", "/v1/me/player", "/v1/me/top/tracks?limit=2", "/v1/me/tracks")
	asked := 0
	longest := func(context.Context, *target) (*cache.Response, *problem.Problem) {
		asked++
		rec := site.NewRecorder(nil, maxSharedBody)
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Location"} {
			rec.Header().Set(name, string(make([]byte, maxSharedHeader)))
		}
		if _, err := rec.Write(make([]byte, maxSharedBody)); err != nil {
			t.Error(err)
		}
		return sh.judge(nil, rec, nil)
	}
	for range 2 {
		for _, get := range sh.gets {
			if kept, err := sh.get(t.Context(), get, longest); err != nil || kept.Response == nil {
				t.Fatalf("%s: %+v, %v", get, kept, err)
			}
		}
	}
	if asked != len(sh.gets) || sh.kept.Used() < int64(asked)*maxSharedBody {
		t.Errorf("asked %d times for %d paths; %d bytes are kept", asked, len(sh.gets), sh.kept.Used())
	}
	if err := sh.Close(); err != nil || sh.kept.Used() != 0 {
		t.Errorf("%d bytes are kept after the end, %v", sh.kept.Used(), err)
	}
	for range 2 {
		asked = 0
		if kept, err := sh.get(t.Context(), sh.allowed("/v1/me/player", ""), longest); err != nil || kept.Response == nil || asked != 1 {
			t.Errorf("a visitor at the end: asked %d times, %v", asked, err)
		}
	}
}
