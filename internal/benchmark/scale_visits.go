package main

import "time"

// scheduleVisit has the next visit begin, to any of the sessions without one.
func (s *sim) scheduleVisit() {
	if s.open <= 0 || s.open >= 1 {
		return
	}
	idle := len(s.tracked) - s.nowOpen
	each := s.visit.Seconds() * (1 - s.open) / s.open
	s.events.push(event{at: s.now + s.random.ExpFloat64()*each/float64(max(1, idle)), kind: eventVisit})
}

func (s *sim) visitBegins() {
	defer s.scheduleVisit()
	if s.nowOpen == len(s.tracked) {
		return
	}
	session := int32(s.random.IntN(len(s.tracked)))
	for s.opened[session] {
		session = int32(s.random.IntN(len(s.tracked)))
	}
	i := s.pick(session)
	if i == noInstance {
		return
	}
	if s.gone[session] || s.random.Float64() < s.newLogin {
		s.login(session, i)
	}
	s.begin(session)
}

// begin opens a page.
func (s *sim) begin(session int32) {
	s.opened[session] = true
	s.nowOpen++
	s.visitEnds[session] = s.now + s.exp(s.visit)
	first := s.now
	if s.now == 0 {
		first = s.exp(s.click)
	}
	s.events.push(event{at: first, kind: eventClick, session: session})
	if s.habits.streams {
		s.listen(session, s.pick(session))
	}
}

// clicked is a burst of requests of an open page.
func (s *sim) clicked(session int32) {
	if s.now >= s.visitEnds[session] || s.gone[session] {
		s.opened[session] = false
		s.nowOpen--
		s.listen(session, noInstance)
		if i := s.pick(session); i != noInstance && !s.gone[session] && s.random.Float64() < s.logout {
			s.at().logouts++
			s.ask(costLogout)
			s.end(session, i)
		}
		return
	}
	for range s.burst {
		s.request(session)
	}
	s.events.push(event{at: s.now + s.exp(s.click), kind: eventClick, session: session})
}

// login begins a session in place of one that has ended.
func (s *sim) login(session int32, i int8) {
	s.at().logins++
	s.ask(costLogin)
	s.listed(session, i)
	s.gone[session] = false
	s.tracked[session] = 1 << i
	s.expiry[session] = s.now + s.life.Seconds()
	s.savedUse[session] = s.now
	s.version[session]++
}

// end is that of a session whose record is deleted by an instance. The list of the
// account's sessions goes with it.
func (s *sim) end(session int32, i int8) {
	s.told(s.tracked[session] &^ (1 << i))
	s.tracked[session] = 0
	s.gone[session] = true
	s.listed(session, i)
	s.listedAt[session] = noInstance
}

// listed tells of a change of an account's list, which Redis remembers for the instance that
// read or wrote it last.
func (s *sim) listed(session int32, i int8) {
	if at := s.listedAt[session]; at != noInstance && at != i && s.up[at] {
		s.at().messages++
	}
	s.listedAt[session] = i
}

// listen moves a session's stream to an instance, or ends it.
func (s *sim) listen(session int32, to int8) {
	if at := s.streamAt[session]; at != noInstance {
		s.streams[at]--
	}
	if s.streamAt[session] = to; to != noInstance {
		s.streams[to]++
	}
}

// streamReturns is a page's attempt to listen again. It waits for longer after each that
// fails, as client/player.js does.
func (s *sim) streamReturns(session int32, wait float64) {
	if !s.opened[session] || s.streamAt[session] != noInstance {
		return
	}
	i := s.pick(session)
	if i == noInstance {
		again := wait * (1 + s.random.Float64()/2)
		s.events.push(event{at: s.now + again, kind: eventReturn, session: session, wait: min(60, 2*wait)})
		return
	}
	s.at().returns++
	s.use(session, i)
	s.listen(session, i)
}

// stop stops an instance in an orderly way: refreshes under way are over before it ends, and
// its streams are told when to come back. What it had in memory is gone.
func (s *sim) stop(i int) {
	s.up[i] = false
	spread := min(max(time.Duration(s.streams[i])*time.Second/returnsPerSecond, leastSpread), longestSpread).Seconds()
	for session := range s.tracked {
		s.tracked[session] &^= 1 << i
		if s.listedAt[session] == int8(i) {
			s.listedAt[session] = noInstance
		}
		if s.streamAt[session] == int8(i) {
			s.listen(int32(session), noInstance)
			back := s.now + soonestReturn.Seconds() + s.random.Float64()*spread
			s.events.push(event{at: back, kind: eventReturn, session: int32(session), wait: 1})
		}
	}
}

// reconnect is what follows when each instance has lost its connection to Redis, after a
// failover for example: each session is confirmed before its next use, and by streams at once.
func (s *sim) reconnect() {
	for session := range s.tracked {
		s.tracked[session], s.listedAt[session] = 0, noInstance
		if at := s.streamAt[session]; at != noInstance {
			s.load(int32(session), at)
		}
	}
}

// Kinds of events.
const (
	eventVisit uint8 = iota
	eventClick
	eventAcquire
	eventRedeemed
	eventReturn
)

type event struct {
	at      float64
	kind    uint8
	session int32
	turn    int32
	wait    float64
	flight  *flightOf
}

// events is a heap, the earliest first. It is container/heap for one type, since there are
// some ten million events.
type events []event

func (h *events) push(e event) {
	*h = append(*h, e)
	q := *h
	i := len(q) - 1
	for i > 0 && q[(i-1)/2].at > e.at {
		q[i] = q[(i-1)/2]
		i = (i - 1) / 2
	}
	q[i] = e
}

func (h *events) pop() event {
	q := *h
	first, last := q[0], q[len(q)-1]
	q[len(q)-1] = event{}
	q = q[:len(q)-1]
	*h = q
	if len(q) == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(q) {
			break
		}
		if child+1 < len(q) && q[child+1].at < q[child].at {
			child++
		}
		if q[child].at >= last.at {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = last
	return first
}
