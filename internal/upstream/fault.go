package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Fault says whose fault it was that a client got no response, or not all of one.
type Fault uint32

const (
	// NoFault is that of a response that went out whole, whatever it says.
	NoFault Fault = iota
	// ClientGone is that of a client that hung up, or did not send all of its
	// request.
	ClientGone
	// ResponseBroken is Spotify's, whose response broke off.
	ResponseBroken
)

// End ends the exchange and returns whose fault it was. It is called when the handlers
// after spotify_auth are through, and told whether they returned: reverse_proxy panics
// when a response that has begun cannot be sent to its end.
func (ex *Exchange) End(returned bool) Fault {
	if c := &ex.call; c.hungUp != nil && c.hungUp() {
		c.flight.Leave() // here, which spares a goroutine for each request
	}
	if f := Fault(ex.fault.Load()); f != NoFault || returned {
		return f
	}
	return ClientGone // what was read could not be written
}

// note sets the fault unless there is one: what comes first is the cause.
func (ex *Exchange) note(f Fault) { ex.fault.CompareAndSwap(uint32(NoFault), uint32(f)) }

// clientFailed makes an error of a request's body one that reverse_proxy takes for
// a client that is gone: the upstream has nothing to do with it. A body that is too
// large for the site keeps its error.
func clientFailed(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", context.Canceled, err)
}

// upload is the body of a client's request.
type upload struct {
	io.ReadCloser
	ex *Exchange
}

// Read implements io.Reader.
func (u *upload) Read(b []byte) (int, error) {
	n, err := u.ReadCloser.Read(b)
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		u.ex.note(ClientGone)
	}
	return n, err
}

// download is the body of a response of the Web API.
type download struct {
	io.ReadCloser
	ex *Exchange
}

// Read implements io.Reader.
func (d *download) Read(b []byte) (int, error) {
	n, err := d.ReadCloser.Read(b)
	switch {
	case err == nil || err == io.EOF:
	case d.ex.Err() != nil:
		d.ex.note(ClientGone)
	default:
		d.ex.note(ResponseBroken)
	}
	return n, err
}
