// Package freeport finds ports for the servers that tests start.
//
// Caddy listens with SO_REUSEPORT, so two processes that both found a port free
// can both listen there, and each gets some of the other's requests. A port that
// comes from here is reserved across processes, by a UDP socket of the same
// number that goes away with its process, however that ends.
//
// Within a process a port does not come again for long: what lives as long as the
// process and goes by a site's address, such as its metrics, starts from nothing in
// each test.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// The range that ports come from. No operating system hands these out by itself,
// so a port is still free when a server that was killed comes back to it. The
// nodes of a Redis Cluster talk on ports 10000 above, which are free as well.
const first, count = 10000, 10000

// next is where this process goes on to look: it takes the ports in turn, so that
// one comes again only when all others have had theirs.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(count)) }

// Address returns an address on 127.0.0.1 at which nobody listens, and nobody
// else who asks here will, until the test ends. The tests before had others.
func Address(tb testing.TB) string {
	tb.Helper()
	var listen net.ListenConfig
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+int(next.Add(1)%count)))
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
