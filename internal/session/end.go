package session

import (
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
)

// ended tells of a session's end, unless that has been told.
func (m *Manager) ended(s *Session, why string, fields ...zap.Field) {
	if s.begin(toldEnd) {
		m.emitEnd(s, why, fields...)
	}
}

func (m *Manager) emitEnd(s telemetry.Subject, why string, fields ...zap.Field) {
	m.Observers.Observer().SessionEnded(why)
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
	switch why {
	case EndLogout:
		m.Observers.Observer().Emit(telemetry.EventLogout, s, telemetry.Payload{})
	case EndRevoked:
		m.Observers.Observer().Emit(telemetry.EventKeyRevoked, s, telemetry.Payload{})
	case EndReplaced, EndAdministrator:
		m.Observers.Observer().Emit(telemetry.EventSessionEnded, s, telemetry.Payload{"reason": why})
	default:
		m.Observers.EmitLater(telemetry.EventSessionEnded, s, telemetry.Payload{"reason": why})
	}
}
