package push

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/player"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// writeTimeout bounds how long a client may take to read what is written.
const writeTimeout = 20 * time.Second

// comeBackLater is when a client without a session is to ask again, if it does not know
// better.
const comeBackLater = time.Minute

// out is a stream's response.
type out struct {
	http.ResponseWriter
	control *http.ResponseController
}

// begin sends the headers of a stream.
func (p *Push) begin(w http.ResponseWriter, private bool) (*out, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // of proxies that collect a response first
	if private {
		h.Set("Cache-Control", "private, no-store")
		h.Add("Vary", "Cookie")
		if p.keys != nil {
			h.Add("Vary", "Authorization")
		}
	}
	o := &out{w, http.NewResponseController(w)}
	o.extend()
	w.WriteHeader(http.StatusOK)
	return o, o.control.Flush()
}

// extend gives the client time to read. Not every writer has deadlines; then the
// server's hold.
func (o *out) extend() { _ = o.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// send writes and flushes.
func (o *out) send(text string) error {
	o.extend()
	if _, err := io.WriteString(o, text); err != nil {
		return err
	}
	return o.control.Flush()
}

// stream serves a listener until its client has gone, or has been told why it ends.
func (p *Push) stream(w http.ResponseWriter, r *http.Request, l *listener) error {
	sub, err := p.hub.Subscribe(player.Subscription{
		Account: l.account, Owner: l.owner, Visitor: l.session == nil, Grant: l.grant, Group: p, View: l.view,
		Source: l.source, LastID: lastID(r), LoginURL: p.site.LoginURL(),
	})
	switch {
	case errors.Is(err, player.ErrTooMany):
		return p.site.Fail(w, r, &problem.Problem{
			Status: http.StatusTooManyRequests, Reason: reason.TooManyStreams, RetryAfter: comeBackLater,
			Message: "There are too many streams of events already. Close some, or try again later.",
		})
	case err != nil:
		return p.site.Fail(w, r, &problem.Problem{
			Status: http.StatusServiceUnavailable, Reason: reason.UpstreamUnavailable, RetryAfter: 5 * time.Second,
			Message: "The server is shutting down. Try again in a moment.",
		})
	}
	defer sub.Leave()
	defer p.site.Metrics.StreamBegun()()
	if p.over.Load() {
		p.dismiss() // the request came as the server began to shut down
	}
	var changed <-chan struct{}
	if l.session != nil {
		var stop func()
		changed, stop = p.site.Sessions.Follow(l.session)
		defer stop()
	}
	o, err := p.begin(w, l.session != nil)
	if err != nil {
		return nil //nolint:nilerr // the client has gone
	}
	return p.run(r.Context(), o, sub, l, changed)
}

func (p *Push) run(ctx context.Context, o *out, sub *player.Listener, l *listener, changed <-chan struct{}) error {
	alarm := make(chan struct{}, 1)
	var stopAlarm func() bool
	set := func() {
		stopAlarm = p.site.Clock.AfterFunc(keepAlive, func() { alarm <- struct{}{} })
	}
	set()
	defer func() { stopAlarm() }()
	for {
		silent := false
		select {
		case <-ctx.Done():
			return nil
		case <-sub.Ready():
		case <-changed:
		case <-alarm:
			set()
			silent = true
		}
		over, err := p.write(ctx, o, sub, l)
		if err == nil && silent && !over {
			err = o.send(":\n\n")
		}
		if over || err != nil {
			return nil //nolint:nilerr // the client has gone
		}
	}
}

// write writes what is new, unless the session has ended: then it says so. It reports
// whether that was the last of the stream.
func (p *Push) write(ctx context.Context, o *out, sub *player.Listener, l *listener) (over bool, err error) {
	if l.session != nil {
		s, err := l.current(ctx)
		ended, isOver := errors.AsType[*player.EndedError](err)
		switch {
		case err == nil:
			p.site.Sessions.Touch(s)
		case isOver:
			sub.End(ended)
		default:
			return false, nil // what is new waits until the store says who may have it
		}
	}
	o.extend()
	if over, err = sub.Write(o); err != nil {
		return over, err
	}
	return over, o.control.Flush()
}

// sayLoginRequired responds to a client without a session, in a stream that ends.
func (p *Push) sayLoginRequired(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set(reason.Header, string(reason.LoginRequired))
	o, err := p.begin(w, true)
	if err != nil {
		return nil //nolint:nilerr // the client has gone
	}
	_ = player.WriteLoginRequired(o, string(reason.LoginRequired), p.site.LoginURL(), comeBackLater)
	return nil
}

// maxLastID bounds the id that a client says it had last.
const maxLastID = 64

// lastID is that of the event that the client had last.
func lastID(r *http.Request) string {
	id := r.Header.Get("Last-Event-ID")
	if len(id) > maxLastID {
		return ""
	}
	return strings.Clone(id)
}
