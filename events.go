package caddyspotify

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// The events that Handler emits, as its documentation lists them.
const (
	eventLogin              = "spotify.login"
	eventLogout             = "spotify.logout"
	eventTokenRefreshed     = "spotify.token_refreshed"
	eventSessionEnded       = "spotify.session_ended"
	eventReauthorizationDue = "spotify.reauthorization_due"
)

// reauthorizationNotice is how long before its end a session is due to be
// authorized anew.
const reauthorizationNotice = 14 * 24 * time.Hour

// newObserver makes the observer of a site.
func newObserver(ctx caddy.Context, site string) (*observer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	return &observer{metrics: newSiteMetrics(site), ctx: ctx, events: app.(*caddyevents.App)}, nil
}

// wants reports whether anybody would notice an event. Nobody does once the
// config has ended.
func (o *observer) wants(name string) bool {
	return o != nil && !o.ended() && o.events.ShouldEmit(name)
}

// emit emits an event about a session. Its handlers have run when it returns.
func (o *observer) emit(name string, s *session, details map[string]any) {
	if !o.wants(name) {
		return
	}
	data := map[string]any{"site": o.metrics.site, "account": s.account.ID, "session": s.ref()}
	maps.Copy(data, details)
	o.events.Emit(o.ctx, name, data)
}

// maxWaitingEvents bounds the events that wait for slow handlers.
const maxWaitingEvents = 1024

// eventQueue emits, one after the other, the events of what no request is
// waiting for, so that a slow handler delays no refresh.
type eventQueue struct {
	mu      sync.Mutex
	waiting []func()
	running bool
}

// emitLater emits an event in the background.
func (m *sessions) emitLater(name string, s *session, details map[string]any) {
	o := m.observer()
	if !o.wants(name) {
		return
	}
	q := &m.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaitingEvents {
		o.metrics.eventDropped()
		return
	}
	// Who is in charge may change while the event waits.
	q.waiting = append(q.waiting, func() { m.observer().emit(name, s, details) })
	if !q.running {
		q.running = m.spawn(m.emitWaiting)
	}
}

func (m *sessions) emitWaiting() {
	q := &m.events
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting, q.running = nil, false
			q.mu.Unlock()
			return
		}
		emit := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		emit()
	}
}

// timestamp is how events and answers write a time.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// announceRefresh emits the event of a new token, and once in a while the one
// that this will not go on for long.
func (m *sessions) announceRefresh(s *session, ev pkce.RefreshEvent) {
	if ev.Outcome != pkce.RefreshRefreshed || ev.Token == nil {
		return
	}
	m.emitLater(eventTokenRefreshed, s, map[string]any{
		"rotated":          ev.Rotated,
		"background":       ev.Background,
		"duration_seconds": ev.Duration.Seconds(),
		"expires_at":       timestamp(ev.Token.Expiry()),
	})
	due := s.reauthorizeBy()
	if due.Sub(m.clock.Now()) < reauthorizationNotice && s.begin(toldReauthorization) {
		m.emitLater(eventReauthorizationDue, s, map[string]any{"reauthorize_by": timestamp(due)})
	}
}
