package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// UnreachableError says that a request got no response from the Web API: the
// connection was refused, reset or timed out, the name does not resolve, or TLS
// failed. It stays an error until it has passed reverse_proxy, so that lb_retries
// and passive health checks work as for any other transport. Unreachable makes
// the response of it.
type UnreachableError struct{ err error }

// Error implements error.
func (e *UnreachableError) Error() string { return e.err.Error() }

// Unwrap returns the transport's error.
func (e *UnreachableError) Unwrap() error { return e.err }

// Timeout implements net.Error, by which reverse_proxy tells 504 from 502.
func (e *UnreachableError) Timeout() bool {
	if t, ok := errors.AsType[net.Error](e.err); ok && t.Timeout() {
		return true
	}
	// A DialError hides what it wraps.
	dial, ok := errors.AsType[reverseproxy.DialError](e.err)
	return ok && strings.HasSuffix(dial.Error(), "i/o timeout")
}

// Temporary implements net.Error.
func (e *UnreachableError) Temporary() bool { return true }

// unreachable wraps an error that came instead of a response, unless it says
// that the client is gone.
func unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) || problem.As(err) != nil {
		return err
	}
	return &UnreachableError{err}
}

// noUpstream is the text of reverse_proxy's error for an upstream that is down,
// by its health checks, or busy. The error itself is not exported.
const noUpstream = "no upstreams available"

// Unreachable returns what a client is told about an error from the handlers
// after spotify_auth, if it says that the Web API did not respond, or nil. Any
// other error is not the proxy's to explain.
func Unreachable(err error) *problem.Problem {
	if err == nil {
		return nil
	}
	p := problem.UpstreamUnavailable(http.StatusBadGateway, err)
	if e, ok := errors.AsType[*UnreachableError](err); ok {
		p.Err = e.err
		if e.Timeout() {
			p.Status = http.StatusGatewayTimeout
			p.Message = "Spotify did not respond in time. Try again in a moment."
		}
		return p
	}
	e, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok || e.StatusCode != http.StatusServiceUnavailable || e.Err == nil || e.Err.Error() != noUpstream {
		return nil
	}
	p.Status, p.Err = http.StatusServiceUnavailable, e.Err
	return p
}
