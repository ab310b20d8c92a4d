// Package freeport finds ports for the servers that tests start.
//
// Caddy listens with SO_REUSEPORT, so two processes that both found a port free
// can both listen there, and each gets some of the other's requests. A port that
// comes from here is reserved across processes, by a UDP socket of the same
// number that goes away with its process, however that ends.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The range that ports come from. No operating system hands these out by itself,
// so a port is still free when a server that was killed comes back to it. The
// nodes of a Redis Cluster talk on ports 10000 above, which are free as well.
const first, count = 10000, 10000

// Address returns an address on 127.0.0.1 at which nobody listens, and nobody
// else who asks here will, until the test ends.
func Address(tb testing.TB) string {
	tb.Helper()
	var listen net.ListenConfig
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.N(count)))
		reserved, err := listen.ListenPacket(tb.Context(), "udp", address)
		if err != nil {
			continue
		}
		if l, err := listen.Listen(tb.Context(), "tcp", address); err == nil {
			_ = l.Close()
			tb.Cleanup(func() { _ = reserved.Close() })
			return address
		}
		_ = reserved.Close()
	}
	tb.Fatal("no port is free")
	return ""
}
