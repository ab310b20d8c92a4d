package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
)

// NewServiceClient returns the client for the token endpoint and the account
// lookup, which does not follow redirects: neither ever redirects, so following one
// could only lose a secret. It goes through the network as the options say, or, if
// there are none, as Go's default transport does. The timeout is for a request and
// its response.
func NewServiceClient(ctx caddy.Context, options *reverseproxy.HTTPTransport, timeout time.Duration) (*http.Client, error) {
	var next http.RoundTripper
	if options == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		tune(t, timeout)
		next = t
	} else {
		if err := checkServiceOptions(options); err != nil {
			return nil, err
		}
		warnUnverified(ctx.Logger(), options, "the token endpoint")
		// It fills in defaults, which are not the operator's words.
		own := *options
		t, err := own.NewTransport(ctx)
		if err != nil {
			return nil, fmt.Errorf("transport: %w", err)
		}
		tune(t, timeout)
		next = serviceTransport{t}
	}
	return &http.Client{
		Transport:     next,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func tune(t *http.Transport, timeout time.Duration) {
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = timeout
}

// checkServiceOptions refuses what cannot hold for several hosts, or without a
// client's request.
func checkServiceOptions(o *reverseproxy.HTTPTransport) error {
	switch {
	case o.ProxyProtocol != "":
		return errors.New("transport proxy_protocol: requests for tokens are no client's, so there is no address to send: remove it")
	case o.TLS != nil && o.TLS.ServerName != "":
		return errors.New("transport tls_server_name would hold for each of Spotify's hosts: remove it")
	case slices.Contains(o.Versions, "3"), slices.Contains(o.Versions, "h2c"):
		return fmt.Errorf("transport versions %q: use 1.1 and 2", o.Versions)
	}
	return nil
}

// warnUnverified tells the operator that whoever is in between can take the tokens.
func warnUnverified(logger *zap.Logger, o *reverseproxy.HTTPTransport, of string) {
	if o.TLS != nil && o.TLS.InsecureSkipVerify {
		logger.Warn("tls_insecure_skip_verify is set; anyone on the way can read and change what is sent, tokens included", zap.String("to", of))
	}
}

// serviceTransport hides from Caddy's transport whose request it was for. If it
// is from reverse_proxy, its context says where to connect to, which is the Web
// API.
type serviceTransport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t serviceTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.Transport.RoundTrip(req.WithContext(withoutValues{req.Context()}))
}

// withoutValues is a context that ends as another does and has none of its values.
type withoutValues struct{ context.Context }

// Value implements context.Context.
func (withoutValues) Value(any) any { return nil }
