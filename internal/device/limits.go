package device

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// The bounds, each for one instance and one configuration. SECURITY.md says what they
// come to.
const (
	// codeLifetime is how long a code can be entered, and the window of the bounds.
	codeLifetime = 10 * time.Minute
	// maxPending is how many codes a site has, and maxPendingHere those asked for by one
	// network. Each counts until it would expire.
	maxPending     = 1000
	maxPendingHere = 20
	// maxWrong is how many wrong user codes a network or an account may enter in a window,
	// and maxWrongOverall how many all may together that are not logged in.
	maxWrong        = 10
	maxWrongOverall = 300
	// maxUnknown is how many unknown device codes a network may ask with in a window.
	maxUnknown = 60
	// pollInterval is how often a device may ask, at first; each time that it is too early
	// adds as much (RFC 8628 §3.5), up to maxPollInterval. pollTolerance is for the network.
	pollInterval    = 5 * time.Second
	maxPollInterval = time.Minute
	pollTolerance   = time.Second
)

// limits bound what codes cost and how many can be guessed. What they remember is bounded
// as well. It is safe for concurrent use.
type limits struct {
	clock pkce.Clock

	mu      sync.Mutex
	issued  []issue // in the order of time
	windows *lru.Cache[string, window]
	all     window // of everybody
	polls   *lru.Cache[string, poll]
}

type issue struct {
	at      time.Time
	network string
}

// window counts what happens within codeLifetime of the first.
type window struct {
	began time.Time
	n     int
}

type poll struct {
	at       time.Time
	interval time.Duration
}

func newLimits(clock pkce.Clock) *limits {
	windows, _ := lru.New[string, window](8192) // fails only for a size below one
	polls, _ := lru.New[string, poll](4096)
	return &limits{clock: clock, windows: windows, polls: polls}
}

// issue takes room for one more code, for a network. If there is none, it returns how
// long until there is.
func (l *limits) issue(from string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for len(l.issued) > 0 && now.Sub(l.issued[0].at) >= codeLifetime {
		l.issued = l.issued[1:]
	}
	here, first := 0, time.Time{}
	for _, i := range l.issued {
		if i.network == from {
			if here++; here == 1 {
				first = i.at
			}
		}
	}
	switch {
	case here >= maxPendingHere:
		return first.Add(codeLifetime).Sub(now), false
	case len(l.issued) >= maxPending:
		return l.issued[0].at.Add(codeLifetime).Sub(now), false
	}
	l.issued = append(l.issued, issue{now, from})
	return 0, true
}

// bound is one that an attempt counts against.
type bound struct {
	name string
	most int
}

// everybody is the name of the bound on all networks together. Its window is not among
// those that make room for others, or many networks would undo it.
const everybody = "all"

func (l *limits) window(name string) (w window, found bool) {
	if name == everybody {
		return l.all, true
	}
	return l.windows.Get(name)
}

func (l *limits) setWindow(name string, w window) {
	switch {
	case name == everybody:
		l.all = w
	case w.n == 0:
		l.windows.Remove(name)
	default:
		l.windows.Add(name, w)
	}
}

// attempt counts against all bounds, if all have room. If not, it returns how long until
// they have.
func (l *limits) attempt(bounds ...bound) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	windows := make([]window, len(bounds))
	for i, b := range bounds {
		w, found := l.window(b.name)
		if !found || now.Sub(w.began) >= codeLifetime {
			w = window{began: now}
		}
		if w.n >= b.most {
			wait = max(wait, w.began.Add(codeLifetime).Sub(now))
		}
		windows[i] = window{w.began, w.n + 1}
	}
	if wait > 0 {
		return wait, false
	}
	for i, b := range bounds {
		l.setWindow(b.name, windows[i])
	}
	return 0, true
}

// right takes back an attempt, which was no guess.
func (l *limits) right(bounds ...bound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range bounds {
		if w, ok := l.window(b.name); ok && w.n > 0 {
			l.setWindow(b.name, window{w.began, w.n - 1})
		}
	}
}

// poll reports whether a device may ask now, and how often it may from now on.
func (l *limits) poll(device string) (interval time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	p, found := l.polls.Get(device)
	early := found && now.Sub(p.at) < p.interval-pollTolerance
	if !found {
		p.interval = pollInterval
	}
	if early {
		p.interval = min(p.interval+pollInterval, maxPollInterval)
	}
	p.at = now
	l.polls.Add(device, p)
	return p.interval, !early
}

// clientAddress returns the address that a request comes from, as the access log has it. The
// zero Addr stands for one that cannot be read.
func clientAddress(r *http.Request) netip.Addr {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// network is where an address counts as one visitor: the address itself, or the /64 of an
// IPv6 address, which is what a household or a server has at least.
func network(addr netip.Addr) string {
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().String()
	}
	return addr.String()
}

// nearby is where a device is, seen from a person: a public address that both have, or a
// network at home.
func nearby(addr netip.Addr) string {
	if addr.Is4() && (addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsLoopback()) {
		return netip.PrefixFrom(addr, 24).Masked().String()
	}
	return network(addr)
}
