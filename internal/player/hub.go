package player

import (
	"context"
	"errors"
	"sync"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// Errors of Subscribe.
var (
	// ErrTooMany says that there are as many streams as there may be, of this owner or
	// in all.
	ErrTooMany = errors.New("too many streams")
	// ErrClosed says that the hub has been closed.
	ErrClosed = errors.New("the hub of players is closed")
)

// Bounds of the streams of a hub.
const (
	defaultMaxStreams = 20_000
	defaultMaxOwner   = 32
	// maxTopicsKept bounds the accounts whose state is kept although nobody listens.
	maxTopicsKept = 1000
)

// Options are the options of a hub. Clock must be set.
type Options struct {
	Clock pkce.Clock
	// Board returns where the instances of the site meet over an account. Nil is for a
	// site that has one instance only.
	Board func(account string) Board
	// MaxStreams bounds the listeners in all, of which three quarters may be visitors,
	// and MaxOwner those of one session or key. An address may have half of all, since
	// many visitors may have one. 0 means 20,000 and 32.
	MaxStreams, MaxOwner int
	// Failed is told of attempts that failed, for logs. It may be nil.
	Failed func(account string, err error)
}

// Hub tells listeners of players, of any account. It asks Spotify for an account while
// somebody listens to it, one request at a time. It is safe for concurrent use.
type Hub struct {
	clock    pkce.Clock
	board    func(string) Board
	maxAll   int
	maxOwner int
	failed   func(string, error)

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	topics map[string]*topic
	owners map[string]int // streams of each
	all    int
	idle   int // topics that nobody listens to
	// visitors are the streams of all that are not a session's or a key's.
	visitors int
}

// NewHub returns a hub. Close ends it.
func NewHub(o Options) *Hub {
	h := &Hub{
		clock: o.Clock, board: o.Board, maxAll: o.MaxStreams, maxOwner: o.MaxOwner, failed: o.Failed,
		topics: make(map[string]*topic), owners: make(map[string]int),
	}
	if h.maxAll == 0 {
		h.maxAll = defaultMaxStreams
	}
	if h.maxOwner == 0 {
		h.maxOwner = defaultMaxOwner
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Subscribe returns a listener, which must leave in the end. What is known already can
// be written at once.
func (h *Hub) Subscribe(s Subscription) (*Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.all >= h.maxAll, h.tooMany(s):
		return nil, ErrTooMany
	}
	t := h.topics[s.Account]
	if t == nil {
		t = newTopic(h, s.Account)
		h.topics[s.Account] = t
		h.idle++
	}
	l := &Listener{topic: t, sub: s, view: s.View.index(), ready: make(chan struct{}, 1)}
	h.all++
	if s.Visitor {
		h.visitors++
	}
	h.owners[s.Owner]++
	if t.join(l) {
		h.idle--
	}
	return l, nil
}

// tooMany reports whether the owner of a subscription has as many streams as it may
// have. h is locked.
func (h *Hub) tooMany(s Subscription) bool {
	if s.Visitor {
		return h.visitors >= h.maxAll*3/4 || h.owners[s.Owner] >= h.maxAll/2
	}
	return h.owners[s.Owner] >= h.maxOwner
}

// left notes that a listener of a topic has left, which may have been its last.
func (h *Hub) left(t *topic, l *Listener, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	if l.sub.Visitor {
		h.visitors--
	}
	if h.owners[l.sub.Owner]--; h.owners[l.sub.Owner] <= 0 {
		delete(h.owners, l.sub.Owner)
	}
	if !last {
		return
	}
	h.idle++
	if h.closed || h.idle > maxTopicsKept {
		h.drop(t)
		return
	}
	// Whoever comes back soon, after a reload above all, finds the state.
	h.clock.AfterFunc(keepState, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(t)
	})
}

// drop forgets a topic that nobody listens to. h is locked.
func (h *Hub) drop(t *topic) {
	if h.topics[t.account] != t || !t.forgotten() {
		return
	}
	delete(h.topics, t.account)
	h.idle--
}

// Commanded notes that a command for an account's player went through the proxy.
func (h *Hub) Commanded(account string) {
	h.mu.Lock()
	t := h.topics[account]
	h.mu.Unlock()
	if t != nil {
		t.commanded()
	}
}

// End ends the streams of a grant that is over.
func (h *Hub) End(grant, reason string) {
	h.end(func(l *Listener) *ending {
		if l.sub.Grant != grant {
			return nil
		}
		return &ending{event: eventLoginRequired, reason: reason, retry: afterLogin}
	})
}

// Dismiss ends the streams of a group and asks their clients to come back, not all at
// once.
func (h *Hub) Dismiss(group any, reason string) {
	of := h.Streams()
	h.end(func(l *Listener) *ending {
		if l.sub.Group != group {
			return nil
		}
		return &ending{event: eventBye, reason: reason, retry: comeBack(of)}
	})
}

func (h *Hub) end(of func(*Listener) *ending) {
	h.mu.Lock()
	topics := make([]*topic, 0, len(h.topics))
	for _, t := range h.topics {
		topics = append(topics, t)
	}
	h.mu.Unlock()
	for _, t := range topics {
		t.end(of)
	}
}

// Streams returns how many listeners there are.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// Close ends all streams and waits for requests under way to be given up.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	of := h.all
	h.mu.Unlock()
	h.end(func(*Listener) *ending {
		return &ending{event: eventBye, reason: "shutdown", retry: comeBack(of)}
	})
	h.cancel()
	h.running.Wait()
}
