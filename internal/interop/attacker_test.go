package interop

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
)

// newAttacker is the attacker's own browser, which finds the proxy under its
// name and believes its certificate.
func newAttacker(t *testing.T) *http.Client {
	t.Helper()
	attacker := newVisitor(t)
	transport := attacker.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return attacker
}
