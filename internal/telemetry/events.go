package telemetry

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// The events that Handler emits, as its documentation lists them.
const (
	EventLogin              = "spotify.login"
	EventLogout             = "spotify.logout"
	EventTokenRefreshed     = "spotify.token_refreshed"
	EventSessionEnded       = "spotify.session_ended"
	EventReauthorizationDue = "spotify.reauthorization_due"
	EventRateLimited        = "spotify.rate_limited"
	EventKeyCreated         = "spotify.key_created"
	EventKeyRenewed         = "spotify.key_renewed"
	EventKeyRevoked         = "spotify.key_revoked"
)

// NewObserver makes the observer of a site.
func NewObserver(ctx caddy.Context, site string, notice time.Duration) (*Observer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	return &Observer{Metrics: NewSite(site), Notice: notice, ctx: ctx, events: app.(*caddyevents.App), audit: ctx.Logger().Named("audit")}, nil
}

// wants reports whether anybody would notice an event. Nobody does once the
// config has ended.
func (o *Observer) wants(name string) bool {
	return o != nil && !o.ended() && o.events.ShouldEmit(name)
}

// Payload is the data of an event. All have the site in them, which emit adds,
// and those about a session its account and reference.
type Payload map[string]any

// about adds to p whose session it is. The session may be nil, for none.
func (p Payload) about(s Subject) Payload {
	if s != nil {
		p["account"], p["session"] = s.AccountID(), s.Ref()
		if s.IsKey() {
			p["kind"] = tokenstore.KindKey
		}
	}
	return p
}

// Subject is a session or an access key, as logs and events name it.
type Subject interface {
	Ref() string
	AccountID() string
	IsKey() bool
}

// Emit emits an event about a session, or about none if s is nil. Its handlers
// have run when it returns. The payload is not to be used afterwards.
func (o *Observer) Emit(name string, s Subject, p Payload) {
	if !o.wants(name) {
		return
	}
	p["site"] = o.Metrics.Site
	o.events.Emit(o.ctx, name, p.about(s))
}

// Timestamp is how events and answers write a time.
func Timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
