package session

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// Why sessions end before their time.
const (
	EndLogout        = "logout"                   // the user logged out
	EndReplaced      = "replaced"                 // the same browser logged in again
	endReauthorize   = "reauthorization_required" // Spotify no longer accepts the refresh token
	endElsewhere     = "ended_elsewhere"          // it is no longer in the store: another instance ended it
	EndAdministrator = "administrator"            // through the admin API
	EndRevoked       = "revoked"                  // an access key: its owner revoked it
	EndOwner         = "owner"                    // its owner ended it, from the account page of any browser of theirs
)

// Remove ends the session behind a cookie, here and in the store, and tells of
// it with the reason why. When the store cannot be reached nothing is ended and
// the error says so: a logout that only looks like one would be worse than none.
func (m *Manager) Remove(ctx context.Context, cookie, why string, about ...zap.Field) (*Session, error) {
	s, err := m.Get(ctx, cookie)
	if err != nil {
		return nil, err
	}
	if err := m.end(ctx, s, why, about...); err != nil {
		return nil, err
	}
	return s, nil
}

// deleteRecord deletes the record of a session that a person ends, and reports
// whether to tell of the end. It does not stop when the person has gone.
func (m *Manager) deleteRecord(ctx context.Context, s *Session) (tell bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), StoreTimeout)
	defer cancel()
	// A refresh under way may be the first to see that the session is gone. It
	// is not the one to tell why.
	tell = s.begin(toldEnd)
	if err := m.store.Delete(ctx, s.Key()); err != nil {
		if tell {
			s.end(toldEnd)
		}
		return false, fmt.Errorf("deleting the session: %w", err)
	}
	return tell, nil
}

// end is Remove for a session that has been found.
func (m *Manager) end(ctx context.Context, s *Session, why string, about ...zap.Field) error {
	tell, err := m.deleteRecord(ctx, s)
	if err != nil {
		return err
	}
	m.unlist(ctx, s)
	successor, replaced := m.replaced.successor(s.ID)
	m.forget(s)
	if tell {
		m.emitEnd(s, why, about...)
	}
	if replaced {
		ctx = context.WithoutCancel(ctx) // as for the first of the two
		// The browser logs out. It does not matter which of its cookies came first.
		if _, err := m.Remove(ctx, successor.Cookie(), why, about...); err != nil && !errors.Is(err, ErrNone) {
			return err
		}
	}
	return nil
}

// forget ends a session in this process. A reading of it that is still under
// way does not bring it back.
func (m *Manager) forget(s *Session) {
	s.Auth.End()
	m.uncache(s)
	m.followers.tell(s.digest)
	m.replaced.shown(s.ID, m.Clock) // which ends the one that it has replaced
}

// uncache drops a session from the cache, in which a reading of it that is still
// under way does not put it again.
func (m *Manager) uncache(s *Session) {
	m.Cache.invalidate(s.digest)
	m.Cache.remove(s.ID, s.kind)
}

// ended tells of a session's end, unless that has been told.
func (m *Manager) ended(s *Session, why string, fields ...zap.Field) {
	if s.begin(toldEnd) {
		m.emitEnd(s, why, fields...)
	}
}

func (m *Manager) emitEnd(s telemetry.Subject, why string, fields ...zap.Field) {
	m.Observers.Observer().SessionEnded(s.AccountID(), why)
	line := "session ended"
	switch {
	case why == EndLogout:
		line = "logout"
	case why == EndRevoked:
		line = "access key revoked"
	case s.IsKey():
		line = "access key ended"
	}
	m.logger().Info(line, append([]zap.Field{
		zap.String("session", s.Ref()), zap.String("account", s.AccountID()), zap.String("reason", why),
	}, fields...)...)
	event := telemetry.AuditSessionEnded
	switch why {
	case EndLogout:
		event = telemetry.AuditLogout
	case EndRevoked:
		event = telemetry.AuditKeyRevoked
	}
	m.Observers.Observer().Audit(event, s, append([]zap.Field{zap.String("reason", why)}, fields...)...)
	switch why {
	case EndLogout:
		m.Observers.Observer().Emit(telemetry.EventLogout, s, telemetry.Payload{})
	case EndRevoked:
		m.Observers.Observer().Emit(telemetry.EventKeyRevoked, s, telemetry.Payload{})
	case EndReplaced, EndAdministrator, EndOwner:
		m.Observers.Observer().Emit(telemetry.EventSessionEnded, s, telemetry.Payload{"reason": why})
	default:
		m.Observers.EmitLater(telemetry.EventSessionEnded, s, telemetry.Payload{"reason": why})
	}
}
