package session

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/internal/trace"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// refreshed is called after each attempt to refresh a session's token.
func (m *Manager) refreshed(a *pkce.Authenticator, ev pkce.RefreshEvent) {
	s, ok := a.Persister().(*Session)
	if !ok {
		return
	}
	if o := m.Observers.Observer(); o != nil {
		o.Metrics.Refreshed(ev)
	}
	if ev.Outcome == pkce.RefreshReauthorize {
		m.forget(s)
		m.ended(s, endReauthorize, zap.Error(ev.Err))
		m.Spawn(func() { m.unlist(m.Ctx, s) })
		return
	}
	m.announceRefresh(s, ev)
	fields := []zap.Field{
		zap.String("session", s.Ref()),
		zap.String("account", s.Account.ID),
		zap.String("outcome", string(ev.Outcome)),
		zap.Duration("duration", ev.Duration),
		zap.Int("waiters", ev.Waiters),
		zap.Bool("background", ev.Background),
		zap.Bool("rotated", ev.Rotated),
	}
	switch {
	case ev.Outcome == pkce.RefreshSuperseded:
		if errors.Is(ev.Err, pkce.ErrGone) {
			m.forget(s)
			m.ended(s, endElsewhere)
		}
	case ev.Err == nil:
		m.logger().Info("token refreshed", fields...)
	default:
		suppressed, ok := m.LogLimiter.Admit("refresh " + string(ev.Outcome))
		if !ok {
			return
		}
		line := "token refresh failed; will retry"
		if ev.Outcome == pkce.RefreshRefreshed {
			line = "saving refreshed token failed; will retry"
		}
		m.logger().Warn(line, append(fields, zap.Error(ev.Err), suppressed)...)
	}
}

// traced makes spans of what an Authenticator does.
func traced(ctx context.Context, step pkce.Step) (context.Context, func(error)) {
	name := trace.TokenWait
	if step == pkce.StepRefresh {
		name = trace.Refresh
	}
	ctx, span := trace.Start(ctx, name)
	return ctx, span.End
}

// AccountID is the id of the account whose session it is.
func (s *Session) AccountID() string { return s.Account.ID }

// announceRefresh emits the event of a new token, and once in a while the one
// that this will not go on for long.
func (m *Manager) announceRefresh(s *Session, ev pkce.RefreshEvent) {
	if ev.Outcome != pkce.RefreshRefreshed || ev.Token == nil {
		return
	}
	m.Observers.EmitLater(telemetry.EventTokenRefreshed, s, telemetry.Payload{
		"rotated":          ev.Rotated,
		"background":       ev.Background,
		"duration_seconds": ev.Duration.Seconds(),
		"expires_at":       telemetry.Timestamp(ev.Token.Expiry()),
	})
	if o := m.Observers.Observer(); o != nil && s.ReauthorizeDue(m.Clock.Now(), o.Notice) && s.begin(toldReauthorization) {
		m.Observers.EmitLater(telemetry.EventReauthorizationDue, s, telemetry.Payload{"reauthorize_by": telemetry.Timestamp(s.ReauthorizeBy())})
	}
}
