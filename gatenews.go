package caddyspotify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/ratelimit"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// newsEvery is how often an instance that serves requests looks what the others
// have learned. A gate then closes on all of them within about this time.
const newsEvery = 2 * time.Second

// gateNews tells the other instances that share the store when the gate closes,
// and learns it from them. No request waits for it. The nil *gateNews is for
// stores that cannot carry news.
type gateNews struct {
	sessions *sessions
	gate     *ratelimit.Gate
	board    tokenstore.Bulletin
	key      string
	self     string // tells this instance's notes from others'

	used  atomic.Bool // a request was sent since the last look
	awake atomic.Bool // follow runs
}

func newGateNews(m *sessions, gate *ratelimit.Gate, store tokenstore.Store) *gateNews {
	board, ok := store.(tokenstore.Bulletin)
	if !ok {
		return nil
	}
	sum := sha256.Sum256([]byte("caddy-spotify gate " + m.namespace))
	return &gateNews{sessions: m, gate: gate, board: board, key: hex.EncodeToString(sum[:]), self: rand.Text()}
}

// use is called with every request. While there are any, it keeps an eye on the
// news.
func (n *gateNews) use() {
	if n == nil || n.used.Load() {
		return
	}
	n.used.Store(true)
	if n.awake.CompareAndSwap(false, true) && !n.sessions.spawn(n.follow) {
		n.awake.Store(false)
	}
}

// follow looks for news until no request has come for a while.
func (n *gateNews) follow() {
	for {
		n.used.Store(false)
		n.look()
		if !n.sessions.pause(newsEvery) {
			n.awake.Store(false)
			return
		}
		if n.used.Load() {
			continue
		}
		n.awake.Store(false)
		// A request that came just now found it awake and left it at that.
		if !n.used.Load() || !n.awake.CompareAndSwap(false, true) {
			return
		}
	}
}

// look closes the gate if another instance has learned that it must be.
func (n *gateNews) look() {
	m := n.sessions
	ctx, cancel := context.WithTimeout(m.ctx, storeTimeout)
	defer cancel()
	note, left, err := n.board.Read(ctx, n.key)
	if err != nil {
		n.failed("reading", err)
		return
	}
	text, author, _ := strings.Cut(string(note), " ")
	why := reason.Reason(text)
	if author == n.self || left < time.Second || why != reason.RateLimited && why != reason.QuotaExceeded {
		return
	}
	until := m.clock.Now().Add(left)
	if n.gate.Close(until, why) == ratelimit.Closed {
		m.logger().Info("another instance found that spotify has had enough of this app's requests; they are answered here for a while",
			zap.String("reason", string(why)), zap.Time("until", until))
	}
}

// post tells the others that the gate is closed.
func (n *gateNews) post() {
	if n == nil {
		return
	}
	n.sessions.spawn(func() {
		m := n.sessions
		until, why := n.gate.Snapshot()
		left := until.Sub(m.clock.Now())
		if left <= 0 {
			return
		}
		ctx, cancel := context.WithTimeout(m.ctx, storeTimeout)
		defer cancel()
		if err := n.board.Post(ctx, n.key, []byte(string(why)+" "+n.self), left); err != nil {
			n.failed("posting", err)
		}
	})
}

func (n *gateNews) failed(doing string, err error) {
	m := n.sessions
	if m.ctx.Err() != nil {
		return
	}
	if suppressed, ok := m.faults.admit("gate news"); ok {
		m.logger().Warn(doing+" the news of rate limits failed; each instance finds out by itself", zap.Error(err), suppressed)
	}
}
