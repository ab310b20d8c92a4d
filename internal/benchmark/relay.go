package main

import (
	"errors"
	"io"
	"net"
	"time"
)

// relay passes connections on to a server as if it were far away: bytes take half a
// round trip each way, and a connection takes one to be set up, as TCP's handshake does.
// A TLS handshake takes one more because it waits for the bytes of the other side.
type relay struct {
	net.Listener
	target    string
	roundTrip time.Duration
}

func startRelay(addr, target string, roundTrip time.Duration) (*relay, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &relay{l, target, roundTrip}
	go r.serve()
	return r, nil
}

func (r *relay) serve() {
	for {
		client, err := r.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go r.connect(client, time.Now())
	}
}

// connect passes a connection on that a client has opened. On this machine it is open at
// once, so the client's first bytes are kept until they could have been sent.
func (r *relay) connect(client net.Conn, opened time.Time) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = client.Close()
		return
	}
	go r.pass(server, client, opened.Add(r.roundTrip+r.roundTrip/2))
	r.pass(client, server, time.Time{})
}

// piece is what was read at once, and when it arrives.
type piece struct {
	data []byte
	due  time.Time
}

// pass passes on what one side sends, half a round trip later and not before a time.
func (r *relay) pass(to, from net.Conn, earliest time.Time) {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			due := time.Now().Add(r.roundTrip / 2)
			if due.Before(earliest) {
				due = earliest
			}
			if n > 0 {
				pieces <- piece{data[:n], due}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	_ = to.Close()
	_, _ = io.Copy(io.Discard, from)
	for range pieces { // so that the reader does not wait
	}
}
