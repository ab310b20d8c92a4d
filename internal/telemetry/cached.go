package telemetry

// CacheOutcome is what the cache did for a request. The zero value is that of a
// request in which it has no part.
type CacheOutcome uint8

// What the cache did.
const (
	CacheHit       CacheOutcome = iota + 1 // a response was kept
	CacheCollapsed                         // the response is that of an identical request
	CacheStale                             // a response was kept, and shown though out of date
	CacheMiss                              // Spotify was asked
	CacheRefresh                           // Spotify was asked because the client wanted that
	CacheBypass                            // Spotify was asked, as no other request could have that response
)

// cacheOutcomes are the values of the label, in the order of the constants.
var cacheOutcomes = [...]string{"hit", "collapsed", "stale", "miss", "refresh", "bypass"}

// Cached counts a request by what the cache did for it.
func (m *Site) Cached(outcome CacheOutcome) {
	if m != nil && outcome > 0 && m.cached[outcome-1] != nil {
		m.cached[outcome-1].Inc()
	}
}
