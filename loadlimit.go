package caddyspotify

import (
	"context"
	"errors"
)

const (
	// maxLoads bounds the sessions that are read from the store at once. Whoever
	// makes up session ids has each looked for, and so could take up every file
	// handle or connection that there is. Sessions in memory need no reading.
	maxLoads = 256
	// maxWaitingLoads bounds those that wait for their turn, whose askers may
	// have hung up meanwhile.
	maxWaitingLoads = 8192
)

var errTooManyLoads = errors.New("too many sessions are being read from the store")

// beginLoad waits for the right to read one more session.
func (m *sessions) beginLoad(ctx context.Context) error {
	defer m.waitingLoads.Add(-1)
	if m.waitingLoads.Add(1) > maxWaitingLoads {
		return errTooManyLoads
	}
	select {
	case m.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errTooManyLoads
	}
}

func (m *sessions) endLoad() { <-m.reading }
