package player

import (
	"context"
	"time"
)

const (
	// lookEvery is how often a member looks at the board.
	lookEvery = time.Second
	// contendEvery is how often one that does not poll asks for the lease.
	contendEvery = 3 * time.Second
	// boardTimeout bounds one operation of the board.
	boardTimeout = 5 * time.Second
)

// member is an instance of the site where somebody listens to an account. Of all such
// instances the one that has the lease polls, and posts what it hears if others read it.
// One through which a command went asks after it by itself and posts that, too.
type member struct {
	topic *topic
	board Board

	lease     Lease
	version   string // of the notice that was read or posted last
	others    bool
	looked    time.Duration
	contended time.Duration
	posted    *published // the last state that was posted
}

func (m *member) run(ctx context.Context) {
	clock := m.topic.hub.clock
	defer func() { m.leave(context.WithoutCancel(ctx)) }()
	m.contend(ctx)
	if m.lease == nil {
		m.look(ctx, false)
	}
	for ctx.Err() == nil {
		next := min(m.topic.next(m.lease != nil), m.looked+lookEvery)
		if m.lease == nil {
			next = min(next, m.contended+contendEvery)
		}
		m.topic.wait(ctx, m.lost(), next)
		if ctx.Err() != nil {
			return
		}
		now := clock.Monotonic()
		select {
		case <-m.lost():
			m.release(ctx)
		default:
		}
		if m.lease == nil && now >= m.contended+contendEvery {
			m.contend(ctx)
		}
		if now >= m.looked+lookEvery {
			m.look(ctx, m.lease != nil)
		}
		if m.topic.next(m.lease != nil) <= clock.Monotonic() {
			m.topic.ask(ctx)
			m.post(ctx)
		}
	}
}

// lost is closed when the lease is lost. It is nil without one.
func (m *member) lost() <-chan struct{} {
	if m.lease == nil {
		return nil
	}
	return m.lease.Lost()
}

// contend asks for the lease. The new holder goes on from what the one before it posted.
func (m *member) contend(ctx context.Context) {
	defer func() { m.contended = m.topic.hub.clock.Monotonic() }()
	bounded, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	lease, err := m.board.Lease(bounded)
	if err != nil {
		return // another polls, or the store is out of reach: then nobody does
	}
	m.lease = lease
	m.look(ctx, true)
}

// look reads the board.
func (m *member) look(ctx context.Context, polls bool) {
	defer func() { m.looked = m.topic.hub.clock.Monotonic() }()
	before := m.looked
	bounded, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	r, err := m.board.Read(bounded, polls)
	if err != nil {
		if ctx.Err() == nil && m.lease == nil {
			m.topic.unreachable(err)
		}
		return
	}
	m.topic.reachable()
	if r.Version != "" && r.Version != m.version {
		m.version = r.Version
		m.topic.adopt(r.Notice, before != 0 && m.topic.hub.clock.Monotonic()-before < 2*lookEvery)
	}
	came := r.Others && (!m.others || r.Version == "")
	if m.others = r.Others; came {
		m.posted = nil
		m.post(ctx)
	}
}

// post tells the other instances what is known here.
func (m *member) post(ctx context.Context) {
	p := m.topic.published.Load()
	if p == nil || p == m.posted || (m.lease != nil && !m.others) {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	version, err := m.board.Post(bounded, m.topic.notice(p))
	if err != nil {
		return // the next one may be
	}
	m.version, m.posted = version, p
}

func (m *member) release(ctx context.Context) {
	if m.lease == nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, boardTimeout)
	defer cancel()
	_ = m.lease.Release(bounded) // it expires
	m.lease = nil
}

// leave gives up the lease, and removes what is posted if nobody else reads it.
func (m *member) leave(ctx context.Context) {
	if m.lease != nil && m.posted != nil && !m.others {
		bounded, cancel := context.WithTimeout(ctx, boardTimeout)
		defer cancel()
		_ = m.board.Clear(bounded) // it expires
	}
	m.release(ctx)
}

// notice is what other instances are told.
func (t *topic) notice(p *published) Notice {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := Notice{ID: p.id, Posted: t.hub.clock.Now().UnixMilli(), View: t.view}
	if p.known {
		n.Observed, n.Body = p.observed.UnixMilli(), p.bodies[View{Whole: true, Episodes: true}.index()].json
	}
	if p.limited.reason != "" {
		n.Until, n.Reason = p.limited.until.UnixMilli(), p.limited.reason
	}
	return n
}

// oldestNotice bounds how old what another instance says is taken to be: their clocks
// may differ.
const oldestNotice = 10 * time.Minute

// adopt takes over what another instance has posted. If it is fresh, it was posted
// within the last look or two.
func (t *topic) adopt(n Notice, fresh bool) {
	now, wall := t.hub.clock.Monotonic(), t.hub.clock.Now()
	age := wall.Sub(time.UnixMilli(n.Observed))
	if fresh {
		age = time.Duration(n.Posted-n.Observed)*time.Millisecond + lookEvery/2
	}
	age = min(max(age, 0), oldestNotice)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.ID != "" {
		st, err := Parse(n.Body)
		if err != nil {
			return
		}
		change := t.schedule.Observed(now-age, st)
		t.publish(change, st, n.Body, n.View, wall.Add(-age), n.ID)
	}
	if n.Reason != "" {
		wait := max(time.UnixMilli(n.Until).Sub(wall), time.Second)
		t.schedule.Limited(now, wait)
		t.publishLimited(n.Reason, wall.Add(wait))
	}
}

// storeUnavailable is why nothing new is to be had from an instance that polls.
const storeUnavailable = "store_unavailable"

// unreachable tells the listeners that nobody knows which instance polls.
func (t *topic) unreachable(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.published.Load(); p == nil || p.limited.reason == "" {
		t.publishLimited(storeUnavailable, t.hub.clock.Now().Add(contendEvery))
	}
	if t.hub.failed != nil {
		t.hub.failed(t.account, err)
	}
}

// reachable tells the listeners that this is over.
func (t *topic) reachable() {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.published.Load()
	if p == nil || p.limited.reason != storeUnavailable {
		return
	}
	again := *p
	again.limited = limited{seq: p.limited.seq}
	if t.seq++; p.known {
		again.seq = [views]uint64{t.seq, t.seq, t.seq, t.seq}
	}
	t.tell(&again)
}
