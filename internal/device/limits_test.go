package device

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
)

// E04: an attempt counts against all bounds or none, and one that was right against none.
func TestAttempts(t *testing.T) {
	clock := fakeclock.New(time.Unix(1e9, 0))
	l := newLimits(clock)
	small, large := bound{"small", 2}, bound{"large", 3}
	for i, want := range []bool{true, true, false, false} {
		if _, ok := l.attempt(small, large); ok != want {
			t.Errorf("attempt %d: %v", i, ok)
		}
	}
	if _, ok := l.attempt(large); !ok {
		t.Error("refused attempts counted")
	}
	if wait, ok := l.attempt(large); ok || wait != codeLifetime {
		t.Errorf("one too many: %v, %v", wait, ok)
	}
	l.right(large)
	if _, ok := l.attempt(large); !ok {
		t.Error("one that was right counts")
	}
	clock.Advance(codeLifetime - time.Second)
	if wait, ok := l.attempt(small); ok || wait != time.Second {
		t.Errorf("at the end of the window: %v, %v", wait, ok)
	}
	clock.Advance(time.Second)
	if _, ok := l.attempt(small, large); !ok {
		t.Error("the window has no end")
	}
}

// E04, O55: what many networks do leaves the bound on all of them together as it is, and an
// attempt that was right leaves nothing.
func TestBoundOfEverybodyStays(t *testing.T) {
	l := newLimits(fakeclock.New(time.Unix(1e9, 0)))
	all := bound{everybody, 1}
	if _, ok := l.attempt(all); !ok {
		t.Fatal("the first attempt is refused")
	}
	for i := range 10000 {
		l.attempt(bound{"poll " + strconv.Itoa(i), maxUnknown})
	}
	if _, ok := l.attempt(all); ok {
		t.Error("many networks have undone the bound on all together")
	}
	l = newLimits(l.clock)
	own := bound{"account mira", 1}
	l.attempt(own)
	for i := range 10000 {
		b := bound{"code " + strconv.Itoa(i), maxWrong}
		l.attempt(b)
		l.right(b)
	}
	if _, ok := l.attempt(own); ok {
		t.Error("right codes have undone the bound on an account")
	}
}

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool // network
		near bool
	}{
		{"192.0.2.1", "192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.2", false, false},
		{"192.168.1.10", "192.168.1.20", false, true},
		{"192.168.1.10", "192.168.2.10", false, false},
		{"10.1.2.3", "10.1.2.4", false, true},
		{"2001:db8::1", "2001:db8::ffff", true, true},
		{"2001:db8::1", "2001:db8:0:1::1", false, false},
		{"::ffff:192.0.2.1", "192.0.2.1", true, true},
	} {
		a, b := netip.MustParseAddr(c.a).Unmap(), netip.MustParseAddr(c.b).Unmap()
		if got := network(a) == network(b); got != c.same {
			t.Errorf("%s and %s are one network: %v", c.a, c.b, got)
		}
		if got := nearby(a) == nearby(b); got != c.near {
			t.Errorf("%s and %s are near: %v", c.a, c.b, got)
		}
	}
}
