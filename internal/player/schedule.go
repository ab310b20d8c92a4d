package player

import "time"

// When Spotify is asked.
const (
	// afterEnd is how long after the expected end of an item it is asked what follows.
	afterEnd = time.Second
	// minHeartbeat is the pause after something unexpected. It grows with each response
	// that holds nothing unexpected, by half.
	minHeartbeat = 10 * time.Second
	// maxPlaying bounds it while something plays, and maxIdle while nothing does.
	maxPlaying = 60 * time.Second
	maxIdle    = 300 * time.Second
	// minAdvertisement and maxAdvertisement are the same in an advertisement, whose end
	// cannot be foreseen.
	minAdvertisement = 5 * time.Second
	maxAdvertisement = 10 * time.Second
	// firstAfterCommand and secondAfterCommand are when it is asked after a command that
	// went through the proxy: the first sees it as a rule, the second if it took longer.
	firstAfterCommand  = 300 * time.Millisecond
	secondAfterCommand = 1500 * time.Millisecond
	// betweenCommands is the least pause between two requests because of commands. A
	// slider sends many.
	betweenCommands = 700 * time.Millisecond
	// maxScarcity bounds by how much heartbeats stretch as the budget runs short.
	maxScarcity = 10
	// maxFailurePause bounds the pause after attempts that failed.
	maxFailurePause = 60 * time.Second
)

// How far what is seen may be from what was expected and still be the same.
const (
	seekTolerance = 2 * time.Second
	endTolerance  = 3 * time.Second
	// longestCrossfade is the most that an item may begin before the end of the one
	// before it: Spotify's clients offer up to 12 seconds.
	longestCrossfade = 13 * time.Second
	crossfadeAgrees  = 700 * time.Millisecond
)

// Change is how a state differs from the one before.
type Change int

// The kinds of change.
const (
	// None is the same state, later.
	None Change = iota
	// Expected is what was foreseen: the next item after the end of the one before.
	Expected
	// Detail is a change of something other than what is played, and where in it: the
	// volume, the device, the context. It is as unexpected as the next kind.
	Detail
	// Unexpected is a skip, a seek, a pause, or something that begins or ends.
	Unexpected
)

// Schedule decides when Spotify is asked for a player next. All times are of one
// monotonic clock. The zero value asks at once. It is not safe for concurrent use.
type Schedule struct {
	known    bool
	last     State
	at       time.Duration // when last was true
	interval time.Duration // of heartbeats
	due      time.Duration
	overdue  int // requests at an end that has not come yet
	failures int
	scarcity float64 // 1 if there is enough

	command       [2]time.Duration // when to ask because of commands; 0 if not
	askedCommand  time.Duration    // when that was done last
	commandsSince bool             // askedCommand is set
	limitedUntil  time.Duration

	crossfade time.Duration // how long before its end an item is followed by the next
	suspected time.Duration // that which the last two items suggest
}

// Next is when to ask.
func (s *Schedule) Next() time.Duration {
	next := s.due
	if at, ok := s.NextCommand(); ok {
		next = min(next, at)
	}
	return next
}

// NextCommand is when to ask because of commands alone, if there were any. It is for
// an instance which does not poll, but through which a command went.
func (s *Schedule) NextCommand() (at time.Duration, ok bool) {
	for _, c := range s.command {
		if c != 0 && (!ok || c < at) {
			at, ok = c, true
		}
	}
	return at, ok
}

// Commanded notes that a command for the player went through at a time.
func (s *Schedule) Commanded(now time.Duration) {
	if now < s.limitedUntil {
		return
	}
	if s.command[0] == 0 {
		s.command[0] = now + firstAfterCommand
		if s.commandsSince {
			s.command[0] = max(s.command[0], s.askedCommand+betweenCommands)
		}
	}
	s.command[1] = now + secondAfterCommand
}

// asked notes that a request has been made at a time, which does for the commands
// that were due.
func (s *Schedule) asked(now time.Duration) {
	for i, c := range s.command {
		if c != 0 && c <= now {
			s.command[i], s.askedCommand, s.commandsSince = 0, now, true
		}
	}
}

// Wanted asks for a fresh state: somebody has come to see it.
func (s *Schedule) Wanted(now time.Duration) {
	if now >= s.limitedUntil {
		s.due = min(s.due, now)
	}
}

// Scarcity says by how much heartbeats are to be stretched, from 1 for not at all.
// Neither ends nor commands wait longer for it.
func (s *Schedule) Scarcity(factor float64) {
	if !(factor > 1) {
		factor = 1
	}
	s.scarcity = min(factor, maxScarcity)
}

// Limited notes that Spotify, or the budget, gives no response for a while. Nothing is
// asked before that is over.
func (s *Schedule) Limited(now, wait time.Duration) {
	s.asked(now)
	s.command = [2]time.Duration{}
	s.limitedUntil = now + wait
	s.due = s.limitedUntil
}

// Failed notes that there was no response for another reason. It returns the pause, and
// how often that has happened in succession.
func (s *Schedule) Failed(now time.Duration) (pause time.Duration, times int) {
	s.asked(now)
	pause = min(maxFailurePause, (minHeartbeat/2)<<min(s.failures, 8))
	s.failures++
	s.due = now + pause
	return pause, s.failures
}

// Observed notes a state that was true at a time, and says how it differs from the one
// before.
func (s *Schedule) Observed(at time.Duration, st State) Change {
	s.asked(at)
	s.failures, s.limitedUntil = 0, 0
	change := s.compare(at, st)
	switch {
	case st.Advertisement && change != None:
		s.interval = minAdvertisement
	case change == Unexpected, change == Detail:
		s.interval = minHeartbeat
	default:
		s.interval += s.interval / 2
	}
	s.interval = min(s.interval, longestPause(st))
	if change != None {
		s.overdue = 0
	}
	s.known, s.last, s.at = true, st, at
	s.plan(at)
	return change
}

func longestPause(st State) time.Duration {
	switch {
	case !st.Active || !st.Playing:
		return maxIdle
	case st.Advertisement:
		return maxAdvertisement
	}
	return maxPlaying
}

// plan says when to ask after a state.
func (s *Schedule) plan(at time.Duration) {
	pause := s.interval
	if s.scarcity > 1 {
		pause = time.Duration(float64(pause) * s.scarcity)
	}
	s.due = at + pause
	left, known := s.last.ends()
	if !known {
		return
	}
	if left <= s.crossfade {
		// It is past the point at which the next one should have begun, so there is
		// no crossfade any more.
		s.crossfade, s.suspected = 0, 0
	}
	end := left - s.crossfade + afterEnd
	if left <= afterEnd/2 {
		// It has ended, or will any moment, and the next one is not there yet.
		s.overdue++
		if s.overdue > 3 {
			return
		}
		end = left + afterEnd<<(s.overdue-1)
	}
	// A heartbeat shortly before the end would tell little.
	if end <= pause+pause/4 {
		s.due = at + end
	}
}

// compare says what has happened between the last state and one that is true now.
func (s *Schedule) compare(at time.Duration, st State) Change {
	switch last := s.last; {
	case !s.known:
		return Unexpected
	case s.followed(at, st):
		return Expected
	case st.Active != last.Active, st.Playing != last.Playing, st.Item != last.Item, s.sought(at, st):
		return Unexpected
	case st.Rest != last.Rest:
		return Detail
	}
	return None
}

// sought reports whether the position is not where the item would be by itself.
func (s *Schedule) sought(at time.Duration, st State) bool {
	if !st.Active || st.Progress == 0 && st.Duration == 0 {
		return false // there is no position
	}
	progress := s.last.Progress
	if s.last.Playing {
		progress += at - s.at
	}
	if s.last.Duration > 0 {
		progress = min(progress, s.last.Duration)
	}
	return (st.Progress - progress).Abs() > seekTolerance
}

// followed reports whether the last item has ended by itself, and this is what came
// after it.
func (s *Schedule) followed(at time.Duration, st State) bool {
	left, known := s.last.ends()
	if !known || !st.Active || !st.Playing {
		return false
	}
	end := s.at + left
	if st.Advertisement {
		return !s.last.Advertisement && at >= end-endTolerance
	}
	begun := at - st.Progress
	if st.Item == s.last.Item && begun < s.at {
		return false // the same one goes on
	}
	early := end - begun
	if st.Item != s.last.Item {
		s.learnCrossfade(early)
	}
	return (early - s.crossfade).Abs() <= endTolerance
}

// learnCrossfade notes how much earlier than at the end of the one before an item
// began. Two that agree are believed; one may be a skip.
func (s *Schedule) learnCrossfade(early time.Duration) {
	if early < crossfadeAgrees || early > longestCrossfade {
		if early.Abs() < crossfadeAgrees {
			s.crossfade, s.suspected = 0, 0
		}
		return
	}
	if (early - s.suspected).Abs() <= crossfadeAgrees {
		s.crossfade = min(early, s.suspected)
	}
	s.suspected = early
}
