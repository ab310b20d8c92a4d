package login

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
)

// The cookies of pending logins have a fixed number of names, the slots, and each
// fits into the room of its kind. So all of a browser's stay below 4 KiB together,
// however many logins are started at once: browsers and proxies refuse larger
// headers, and then every page of the site with them.
//
// They need the path "/", although only the endpoints read them: without it there
// is no __Host- prefix, and a sibling subdomain could plant one.
const (
	// maxPendingLogins is how many tabs can log in at once in one browser.
	maxPendingLogins = 10
	// exclusiveSlot is that of logins with an exclusive purpose, and pathSlot that of
	// the one return path that is too long for the login's own cookie.
	exclusiveSlot, pathSlot byte = 'x', 'p'
	// detourSlot names the cookie of a browser that was sent to the public origin. It is
	// no login's, and small.
	detourSlot byte = 'd'

	// The room of each kind, in bytes, from the name to the space after the semicolon.
	slotRoom      = 170
	exclusiveRoom = 1700
	pathRoom      = 690
)

const _ = uint(4096 - maxPendingLogins*slotRoom - exclusiveRoom - pathRoom) // does not compile if negative

func isSlot(c byte) bool { return c >= '0' && c < '0'+maxPendingLogins || c == exclusiveSlot }

// slotName is the name of a slot's cookie.
func (f *Flow) slotName(slot byte) string { return f.site.Login + string(slot) }

// size is how much a cookie takes of a request's header.
func size(name, value string) int { return len(name) + len("=") + len(value) + len("; ") }

// place puts a login into a slot, and its cookies into the response. It reports
// whether it fits. A return path that does not is dropped.
func (f *Flow) place(w http.ResponseWriter, r *http.Request, p *pendingLogin, exclusive bool) (slot byte, ok bool) {
	slot, room := exclusiveSlot, exclusiveRoom
	if !exclusive {
		slot, room = f.freeSlot(r), slotRoom
	}
	name, path := f.slotName(slot), p.returnTo
	if path == "/" {
		p.returnTo = ""
	}
	value := p.encode()
	if size(name, value) > room && p.returnTo != "" {
		p.returnTo = ""
		if longName, long := f.slotName(pathSlot), escapeCookie.Replace(path); size(longName, long) <= pathRoom {
			p.returnTo = pathReference(path)
			http.SetCookie(w, f.site.New(longName, long, int(cookieLife.Seconds())))
		}
		value = p.encode()
	}
	if size(name, value) > room {
		return 0, false
	}
	http.SetCookie(w, f.site.New(name, value, int(cookieLife.Seconds())))
	return slot, true
}

// cookieLife is how long the browser keeps a pending login. It is longer than
// loginLife, so that one that came back too late can be told so.
const cookieLife = loginLife + clockSkew

// A long return path is in a cookie of its own, which all logins that lead there
// share. The reference in theirs says whether it still has their path.
const pathReferencePrefix = "~"

func pathReference(path string) string {
	sum := sha256.Sum256([]byte(path))
	return pathReferencePrefix + base64.RawURLEncoding.EncodeToString(sum[:6])
}

func isPathReference(s string) bool {
	sum, ok := strings.CutPrefix(s, pathReferencePrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	return ok && err == nil && len(b) == 6
}

// returnPath is where a login leads. If the browser has its path no longer, that
// is "/".
func (f *Flow) returnPath(r *http.Request, p pendingLogin) string {
	if !isPathReference(p.returnTo) {
		return p.returnTo
	}
	long, _ := browser.CookieValue(r.Header, f.slotName(pathSlot))
	path := browser.ReturnPath(unescapeCookie.Replace(long))
	if pathReference(path) != p.returnTo {
		return "/"
	}
	return path
}

// shared reports whether another pending login leads to the long path, too.
func (f *Flow) shared(r *http.Request, but byte, reference string) bool {
	for i := range byte(maxPendingLogins) {
		value, ok := browser.CookieValue(r.Header, f.slotName('0'+i))
		if p, err := decodePendingLogin(value); ok && err == nil && '0'+i != but && p.returnTo == reference {
			return true
		}
	}
	return false
}

// parallel is how long it takes, at most, until a browser that gets a cookie sends
// it. Until then a login that it starts says nothing of the others.
const parallel = 5 * time.Second

// slotsGiven remembers, for clients of late, when each slot was given out: tabs that
// open at once, as those of the last session do, know nothing of each other's
// cookies and should not take each other's slots. It is bounded; what it forgets,
// and what other instances do, is left to chance. It is safe for concurrent use.
type slotsGiven struct {
	mu   sync.Mutex
	seed maphash.Seed
	last *lru.Cache[uint64, *[maxPendingLogins]time.Time]
}

func newSlotsGiven() *slotsGiven {
	last, _ := lru.New[uint64, *[maxPendingLogins]time.Time](2048) // fails only for a size below one
	return &slotsGiven{seed: maphash.MakeSeed(), last: last}
}

// choose picks a slot for one more login of the client. Those that its cookies say
// are taken have the time when the login in them began.
func (g *slotsGiven) choose(r *http.Request, now time.Time, taken *[maxPendingLogins]time.Time) byte {
	var h maphash.Hash
	h.SetSeed(g.seed)
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	_, _ = h.WriteString(ip)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(r.UserAgent())
	client := h.Sum64()

	g.mu.Lock()
	defer g.mu.Unlock()
	given, ok := g.last.Get(client)
	if !ok {
		given = new([maxPendingLogins]time.Time)
		g.last.Add(client, given)
	}
	best := byte(0)
	var bestTaken, bestGiven time.Time
	for i := range byte(maxPendingLogins) {
		at := taken[i]
		if now.Sub(given[i]).Abs() < parallel && given[i].After(at) {
			at = given[i]
		}
		// The zero time, of a slot that is free, is before all others.
		if i == 0 || cmp.Or(at.Compare(bestTaken), given[i].Compare(bestGiven)) < 0 {
			best, bestTaken, bestGiven = i, at, given[i]
		}
	}
	given[best] = now
	return best
}

// freeSlot returns a slot for one more login, or that of the oldest: a new login is
// never refused.
func (f *Flow) freeSlot(r *http.Request) byte {
	now := f.site.Clock.Now()
	var taken [maxPendingLogins]time.Time
	for i := range taken {
		value, ok := browser.CookieValue(r.Header, f.slotName('0'+byte(i)))
		if !ok {
			continue
		}
		if p, err := decodePendingLogin(value); err == nil && !p.expired(now) {
			taken[i] = p.started
		}
	}
	return '0' + f.slots.choose(r, now, &taken)
}
