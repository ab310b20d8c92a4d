package demo

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// DefaultListen is where the demo listens unless told otherwise.
const DefaultListen = "127.0.0.1:8080"

// parseListen reads what a person gives as the address: a port, or a loopback
// address with a port. Nothing else would do, since Spotify, and so its
// simulator, takes http only at a loopback literal.
func parseListen(s string) (netip.AddrPort, error) {
	if port, err := strconv.ParseUint(s, 10, 16); err == nil {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), nil
	}
	addr, err := netip.ParseAddrPort(s)
	if err != nil {
		return addr, fmt.Errorf("listen %q is not an address: use a port, or 127.0.0.1:<port>, or [::1]:<port>", s)
	}
	if ip := addr.Addr(); ip != netip.IPv6Loopback() && ip != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return addr, fmt.Errorf("listen %q is not a loopback address: use 127.0.0.1:%d, since Spotify refuses http anywhere else", s, addr.Port())
	}
	return addr, nil
}

// freeAddress returns addr if nobody listens there. Port 0 stands for a free
// port, and is what a taken one becomes unless the very port is wanted.
func freeAddress(addr netip.AddrPort, wanted bool) (free netip.AddrPort, err error) {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if errors.Is(err, syscall.EADDRINUSE) && !wanted {
		addr = netip.AddrPortFrom(addr.Addr(), 0)
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return addr, fmt.Errorf("listen %s is taken by another program: choose another port, or leave the choice to the demo", addr)
	case err != nil:
		return addr, fmt.Errorf("opening a port for the demo: %w", err)
	}
	// Caddy opens it again a moment later. That somebody else is faster is
	// possible and would be reported as any taken port is.
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort(), nil
}
