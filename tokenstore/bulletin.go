package tokenstore

import (
	"context"
	"time"
)

// MaxNote is how long a note may be, in bytes.
const MaxNote = 1 << 10

// Bulletin is implemented by stores over which the instances that share them
// can also tell each other something of passing interest. A note is not sealed
// and no secret. Keys are of the form that CheckKey asks for, and stand apart
// from those of records. Methods are safe for concurrent use and honour ctx.
type Bulletin interface {
	// Post leaves a note for the given time, which must be positive. One that
	// is there already and lasts longer stays instead.
	Post(ctx context.Context, key string, note []byte, life time.Duration) error

	// Read returns the note under key and how much longer it lasts, or nil and 0
	// if there is none. Stores that have a clock of their own go by it, so that
	// it does not matter if those of the instances differ.
	Read(ctx context.Context, key string) (note []byte, left time.Duration, err error)
}
