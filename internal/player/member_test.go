package player

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeBoard is a board in memory. A holder that dies keeps the lease for leaseLife.
type fakeBoard struct {
	mu      sync.Mutex
	holder  *fakeLease
	notice  *Notice
	version int
	waiting time.Time // when one that does not poll looked last
	down    bool
	posts   int
}

const leaseLife = 5 * time.Second

var errDown = errors.New("the store is down")

type fakeLease struct {
	board *fakeBoard
	lost  chan struct{}
	until time.Time // once its holder is dead
}

func (l *fakeLease) Lost() <-chan struct{} { return l.lost }

func (l *fakeLease) Release(context.Context) error {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if l.board.holder == l && l.until.IsZero() {
		l.board.holder = nil
	}
	return nil
}

func (b *fakeBoard) Lease(context.Context) (Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errDown
	}
	if h := b.holder; h != nil && (h.until.IsZero() || time.Now().Before(h.until)) {
		return nil, ErrLeased
	}
	b.holder = &fakeLease{board: b, lost: make(chan struct{})}
	return b.holder, nil
}

func (b *fakeBoard) Read(_ context.Context, polls bool) (Reading, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return Reading{}, errDown
	}
	if !polls {
		b.waiting = time.Now()
	}
	r := Reading{Others: time.Since(b.waiting) < 10*time.Second}
	if b.notice != nil {
		r.Notice, r.Version = *b.notice, fmt.Sprint(b.version)
	}
	return r, nil
}

func (b *fakeBoard) Post(_ context.Context, n Notice) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return "", errDown
	}
	b.notice = &n
	b.version++
	b.posts++
	return fmt.Sprint(b.version), nil
}

func (b *fakeBoard) Clear(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notice = nil
	return nil
}

func (b *fakeBoard) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// instance is one of several that share a board.
func instance(b *fakeBoard, spotify Source) (*Hub, Source) {
	return newTestHub(Options{Board: func(string) Board { return b }}), spotify
}

// Q07: of two instances one polls, and listeners of both hear the same.
func TestOneInstancePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, phone := &fakeBoard{}, strings.Replace(track("one", ""), "true", "false", 1)
		s1, s2 := &fakeSpotify{body: phone}, &fakeSpotify{body: phone}
		h1, _ := instance(board, s1)
		h2, _ := instance(board, s2)
		defer h1.Close()
		defer h2.Close()
		l1 := subscribe(t, h1, Subscription{Source: s1, View: View{Whole: true, Episodes: true}})
		defer l1.Leave()
		first := hears(t, l1, `"one"`)
		time.Sleep(30 * time.Second)
		if board.posts != 0 {
			t.Errorf("%d notices although nobody reads them", board.posts)
		}
		l2 := subscribe(t, h2, Subscription{Source: s2, View: View{Whole: true, Episodes: true}})
		defer l2.Leave()
		time.Sleep(2 * time.Second)
		second := hears(t, l2, `"one"`, "kitchen")
		if id := func(s string) string { return strings.SplitN(s, "\n", 3)[1] }; id(first) != id(second) {
			t.Errorf("ids differ: %q, %q", id(first), id(second))
		}
		s1.play(strings.Replace(track("two", ""), "true", "false", 1), nil)
		time.Sleep(65 * time.Second)
		hears(t, l1, `"two"`)
		hears(t, l2, `"two"`)
		if n := s2.requests(); n != 0 {
			t.Errorf("the second instance sent %d requests", n)
		}

		// A command through the second is seen there at once, and soon by the first.
		three := strings.Replace(track("three", ""), "true", "false", 1)
		s1.play(three, nil)
		s2.play(three, nil)
		h2.Commanded("somebody")
		time.Sleep(time.Second)
		hears(t, l2, `"three"`)
		time.Sleep(1500 * time.Millisecond)
		hears(t, l1, `"three"`)
		time.Sleep(time.Minute)
		if n := s2.requests(); n != 2 {
			t.Errorf("the second instance sent %d requests after one command, want 2", n)
		}
	})
}

// Q07: when the instance that polls dies, the other takes over within the lease, and
// when it has no listeners any more, soon.
func TestTakeover(t *testing.T) {
	for name, killed := range map[string]bool{"killed": true, "left": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				board := &fakeBoard{}
				s1, s2 := &fakeSpotify{}, &fakeSpotify{}
				h1, _ := instance(board, s1)
				h2, _ := instance(board, s2)
				defer h2.Close()
				l1 := subscribe(t, h1, Subscription{Source: s1})
				l2 := subscribe(t, h2, Subscription{Source: s2})
				defer l2.Leave()
				time.Sleep(2 * time.Second)
				hears(t, l2, "event: idle")
				board.set(func() {
					if killed {
						board.holder.until = time.Now().Add(leaseLife)
					}
				})
				l1.Leave()
				h1.Close()
				s2.play(track("two", ""), nil)
				time.Sleep(leaseLife + contendEvery + minHeartbeat)
				hears(t, l2, `"two"`)
			})
		})
	}
}

// A lease that is lost is not polled with.
func TestLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, spotify := &fakeBoard{}, &fakeSpotify{}
		h, _ := instance(board, spotify)
		defer h.Close()
		l := subscribe(t, h, Subscription{Source: spotify})
		defer l.Leave()
		hears(t, l, "idle")
		board.set(func() {
			close(board.holder.lost)
			board.holder = &fakeLease{board: board, lost: make(chan struct{})}
		})
		asked := spotify.requests()
		time.Sleep(time.Hour)
		if n := spotify.requests() - asked; n != 0 {
			t.Errorf("%d requests without a lease", n)
		}
	})
}

// Without a store nobody knows who polls; listeners are told, once.
func TestStoreIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, spotify := &fakeBoard{down: true}, &fakeSpotify{}
		h, _ := instance(board, spotify)
		defer h.Close()
		l := subscribe(t, h, Subscription{Source: spotify})
		defer l.Leave()
		time.Sleep(time.Second)
		hears(t, l, "event: limited\ndata: {\"reason\":\"store_unavailable\"")
		time.Sleep(time.Minute)
		hears(t, l)
		board.set(func() { board.down = false })
		time.Sleep(5 * time.Second)
		hears(t, l, "event: idle")
		if n := spotify.requests(); n == 0 {
			t.Error("Spotify is not asked after the outage")
		}
	})
}
