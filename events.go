package caddyspotify

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// The events that Handler emits, as its documentation lists them.
const (
	eventLogin              = "spotify.login"
	eventLogout             = "spotify.logout"
	eventTokenRefreshed     = "spotify.token_refreshed"
	eventSessionEnded       = "spotify.session_ended"
	eventReauthorizationDue = "spotify.reauthorization_due"
	eventRateLimited        = "spotify.rate_limited"
	eventKeyCreated         = "spotify.key_created"
	eventKeyRevoked         = "spotify.key_revoked"
)

// newObserver makes the observer of a site.
func newObserver(ctx caddy.Context, site string, notice time.Duration) (*observer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	return &observer{metrics: newSiteMetrics(site), notice: notice, ctx: ctx, events: app.(*caddyevents.App)}, nil
}

// wants reports whether anybody would notice an event. Nobody does once the
// config has ended.
func (o *observer) wants(name string) bool {
	return o != nil && !o.ended() && o.events.ShouldEmit(name)
}

// payload is the data of an event. All have the site in them, which emit adds,
// and those about a session its account and reference.
type payload map[string]any

// about adds to p whose session it is. The session may be nil, for none.
func (p payload) about(s identified) payload {
	if s != nil {
		p["account"], p["session"] = s.accountID(), s.ref()
		if s.isKey() {
			p["kind"] = tokenstore.KindKey
		}
	}
	return p
}

// identified is a session or an access key, as logs and events name it.
type identified interface {
	ref() string
	accountID() string
	isKey() bool
}

func (s *session) accountID() string { return s.account.ID }

// emit emits an event about a session, or about none if s is nil. Its handlers
// have run when it returns. The payload is not to be used afterwards.
func (o *observer) emit(name string, s identified, p payload) {
	if !o.wants(name) {
		return
	}
	p["site"] = o.metrics.site
	o.events.Emit(o.ctx, name, p.about(s))
}

// timestamp is how events and answers write a time.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// announceRefresh emits the event of a new token, and once in a while the one
// that this will not go on for long.
func (m *sessions) announceRefresh(s *session, ev pkce.RefreshEvent) {
	if ev.Outcome != pkce.RefreshRefreshed || ev.Token == nil {
		return
	}
	m.audience.emitLater(eventTokenRefreshed, s, payload{
		"rotated":          ev.Rotated,
		"background":       ev.Background,
		"duration_seconds": ev.Duration.Seconds(),
		"expires_at":       timestamp(ev.Token.Expiry()),
	})
	if o := m.audience.observer(); o != nil && s.reauthorizeDue(m.clock.Now(), o.notice) && s.begin(toldReauthorization) {
		m.audience.emitLater(eventReauthorizationDue, s, payload{"reauthorize_by": timestamp(s.reauthorizeBy())})
	}
}
