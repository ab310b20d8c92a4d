// Package tokenstore keeps sealed sessions. It knows nothing of OAuth and, but
// for its guest modules, nothing of Caddy: a Store maps an opaque key to a
// Record, and a Record is a sealed payload with a little metadata in the clear.
//
// The key is a hash of the session id and the payload is sealed under a key
// derived from that id, which only the browser's cookie holds. So a copy of the
// store, from a stolen disk or a Redis dump, holds no usable session.
package tokenstore

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Errors that every Store returns, possibly wrapped. Any other error means that
// the store could not be reached or failed; nothing is then known about the record.
var (
	// ErrNotFound says that there is no record under the key, or that it has expired.
	ErrNotFound = errors.New("session record not found")
	// ErrExists says that Create found a record under the key already.
	ErrExists = errors.New("session record exists already")
	// ErrConflict says that the record changed since it was loaded.
	ErrConflict = errors.New("session record was changed by someone else")
)

// The kinds of record there are.
const (
	// KindSession is a person's login in a browser.
	KindSession = ""
	// KindKey is an access key, which a program sends in place of a token.
	KindKey = "key"
	// KindShared is the account that a site shows to visitors who are not logged in.
	KindShared = "shared"
	// KindKeyIndex lists an account's access keys. It opens none of them, and it
	// is neither a session nor a key.
	KindKeyIndex = "key_index"
	// KindSessionIndex lists an account's sessions, for the person whose they are. It
	// opens none of them and is none.
	KindSessionIndex = "session_index"
	// KindProbe is written to see whether the store can be, and deleted at once. It
	// belongs to nobody.
	KindProbe = "probe"
	// KindMark says what its owner has been told about another record. It opens nothing,
	// and names no account in the clear.
	KindMark = "mark"
	// KindNotice is what one instance tells the others of the state of a player. It
	// expires within minutes and belongs to nobody.
	KindNotice = "notice"
	// KindDevice is a login that another device has asked for. It expires within minutes and
	// belongs to nobody.
	KindDevice = "device"
)

// Meta is what a store knows of a record in the clear: enough for the sweeper
// and the operator, and nothing that opens it.
type Meta struct {
	// Kind is one of those above. It is for listings alone: what a record is
	// good for says its payload, which is sealed.
	Kind string `json:"kind,omitempty"`
	// AccountID is the Spotify account the session belongs to.
	AccountID string `json:"account_id"`
	// UserID is another ID of the account: the user's id, where AccountID is the
	// immutable account_id.
	UserID string `json:"user_id,omitempty"`
	// CreatedAt is when the session began.
	CreatedAt time.Time `json:"created_at"`
	// AuthorizedAt is when the user gave consent; Spotify counts the refresh
	// token's six months from it.
	AuthorizedAt time.Time `json:"authorized_at"`
	// ExpiresAt is when the session ends unless it is used before. Load treats
	// a record past it as gone, and the sweeper removes it.
	ExpiresAt time.Time `json:"expires_at"`
	// EndsAt is when an access key ends whose record is kept for longer, so that the key
	// can be renewed. It is zero where that is ExpiresAt. See End.
	EndsAt time.Time `json:"ends_at,omitzero"`
	// UsedAt is when an access key was last used, give or take an hour, or a session,
	// give or take six, or when the notice was sent that a mark is about. It is zero for
	// one that was not, and for other kinds.
	UsedAt time.Time `json:"used_at,omitzero"`
}

// End returns when the session or the key ends unless it is used before: EndsAt, or
// ExpiresAt if that is zero.
func (m Meta) End() time.Time {
	if m.EndsAt.IsZero() {
		return m.ExpiresAt
	}
	return m.EndsAt
}

// Record is one stored session, or another of the kinds.
type Record struct {
	Meta
	// Sealed is the payload as Seal made it.
	Sealed []byte `json:"sealed"`
	// Version identifies this state of the record. The store assigns it at
	// Create and at every Update; callers hand back what they loaded. It is
	// never reused for a key, not even after a Delete.
	Version string `json:"version"`
}

// Store keeps records. Keys are those of SessionID.Key: 64 lower-case
// hexadecimal digits. All methods are safe for concurrent use, honour ctx, and
// return only once the change is visible to every other user of the store.
// A Store does not keep the Record it is given nor hand out one it keeps.
type Store interface {
	// Load returns the record under key, or ErrNotFound.
	Load(ctx context.Context, key string) (*Record, error)

	// Create stores a new record and sets rec.Version. It returns ErrExists if
	// there is one under key already.
	Create(ctx context.Context, key string, rec *Record) error

	// Update replaces the record under key and sets rec.Version to the new
	// version. It returns ErrNotFound if the record is gone and ErrConflict if
	// its version is not rec.Version; rec is then unchanged. A deleted record
	// is never brought back.
	Update(ctx context.Context, key string, rec *Record) error

	// Delete removes the record under key. Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error

	// Lease waits until it holds the exclusive right to refresh the session
	// under key, across all instances that share the store, or until ctx ends.
	// It does not require the record to exist. A lease is renewed in the
	// background until it is released; one whose holder died expires by itself.
	Lease(ctx context.Context, key string) (Lease, error)

	// Walk yields the key and the metadata of every record that has not
	// expired, in no particular order, with no payload. A record created or
	// deleted meanwhile may or may not be seen. An error ends the walk.
	Walk(ctx context.Context) iter.Seq2[Entry, error]
}

// Entry is what Walk yields.
type Entry struct {
	Key string
	Meta
}

// Lease is the exclusive right to refresh one session. Stores that know it have
// a method AfterExpiry() bool beside, which reports that the lease before was
// not released: its holder died, or was cut off and may yet save.
type Lease interface {
	// Lost is closed when the lease could not be renewed, so that another
	// instance may hold it now.
	Lost() <-chan struct{}
	// Release gives the lease back. Releasing a lost lease is no error and
	// never takes it from its new holder. It must be called exactly once.
	Release(ctx context.Context) error
}

// Watcher is implemented by stores that learn at once of what other instances
// change. Callers of other stores load a record again from time to time.
type Watcher interface {
	// Watch calls changed with the key of every record that this instance has
	// loaded and that was then updated, deleted or expired through another
	// instance, until ctx ends. It calls lost when changes may have been missed,
	// for example after a broken connection: everything cached is then to be
	// loaded again. Both are called one at a time and must not block.
	// It returns when ctx ends, with ctx's error.
	Watch(ctx context.Context, changed func(key string), lost func()) error
}

// Sweeper is implemented by stores whose expired records do not go by themselves.
type Sweeper interface {
	// Sweep removes expired records and what else is stale, and returns how
	// many it removed. It does bounded work, leaves the rest to the next
	// call, and is safe to call from several instances at once.
	Sweep(ctx context.Context) (removed int, err error)
}
