package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

const (
	// phoneSkips is how many of the tracks are skipped on the phone.
	phoneSkips = 0.2
	// phoneLooks is how often it is looked whether a track has ended, so how exact the
	// time of that is.
	phoneLooks = 20 * time.Millisecond
)

// phone is somebody who listens to music on a phone, skips some of the tracks, and
// knows when what has changed.
type phone struct {
	spotifytest.Phone

	mu      sync.Mutex
	changes []phoneChange
}

type phoneChange struct {
	at      time.Time
	uri     string
	skipped bool
	seen    bool
}

// startPhone begins to play, until ctx is done.
func startPhone(ctx context.Context, sim *spotifytest.Running) (*phone, error) {
	p := &phone{Phone: sim.Phone(hourUser)}
	if err := p.Play(sim.Tracks(400)...); err != nil {
		return nil, err
	}
	go p.listen(ctx)
	return p, nil
}

func (p *phone) listen(ctx context.Context) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // nothing is secret
	for {
		uri, left := p.Playing()
		skip := rng.Float64() < phoneSkips
		if skip {
			left = time.Duration(rng.Float64() * float64(left))
		}
		if !pause(ctx, left) {
			return
		}
		if skip {
			p.Skip()
			p.note(true)
			continue
		}
		for now, _ := p.Playing(); now == uri; now, _ = p.Playing() {
			if !pause(ctx, phoneLooks) {
				return
			}
		}
		p.note(false)
	}
}

func (p *phone) note(skipped bool) {
	uri, _ := p.Playing()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, phoneChange{at: time.Now(), uri: uri, skipped: skipped})
}

// saw notes that somebody saw a change at a time, and returns how long after it that was.
// It is taken for the last one before that time.
func (p *phone) saw(at time.Time) (lag time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.changes) - 1; i >= 0; i-- {
		if c := &p.changes[i]; !c.at.After(at) {
			c.seen = true
			return at.Sub(c.at), true
		}
	}
	return 0, false
}

// unseen is how many changes since a time were not seen by anybody before the next one,
// which the last one may still be.
func (p *phone) unseen(since time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.changes[:max(0, len(p.changes)-1)] {
		if !c.seen && c.at.After(since) {
			n++
		}
	}
	return n
}

func (p *phone) counts() (skips, ends int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.changes {
		if c.skipped {
			skips++
		} else {
			ends++
		}
	}
	return skips, ends
}

// pause waits, and reports whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
