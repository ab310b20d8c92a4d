package pkce

import (
	"context"
	"time"
)

// Persister keeps one session's token where other processes find it, and lets
// one process at a time refresh it. An Authenticator calls Load, Save and
// Delete one at a time: Delete only while it holds the Lease, and Load also
// without, while it backs off after a refresh that failed. Errors
// other than ErrGone mean that the store could not be reached.
type Persister interface {
	// Acquire waits for the exclusive right to refresh the session's token.
	Acquire(ctx context.Context) (Lease, error)
	// Load returns the stored token, or ErrGone if the session was deleted.
	Load(ctx context.Context) (*Token, error)
	// Save replaces the stored token old by next and returns next. If the
	// stored token is neither, somebody newer was first: nothing is written
	// and the stored token is returned. If it is next already, all is well.
	// It returns ErrGone, and brings nothing back, if the session was deleted.
	Save(ctx context.Context, old, next *Token) (current *Token, err error)
	// Delete removes the session because its grant is over, unless the stored
	// token is no longer t.
	Delete(ctx context.Context, t *Token) error
}

// Lease is the exclusive right to refresh one session's token. It may have a
// method AfterExpiry() bool that tells whether the lease before it expired
// instead of being released. Its holder then died, or was cut off in the middle
// of a refresh and may yet save what came of that, so it is given a few seconds
// before the refresh token in the store is used a second time.
type Lease interface {
	// Lost is closed when somebody else may hold it now.
	Lost() <-chan struct{}
	// Release gives it back. It is called exactly once.
	Release(ctx context.Context) error
}

// Pinner may be implemented by a Persister that wants to know when its
// Authenticator is busy: Pin is called when a refresh starts and Unpin when
// nothing of it is left to do, including the save. The owner must keep a busy
// Authenticator, or what it has not saved yet is lost. Neither may call the
// Authenticator.
type Pinner interface {
	Pin()
	Unpin()
}

// Pacer may be implemented by a Persister whose owner keeps many sessions. Pace
// is called before a refresh that nobody waits for, and returns how long to put
// that off, so that the tokens of many who logged in together are not refreshed
// all in the same moment, at the expense of the requests in it. Somebody will
// have to wait for the refresh from within on. It is not put off any longer once
// a caller does wait for it, or the session ends, or Flush is called. Pace must
// not call the Authenticator.
type Pacer interface {
	Pace(within time.Duration) time.Duration
}

// RefreshOutcome says how an attempt at a refresh ended.
type RefreshOutcome string

// The outcomes.
const (
	// RefreshRefreshed: there is a new token.
	RefreshRefreshed RefreshOutcome = "refreshed"
	// RefreshAdopted: another process had refreshed already; its token is used.
	RefreshAdopted RefreshOutcome = "adopted"
	// RefreshTemporary: it failed for now and will be tried again.
	RefreshTemporary RefreshOutcome = "temporary"
	// RefreshReauthorize: the grant is over; the user has to log in again.
	RefreshReauthorize RefreshOutcome = "reauthorize"
	// RefreshSuperseded: the session ended or was deleted meanwhile, and the
	// result was dropped.
	RefreshSuperseded RefreshOutcome = "superseded"
)

// RefreshEvent tells OnRefresh of one attempt.
type RefreshEvent struct {
	Outcome RefreshOutcome
	// Token is the one in use after the attempt; nil when the session is over.
	Token *Token
	// Err is why there is no new token, or why it could not be saved yet. It
	// holds no secret.
	Err error
	// Started is when the attempt began, and Duration how long it took.
	Started  time.Time
	Duration time.Duration
	// Waiters is how many callers waited for it.
	Waiters int
	// Background is true if it started ahead of expiry with nobody waiting.
	Background bool
	// Rotated is true if the server sent a new refresh token.
	Rotated bool
}
