package telemetry

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
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

// RequestID returns the request's identifier, which is Caddy's {http.request.uuid}. To ask
// for it puts it into the request's line of the access log, too, as uuid. It is empty for a
// request that does not come from a server of Caddy's.
func RequestID(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	id, _ := repl.GetString("http.request.uuid")
	return id
}

// NotServed writes the line about a request that got a refusal of the proxy's own,
// unless there were too many for the same reason. The error is what the client is
// not told. It returns the request's identifier if the line has it, for the client to
// quote.
func (f *LogLimiter) NotServed(logger *zap.Logger, r *http.Request, status int, why reason.Reason, err error, about ...zap.Field) (id string) {
	level := zap.InfoLevel
	if status >= http.StatusInternalServerError {
		level = zap.WarnLevel
	}
	c := logger.Check(level, "request not served")
	if c == nil {
		return ""
	}
	suppressed, ok := f.Admit("request " + string(why))
	if !ok {
		return ""
	}
	id = RequestID(r)
	c.Write(append([]zap.Field{
		zap.Int("status", status), zap.String("reason", string(why)),
		zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err),
		ClientIP(r), zap.String("uuid", id), suppressed,
	}, about...)...)
	return id
}
