package telemetry

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// ClientIP is a log line's field with the visitor's address, as the access log
// would have it.
func ClientIP(r *http.Request) zap.Field {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return zap.String("client_ip", ip)
}

// NotServed writes the line about a request that got a refusal of the proxy's own,
// unless there were too many for the same reason. The error is what the client is
// not told.
func (f *LogLimiter) NotServed(logger *zap.Logger, r *http.Request, status int, why reason.Reason, err error, about ...zap.Field) {
	level := zap.InfoLevel
	if status >= http.StatusInternalServerError {
		level = zap.WarnLevel
	}
	c := logger.Check(level, "request not served")
	if c == nil {
		return
	}
	suppressed, ok := f.Admit("request " + string(why))
	if !ok {
		return
	}
	c.Write(append([]zap.Field{
		zap.Int("status", status), zap.String("reason", string(why)),
		zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err),
		ClientIP(r), suppressed,
	}, about...)...)
}
