package main

import (
	"math/rand/v2"
	"time"
)

// habits are how people use a site, and what the rest of the world does.
type habits struct {
	open     float64       // part of the sessions with a page open
	visit    time.Duration // mean time for which a page is open
	click    time.Duration // mean time between two bursts of requests of a page
	burst    int           // requests in one
	newLogin float64       // part of the visits that begin with a login
	logout   float64       // part that end with a logout
	revoked  float64       // part of the refreshes that Spotify refuses
	life     time.Duration // of an access token
	endpoint time.Duration // least time that the token endpoint takes; the mean is 1.5 times that
	streams  bool          // each open page listens to the player
	sticky   bool          // a session's requests go to one instance
}

// busyHour is the busy hour of a site.
var busyHour = habits{
	open: 0.1, visit: 30 * time.Minute, click: 20 * time.Second, burst: 3, newLogin: 0.02, logout: 0.05, revoked: 0.001,
	life: time.Hour, endpoint: 150 * time.Millisecond,
}

const noInstance = -1

// sim simulates instances that share sessions over Redis. Times are seconds since its
// beginning. It keeps of a session what decides which operations there are: until when its
// token is good, when its last use was stored, and which instances Redis tells of changes,
// which are those with a valid copy: what a change has made invalid is read again, and
// Redis then remembers that instance again.
type sim struct {
	habits
	instances int
	random    *rand.Rand
	now       float64
	events    events
	margin    float64
	ahead     float64

	tracked   []uint16 // instances, one a bit
	expiry    []float64
	savedUse  []float64
	version   []uint32 // of the token
	visitEnds []float64
	opened    []bool
	gone      []bool // it has ended: the next visit begins with a login
	listedAt  []int8 // where the account's list was read or written last
	streamAt  []int8
	flights   map[int32][]*flightOf

	nowOpen int
	streams []int  // by instance
	up      []bool // instances
	busy    []int  // refreshes under way, by instance

	seconds []second
	after   map[int]func(*sim) // what an operator does, by second
}

// second is what happened in one.
type second struct {
	requests                        int // of browsers
	loads                           int // of sessions on behalf of a request or a stream
	refreshes                       int // requests to the token endpoint
	redis                           cost
	messages                        int // invalidations
	logins, logouts, revoked, saves int
	polls, adopted, returns, lost   int
}

// flightOf is an instance's refresh of a session.
type flightOf struct {
	instance int8
	version  uint32 // of the token that it is to replace
	begun    bool   // it counts as under way
	holds    bool   // the lease
	turn     int32  // of the event that counts
	pause    float64
	takes    float64
}

// newSim returns n sessions in the middle of a busy hour.
func newSim(n, instances int, h habits, seed uint64, length time.Duration) *sim {
	margin, ahead := margins(h.life)
	s := &sim{
		habits: h, instances: instances, random: rand.New(rand.NewPCG(seed, uint64(n)<<8|uint64(instances))),
		margin: margin.Seconds(), ahead: ahead.Seconds(),
		tracked: make([]uint16, n), expiry: make([]float64, n), savedUse: make([]float64, n), version: make([]uint32, n),
		visitEnds: make([]float64, n), opened: make([]bool, n), gone: make([]bool, n), listedAt: make([]int8, n), streamAt: make([]int8, n),
		flights: make(map[int32][]*flightOf), streams: make([]int, instances), up: make([]bool, instances), busy: make([]int, instances),
		seconds: make([]second, int(length.Seconds())+1), after: make(map[int]func(*sim)),
	}
	for i := range instances {
		s.up[i] = true
	}
	life := h.life.Seconds()
	pause := h.visit.Seconds() * (1 - h.open) / max(h.open, 1e-9) // between two visits of a session
	for i := range int32(n) {
		s.tracked[i] = 1<<instances - 1
		if h.sticky {
			s.tracked[i] = 1 << (int(i) % instances)
		}
		s.listedAt[i], s.streamAt[i] = noInstance, noInstance
		s.expiry[i] = s.random.Float64() * life
		s.savedUse[i] = s.expiry[i] - life
		if s.random.Float64() < h.open {
			s.begin(i)
			continue
		}
		ago := s.random.ExpFloat64() * pause
		s.expiry[i] -= ago
		s.savedUse[i] -= ago
	}
	s.scheduleVisit()
	return s
}

func (s *sim) exp(mean time.Duration) float64 { return s.random.ExpFloat64() * mean.Seconds() }

// at is the second that it is.
func (s *sim) at() *second { return &s.seconds[min(int(s.now), len(s.seconds)-1)] }

func (s *sim) ask(c cost) {
	at := s.at()
	at.redis = sum(at.redis, c)
}

// run runs until the end.
func (s *sim) run() {
	next := 0
	for len(s.events) > 0 && s.events[0].at < float64(len(s.seconds)-1) {
		e := s.events.pop()
		for ; float64(next) <= e.at; next++ {
			if do := s.after[next]; do != nil {
				s.now = float64(next)
				do(s)
			}
		}
		s.now = e.at
		switch e.kind {
		case eventVisit:
			s.visitBegins()
		case eventClick:
			s.clicked(e.session)
		case eventAcquire:
			if e.turn == e.flight.turn {
				s.acquire(e.session, e.flight)
			}
		case eventRedeemed:
			s.redeemed(e.session, e.flight)
		case eventReturn:
			s.streamReturns(e.session, e.wait)
		}
	}
}

// pick returns the instance that the load balancer chooses for a request.
func (s *sim) pick(session int32) int8 {
	if s.sticky {
		if i := int(session) % s.instances; s.up[i] {
			return int8(i)
		}
	}
	for range 4 * s.instances {
		if i := s.random.IntN(s.instances); s.up[i] {
			return int8(i)
		}
	}
	return noInstance
}

// request is one of a browser's to the Web API.
func (s *sim) request(session int32) {
	at := s.at()
	at.requests++
	i := s.pick(session)
	if i == noInstance {
		at.lost++
		return
	}
	s.use(session, i)
}

// use finds a session on an instance and makes sure of its token.
func (s *sim) use(session int32, i int8) {
	s.load(session, i)
	if s.now-s.savedUse[session] >= saveUseEvery.Seconds() {
		s.savedUse[session] = s.now
		s.at().saves++
		s.ask(costUpdate)
		s.wrote(session, i)
	}
	left := s.expiry[session] - s.now
	if left > s.ahead {
		return
	}
	for _, f := range s.flights[session] {
		if f.instance == i {
			if left <= s.margin && !f.begun {
				// A request waits for it, so it is put off no longer.
				f.turn++
				s.events.push(event{at: s.now, kind: eventAcquire, session: session, flight: f, turn: f.turn})
			}
			return
		}
	}
	f := &flightOf{instance: i, version: s.version[session], pause: minPoll.Seconds()}
	s.flights[session] = append(s.flights[session], f)
	begins := s.now
	if most := min((left-s.margin)/2, longestPace.Seconds()); left > s.margin && s.busy[i] >= freeRefreshes && most > 0 {
		begins += s.random.Float64() * most
	}
	s.events.push(event{at: begins, kind: eventAcquire, session: session, flight: f, turn: f.turn})
}

// load reads a session from Redis if the instance has no valid copy.
func (s *sim) load(session int32, i int8) {
	if s.tracked[session]&(1<<i) != 0 {
		return
	}
	s.tracked[session] |= 1 << i
	s.at().loads++
	s.ask(costLoad)
}

// wrote has Redis tell the other instances of a change. A stream asks at once what it is
// about. The one that made the change is not told, and reads what it wrote.
func (s *sim) wrote(session int32, i int8) {
	s.told(s.tracked[session] &^ (1 << i))
	s.tracked[session] = 0
	if s.up[i] {
		s.tracked[session] = 1 << i
	}
	if at := s.streamAt[session]; at != noInstance && at != i {
		s.load(session, at)
	}
}

func (s *sim) told(instances uint16) {
	for ; instances != 0; instances &= instances - 1 {
		s.at().messages++
	}
}

// acquire is an attempt to get the lease and then to refresh.
func (s *sim) acquire(session int32, f *flightOf) {
	i := f.instance
	if !f.begun {
		if s.busy[i] >= maxRefreshes {
			s.events.push(event{at: s.now + minPoll.Seconds(), kind: eventAcquire, session: session, flight: f, turn: f.turn})
			return
		}
		f.begun = true
		s.busy[i]++
	}
	for _, other := range s.flights[session] {
		if other.holds {
			s.at().polls++
			s.ask(costRefused)
			again := minPoll.Seconds() + s.random.Float64()*f.pause
			f.pause = min(2*f.pause, maxPoll.Seconds())
			s.events.push(event{at: s.now + again, kind: eventAcquire, session: session, flight: f, turn: f.turn})
			return
		}
	}
	if s.version[session] != f.version || s.gone[session] {
		s.at().adopted++
		s.ask(costAdopted)
		s.tracked[session] |= 1 << i
		s.land(session, f)
		return
	}
	f.holds = true
	f.takes = s.endpoint.Seconds() + s.exp(s.endpoint/2)
	s.at().refreshes++
	s.tracked[session] |= 1 << i
	s.events.push(event{at: s.now + f.takes, kind: eventRedeemed, session: session, flight: f})
}

// redeemed is the token endpoint's response. What the refresh asks of Redis is counted here,
// all at once.
func (s *sim) redeemed(session int32, f *flightOf) {
	i := f.instance
	s.ask(costRenew.times(int(f.takes / (defaultLease.Seconds() / 3))))
	s.land(session, f)
	if s.gone[session] {
		s.ask(costAdopted)
		return
	}
	if s.random.Float64() < s.revoked {
		s.at().revoked++
		s.ask(costRevoked)
		s.end(session, i)
		return
	}
	s.ask(costRefresh)
	s.expiry[session] = s.now + s.life.Seconds()
	s.savedUse[session] = s.now
	s.version[session]++
	s.wrote(session, i)
}

// land ends a flight.
func (s *sim) land(session int32, f *flightOf) {
	s.busy[f.instance]--
	f.holds = false
	left := s.flights[session][:0]
	for _, other := range s.flights[session] {
		if other != f {
			left = append(left, other)
		}
	}
	if s.flights[session] = left; len(left) == 0 {
		delete(s.flights, session)
	}
}
