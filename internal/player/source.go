package player

import (
	"context"
	"errors"
	"time"
)

// Source asks for the player of an account, on behalf of one listener. Spotify's Web
// API is one; there may be others. It is safe for concurrent use.
type Source interface {
	// Ask asks once. The error is a *LimitedError if nothing is to be asked for a
	// while, and an *EndedError if this listener's access is over. Any other error is
	// taken for temporary.
	Ask(ctx context.Context) (Response, error)
}

// Response is what a source says.
type Response struct {
	// Body is what pages are shown, in JSON. It is empty if nothing plays. The hub
	// keeps it.
	Body []byte
	// View is how much of the player it says.
	View View
	// Scarcity says by how much to ask less often, since the budget runs short: from
	// 1, or 0, for not at all.
	Scarcity float64
}

// View is how much of a player is seen. The zero value is what GET
// /v1/me/player/currently-playing has without a query.
type View struct {
	// Whole adds what GET /v1/me/player has: the device, and how it plays.
	Whole bool `json:"whole,omitempty"`
	// Episodes adds the episodes of shows, as additional_types=episode does. Without it
	// one that is played has no item.
	Episodes bool `json:"episodes,omitempty"`
}

// index is among views, which are ordered: one that is more than another comes later.
func (v View) index() int {
	i := 0
	if v.Episodes {
		i++
	}
	if v.Whole {
		i += 2
	}
	return i
}

const views = 4

// LimitedError says that there is no response for a while.
type LimitedError struct {
	Wait   time.Duration
	Reason string
}

// Error implements error.
func (e *LimitedError) Error() string { return "limited: " + e.Reason }

// EndedError says that a listener's access is over.
type EndedError struct {
	Reason string
	// Return reports whether the client is to come back by itself, because it will find
	// another account.
	Return bool
}

// Error implements error.
func (e *EndedError) Error() string { return "access has ended: " + e.Reason }

// TemporaryError is a failure with a reason that listeners are told.
type TemporaryError struct {
	Reason string
	Err    error
}

// Error implements error.
func (e *TemporaryError) Error() string { return e.Reason + ": " + e.Err.Error() }

// Unwrap returns what the reason is for.
func (e *TemporaryError) Unwrap() error { return e.Err }

// Lease is the right to poll for an account, as tokenstore.Lease.
type Lease interface {
	Lost() <-chan struct{}
	Release(ctx context.Context) error
}

// ErrLeased says that another instance polls.
var ErrLeased = errors.New("another instance polls")

// Board is where the instances of a site meet over one account: it tells which one
// polls, and the others what it heard. It is safe for concurrent use.
type Board interface {
	// Lease returns the right to poll, or ErrLeased soon if another instance has it.
	Lease(ctx context.Context) (Lease, error)
	// Read returns what was posted last. A reader that does not poll makes itself known
	// by it to the one that does.
	Read(ctx context.Context, polls bool) (Reading, error)
	// Post replaces what was posted, and returns the version of that.
	Post(ctx context.Context, n Notice) (version string, err error)
	// Clear removes it.
	Clear(ctx context.Context) error
}

// Reading is what Read returns.
type Reading struct {
	Notice
	// Version tells notices apart. It is "" if there is none.
	Version string
	// Others reports whether instances that do not poll have made themselves known
	// lately. Unless they have, nothing needs to be posted.
	Others bool
}

// Notice is what one instance tells the others. Times are in Unix milliseconds.
type Notice struct {
	ID       string `json:"id"`
	Observed int64  `json:"observed_at"`
	Posted   int64  `json:"posted_at"`
	Body     []byte `json:"body,omitempty"`
	View     View   `json:"view"`
	// Until is when what limits the player is over, and 0 if nothing does.
	Until  int64  `json:"until,omitempty"`
	Reason string `json:"reason,omitempty"`
}
