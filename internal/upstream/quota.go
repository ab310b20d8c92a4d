package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/quota"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// QuotaHeader tells a page how its visitor stands with the site's budget.
const QuotaHeader = "Spotify-Proxy-Quota"

// metered sends a request for an operation through the gate, on an account's behalf,
// and counts it once it goes out. If the site has a budget that has no room for it, it
// is not sent, and the error is a problem.
func (s *Site) metered(ctx context.Context, caller quota.Caller, account, operation, family string, send func() (*http.Response, error)) (*http.Response, reason.Reason, error) {
	if s.Quota == nil {
		return s.throughGate(account, operation, family, send)
	}
	if s.Quota.Budget != nil {
		s.Quota.Ready(ctx)
	}
	entry := s.Quota.Begin(operation, caller)
	if budget := s.Quota.Budget; budget != nil {
		if wait, ok := s.Quota.Admit(budget, &entry, caller); !ok {
			s.Metrics.Limited(telemetry.LimitedByProxy)
			return nil, "", problem.BudgetExceeded(wait)
		}
	}
	sent := false
	res, limited, err := s.throughGate(account, operation, family, func() (*http.Response, error) {
		sent = true
		entry.Sent()
		return send()
	})
	switch {
	case err != nil && (!sent || neverLeft(err)):
		entry.Withdraw()
	case err == nil && res.StatusCode == http.StatusTooManyRequests:
		entry.Refused(operation, limited == reason.QuotaExceeded)
	}
	return res, limited, err
}

// neverLeft reports whether a request failed before there was a connection to send it
// on. After any other failure Spotify may have counted it.
func neverLeft(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// caller is who causes the request of a URL that is made with the exchange.
func (ex *Exchange) caller(u *url.URL) quota.Caller {
	switch s := ex.Session; {
	case s == nil:
		return quota.Caller{Kind: quota.Account}
	case s.IsKey():
		return quota.Caller{Kind: quota.Key, Name: s.Ref()}
	case s.IsShared() && u.RawQuery != "":
		return quota.Caller{Kind: quota.Line, Name: u.Path + "?" + u.RawQuery}
	case s.IsShared():
		return quota.Caller{Kind: quota.Line, Name: u.Path}
	default:
		return quota.Caller{Kind: quota.Account, Name: s.Account.ID}
	}
}

// tellQuota says in the headers of a response to the request of a URL how its caller
// stands. Without a budget it says nothing: the bare count would cost each response two
// allocations, and there is nothing that a page could do about it.
func (ex *Exchange) tellQuota(h http.Header, u *url.URL) {
	if q := ex.Site.Quota; q != nil && q.Budget != nil {
		h[QuotaHeader] = []string{q.Header(q.Budget, ex.caller(u))}
	}
}

// withQuota tells how the caller stands in the response to one that is refused for the
// budget.
func (ex *Exchange) withQuota(p *problem.Problem, res *http.Response) *http.Response {
	if ex != nil && p.Reason == reason.BudgetExceeded {
		ex.tellQuota(res.Header, res.Request.URL)
	}
	return res
}
