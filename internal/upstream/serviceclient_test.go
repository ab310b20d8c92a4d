package upstream

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// O59: a request for a token that is made on behalf of one to the Web API goes to
// the token endpoint, though Caddy's transport connects to where the context of
// reverse_proxy says.
func TestServiceClientIsNotReverseProxys(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	client, err := NewServiceClient(ctx, new(reverseproxy.HTTPTransport), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	type key struct{}
	var seen any
	transport := client.Transport.(serviceTransport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		seen = ctx.Value(key{})
		return dial(ctx, network, address)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	req, err := http.NewRequestWithContext(context.WithValue(t.Context(), key{}, "the Web API"), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if seen != nil {
		t.Errorf("the dialer is told of %v", seen)
	}
}

// O59: what cannot hold for all of Spotify's hosts is refused.
func TestServiceOptionsThatCannotHold(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	for _, option := range []string{"proxy_protocol v2", "tls_server_name accounts.spotify.com", "versions 3", "versions h2c 2"} {
		var o reverseproxy.HTTPTransport
		if err := o.UnmarshalCaddyfile(caddyfile.NewTestDispenser("transport {\n" + option + "\n}")); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(option, " ")
		if _, err := NewServiceClient(ctx, &o, time.Minute); err == nil || !strings.Contains(err.Error(), "transport "+name) {
			t.Errorf("%s: %v", option, err)
		}
	}
}
