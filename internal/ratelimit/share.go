package ratelimit

import "time"

const (
	// tightFor is how long after the last sign of pressure requests are shared
	// out. Signs are a 429, the reopening of the gate, and a request that the
	// share had no room for.
	tightFor = 2 * window

	// minBudget is the least that the limit is taken for: a 429 while little
	// was going on says little about it.
	minBudget = 60

	// busy is the part of the budget that is shared out. The rest is a margin:
	// Spotify's clock is not ours. reserve is the part of it kept for accounts
	// that have sent nothing of late, so that they need not wait for room.
	busy    = 0.95
	reserve = 0.05

	// burst is the part of the budget that may go in any burstSpan, so that the
	// first second after the gate opens does not belong to the fastest caller.
	// A page that loads makes minBurst requests and should not be torn apart.
	burst     = 1.0 / 3
	minBurst  = 20
	burstSpan = 5 * time.Second

	// levelEvery is how often the fair share is worked out again.
	levelEvery = 250 * time.Millisecond

	// maxAccounts bounds the accounts told apart. Those beyond it share what
	// room there is.
	maxAccounts = 4096
)

// share divides what is known of Spotify's limit among accounts while the gate
// is or has recently been closed. It is guarded by the Gate's mutex. While it
// is not active it remembers nothing.
//
// The fair share is the max-min one: accounts that ask for little get it, and
// the others get equal parts of what remains.
type share struct {
	active   bool
	pressure time.Duration // of the last sign of pressure
	budget   float64       // requests per window that Spotify is thought to allow
	grownAt  time.Duration // when the budget was last changed
	clean    int           // windows since the last 429 in which the budget was too small
	short    bool          // whether it was too small since grownAt

	accounts  map[string]*account
	level     float64 // the most that one account gets per window
	leveledAt time.Duration
	demands   []float64
}

// account is what one account asked for and got, in this window and in the one
// before. The rolling window is estimated from the two.
type account struct {
	since       time.Duration // when it first asked
	window      int64
	asked, sent [2]uint32 // this window, and the one before
}

// press notes pressure at, which may be in the future.
func (s *share) press(at time.Duration) { s.pressure = max(s.pressure, at) }

// learn takes the requests that Spotify answered in the window before a 429 for
// its limit.
func (s *share) learn(answered float64, now time.Duration) {
	if s.active {
		// One odd 429 must not undo what is known.
		answered = min(max(answered, s.budget/2), s.budget)
	} else {
		s.active = true
		s.accounts = make(map[string]*account)
		s.level, s.leveledAt = 0, 0
	}
	s.budget = max(answered, minBudget)
	s.grownAt, s.clean, s.short = now, 0, false
	s.press(now)
}

// ask notes that an account has asked, and returns it. It returns nil if the
// account is not tracked.
func (s *share) ask(id string, now time.Duration) *account {
	if !s.active {
		return nil
	}
	a := s.accounts[id]
	if a == nil {
		if len(s.accounts) >= maxAccounts {
			return nil
		}
		a = &account{since: now, window: int64(now / window)}
		s.accounts[id] = a
	}
	a.roll(now)
	a.asked[0]++
	return a
}

// expire ends the sharing when the rush is over.
func (s *share) expire(now time.Duration) {
	if s.active && now-s.pressure >= tightFor {
		*s = share{demands: s.demands[:0]}
	}
}

// admit returns how long the account has to wait; 0 admits it. The share is active.
func (s *share) admit(a *account, now time.Duration, sent *counter) time.Duration {
	s.grow(now)
	if now-s.leveledAt >= levelEvery || s.level == 0 {
		s.relevel(now)
	}
	room, rush := s.budget*busy, max(minBurst, s.budget*burst)
	recent := s.level
	if a != nil {
		recent = rolling(a.sent, now)
	}
	if recent >= s.level/2 {
		room -= s.budget * reserve
		rush -= s.budget * reserve
	}
	var wait time.Duration
	switch {
	case a != nil && recent >= s.level:
		wait = a.next(now)
	case float64(sent.sum(now, window)) >= room:
		wait = sent.drop(now, window)
	case float64(sent.sum(now, burstSpan)) >= rush:
		wait = sent.drop(now, burstSpan)
	default:
		a.admitted()
		return 0
	}
	s.short = true
	s.press(now)
	return max(wait, time.Second)
}

// grow raises the budget once in a window that it was too small for and that
// passed without a 429, by 2 % at first. If it keeps being too small it was
// learned wrongly, and grows faster.
func (s *share) grow(now time.Duration) {
	if now-s.grownAt < window {
		return
	}
	if s.short {
		s.budget *= 1 + min(0.32, 0.02*float64(int(1)<<min(s.clean, 8)))
		s.clean++
	}
	s.grownAt, s.short = now, false
}

// relevel works out the level: as high as it can be without the demands, each
// cut off at the level, exceeding what there is. It forgets idle accounts.
func (s *share) relevel(now time.Duration) {
	s.leveledAt = now
	s.demands = s.demands[:0]
	for id, a := range s.accounts {
		a.roll(now)
		if a.asked[0] == 0 && a.asked[1] == 0 {
			delete(s.accounts, id)
			continue
		}
		s.demands = append(s.demands, a.demand(now))
	}
	s.level = max(1, Level(s.demands, s.budget*(busy-reserve)))
}

// roll moves on to the window of now.
func (a *account) roll(now time.Duration) {
	w := int64(now / window)
	switch {
	case w == a.window:
		return
	case w == a.window+1:
		a.asked[1], a.sent[1] = a.asked[0], a.sent[0]
	default:
		a.asked[1], a.sent[1] = 0, 0
	}
	a.asked[0], a.sent[0] = 0, 0
	a.window = w
}

// rolling estimates the count over the window that ends now.
func rolling(count [2]uint32, now time.Duration) float64 {
	into := float64(now%window) / float64(window)
	return float64(count[0]) + float64(count[1])*(1-into)
}

// demand estimates what the account asks for in a window. From one that has
// not been there for so long, more of the same is expected: otherwise those
// who ask steadily would lose to one who asks for everything at once.
func (a *account) demand(now time.Duration) float64 {
	age := now - a.since
	if age >= window {
		return rolling(a.asked, now)
	}
	return float64(a.asked[0]+a.asked[1]) * float64(window) / float64(max(age, time.Second))
}

// next estimates when the rolling count of requests sent will be one lower.
func (a *account) next(now time.Duration) time.Duration {
	if a.sent[1] > 0 {
		return min(window, window/time.Duration(a.sent[1]))
	}
	return window - now%window
}

// admitted counts a request sent. a may be nil.
func (a *account) admitted() {
	if a != nil {
		a.sent[0]++
	}
}
