package caddyspotify

import "go.uber.org/zap"

// Why sessions end before their time.
const (
	endLogout        = "logout"                   // the user logged out
	endReplaced      = "replaced"                 // the same browser logged in anew
	endReauthorize   = "reauthorization_required" // Spotify no longer accepts the refresh token
	endElsewhere     = "ended_elsewhere"          // it is no longer in the store: another instance ended it
	endAdministrator = "administrator"            // through the admin API
	endRevoked       = "revoked"                  // an access key: its owner revoked it
)

// ended tells of a session's end, unless that has been told.
func (m *sessions) ended(s *session, why string, fields ...zap.Field) {
	if s.begin(toldEnd) {
		m.tellEnd(s, why, fields...)
	}
}

func (m *sessions) tellEnd(s identified, why string, fields ...zap.Field) {
	m.audience.observer().sessionEnded(why)
	line := "session ended"
	switch {
	case why == endLogout:
		line = "logout"
	case why == endRevoked:
		line = "access key revoked"
	case s.isKey():
		line = "access key ended"
	}
	m.logger().Info(line, append([]zap.Field{
		zap.String("session", s.ref()), zap.String("account", s.accountID()), zap.String("reason", why),
	}, fields...)...)
	switch why {
	case endLogout:
		m.audience.observer().emit(eventLogout, s, payload{})
	case endRevoked:
		m.audience.observer().emit(eventKeyRevoked, s, payload{})
	case endReplaced, endAdministrator:
		m.audience.observer().emit(eventSessionEnded, s, payload{"reason": why})
	default:
		m.audience.emitLater(eventSessionEnded, s, payload{"reason": why})
	}
}
