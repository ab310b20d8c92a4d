package login

import (
	"context"
	"errors"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// maxExchanges bounds the logins of a site that are being completed, each of which
	// takes a connection to the token endpoint and does not end with its browser's:
	// anyone can make up a callback, and with it a pending login and a code.
	maxExchanges = 64
	// maxWaitingExchanges bounds those that wait for their turn.
	maxWaitingExchanges = 256
)

// errTooManyExchanges says that there is no room for another login to be completed.
var errTooManyExchanges = errors.New("too many logins are being completed")

// exchanges bounds the logins that are being completed. It is safe for concurrent use.
type exchanges struct {
	clock    pkce.Clock
	patience time.Duration // how long to wait for a turn
	running  chan struct{}
	waiting  chan struct{}
}

func newExchanges(clock pkce.Clock, patience time.Duration) *exchanges {
	return &exchanges{
		clock: clock, patience: patience,
		running: make(chan struct{}, maxExchanges), waiting: make(chan struct{}, maxWaitingExchanges),
	}
}

// begin waits for the right to complete one more login. The error is that of ctx, or
// errTooManyExchanges. Without one, the caller must call end.
func (e *exchanges) begin(ctx context.Context) error {
	select {
	case e.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case e.waiting <- struct{}{}:
		defer func() { <-e.waiting }()
	default:
		return errTooManyExchanges
	}
	late := make(chan struct{})
	defer e.clock.AfterFunc(e.patience, func() { close(late) })()
	select {
	case e.running <- struct{}{}:
		if err := ctx.Err(); err != nil { // both were possible
			e.end()
			return err
		}
		return nil
	case <-late:
		return errTooManyExchanges
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *exchanges) end() { <-e.running }
