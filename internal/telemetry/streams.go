package telemetry

// Outcomes of requests for the state of a player.
const (
	PollState   = "state"   // there is one, or nothing plays
	PollLimited = "limited" // Spotify, or the budget, gave none
	PollFailed  = "failed"
	PollEnded   = "ended" // the access of the listener has ended
)

// StreamBegun counts a stream of events, until the function that it returns is called.
func (m *Site) StreamBegun() (ended func()) {
	if m == nil {
		return func() {}
	}
	g := metrics.streams.WithLabelValues(m.Site)
	g.Inc()
	return g.Dec
}

// Polled counts a request for the state of a player, by its outcome.
func (m *Site) Polled(outcome string) {
	if m != nil {
		metrics.polls.WithLabelValues(m.Site, outcome).Inc()
	}
}
