package player

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
)

// O55: streams are bounded, in all and for one owner.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(Options{MaxStreams: 3, MaxOwner: 2})
		defer h.Close()
		sub := func(owner string) (*Listener, error) {
			return h.Subscribe(Subscription{Account: "x", Owner: owner, Source: &fakeSpotify{}})
		}
		a1, _ := sub("a")
		a2, _ := sub("a")
		if _, err := sub("a"); !errors.Is(err, ErrTooMany) {
			t.Errorf("a third of one owner: %v", err)
		}
		b1, err := sub("b")
		if err != nil {
			t.Errorf("another's: %v", err)
		}
		if _, err := sub("c"); !errors.Is(err, ErrTooMany) {
			t.Errorf("a fourth: %v", err)
		}
		a1.Leave()
		if l, err := sub("c"); err != nil {
			t.Errorf("after one has left: %v", err)
		} else {
			l.Leave()
		}
		a2.Leave()
		b1.Leave()
	})
}

// O55: visitors leave room for those who are logged in.
func TestVisitorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(Options{MaxStreams: 8, MaxOwner: 1})
		defer h.Close()
		for _, of := range []struct {
			owner   string
			visitor bool
			want    int
		}{{"1.2.3.4", true, 4}, {"5.6.7.8", true, 2}, {"a session", false, 1}, {"another", false, 1}, {"a third", false, 0}} {
			came := 0
			for range 10 {
				if l, err := h.Subscribe(Subscription{Account: "x", Owner: of.owner, Visitor: of.visitor, Source: &fakeSpotify{}}); err == nil {
					defer l.Leave()
					came++
				}
			}
			if came != of.want {
				t.Errorf("%s has %d streams, want %d", of.owner, came, of.want)
			}
		}
	})
}

// O63: a listener takes little memory besides its connection.
func TestMemoryOfListeners(t *testing.T) {
	spotify := &fakeSpotify{}
	h := newTestHub(Options{MaxOwner: 10_000})
	defer h.Close()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	all := make([]*Listener, 10_000)
	for i := range all {
		all[i] = subscribe(t, h, Subscription{Source: spotify})
	}
	each := (heap() - before) / uint64(len(all))
	t.Logf("%d bytes for a listener", each)
	if each > 1024 {
		t.Errorf("%d bytes for a listener, want at most 1 KiB", each)
	}
	for _, l := range all {
		l.Leave()
	}
}
