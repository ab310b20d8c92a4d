package telemetry

import (
	"slices"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// AuditEvent is what a line of the audit log is about. The list is fixed, and so are the
// fields of each: see AuditFields.
type AuditEvent string

// The events of the audit log, as OPERATIONS.md lists them.
const (
	AuditLogin          AuditEvent = "login"
	AuditLoginFailed    AuditEvent = "login_failed"
	AuditLogout         AuditEvent = "logout"
	AuditSessionEnded   AuditEvent = "session_ended"
	AuditKeyCreated     AuditEvent = "key_created"
	AuditKeyUsed        AuditEvent = "key_first_used"
	AuditKeyRenewed     AuditEvent = "key_renewed"
	AuditKeyRevoked     AuditEvent = "key_revoked"
	AuditDeviceAgreed   AuditEvent = "device_confirmed"
	AuditDeviceDenied   AuditEvent = "device_denied"
	AuditDeleted        AuditEvent = "account_deleted"
	AuditShareConnected AuditEvent = "share_connected"
	AuditTokenExposed   AuditEvent = "token_exposed"
	AuditLimitsOpened   AuditEvent = "limits_opened"
)

// about are the fields that tell whose session or key an event is about.
var about = []string{"session", "account", "kind"}

// AuditFields are the fields of each event, beside the event itself and the site. A
// client_ip is missing where no request of the person's caused the event.
var AuditFields = map[AuditEvent][]string{
	AuditLogin:          append([]string{"scopes", "client_ip"}, about...),
	AuditLoginFailed:    {"status", "reason", "client_ip", "suppressed"},
	AuditLogout:         append([]string{"client_ip"}, about...),
	AuditSessionEnded:   append([]string{"reason", "client_ip"}, about...),
	AuditKeyCreated:     append([]string{"scopes", "expires_at", "client_ip"}, about...),
	AuditKeyUsed:        append([]string{"client_ip"}, about...),
	AuditKeyRenewed:     append([]string{"scopes", "expires_at", "client_ip"}, about...),
	AuditKeyRevoked:     append([]string{"client_ip"}, about...),
	AuditDeviceAgreed:   append([]string{"device", "client_ip"}, about...),
	AuditDeviceDenied:   {"device", "client_ip"},
	AuditDeleted:        append([]string{"ended", "client_ip"}, about...),
	AuditShareConnected: append([]string{"scopes", "client_ip"}, about...),
	AuditTokenExposed:   append([]string{"client_ip"}, about...),
	AuditLimitsOpened:   {"client_id", "names"},
}

// Audit writes a line about an event to the logger http.handlers.spotify_auth.audit. who
// is the session or key that it is about, or nil. Fields that the event does not have are
// left out. It may be called on nil, for then there is no site to write it for.
func (o *Observer) Audit(event AuditEvent, who Subject, fields ...zap.Field) {
	if o == nil || o.audit == nil {
		return
	}
	line := o.audit.Check(zap.InfoLevel, "audit")
	if line == nil {
		return
	}
	all := []zap.Field{zap.String("event", string(event)), zap.String("site", o.Metrics.Site)}
	if who != nil {
		kind := "session"
		if who.IsKey() {
			kind = tokenstore.KindKey
		}
		all = append(all, zap.String("session", who.Ref()), zap.String("account", who.AccountID()), zap.String("kind", kind))
	}
	known := AuditFields[event]
	for _, f := range fields {
		if slices.Contains(known, f.Key) {
			all = append(all, f)
		}
	}
	line.Write(all...)
}
