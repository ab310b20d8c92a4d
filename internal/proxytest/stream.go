package proxytest

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Event is a server-sent event.
type Event struct {
	Name, ID, Data, Retry string
}

// Into reads the event's JSON.
func (e Event) Into(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.Data), into); err != nil {
		t.Fatalf("event %s: %v in %q", e.Name, err, e.Data)
	}
}

// Stream is a stream of events as an EventSource reads it, without coming back.
type Stream struct {
	// Response is the response's head; its body is the stream's.
	Response *http.Response

	t      testing.TB
	events chan Event // closed at the end of the stream
	quiet  chan struct{}
	cancel context.CancelFunc
}

// Stream opens a stream of events as the site's own page does. The edits come last.
func (b *Browser) Stream(path string, edits ...Edit) *Stream {
	b.T.Helper()
	s := b.TryStream(path, edits...)
	if s.Response.StatusCode != http.StatusOK {
		b.T.Fatalf("GET %s: status %s", path, s.Response.Status)
	}
	return s
}

// TryStream is Stream for one that may be refused.
func (b *Browser) TryStream(path string, edits ...Edit) *Stream {
	b.T.Helper()
	return OpenStream(b.T, b.Client, b.Origin+path, edits...)
}

// OpenStream opens a stream of events with a client, as a page of the URL's origin does.
func OpenStream(t testing.TB, by *http.Client, url string, edits ...Edit) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append([]Edit{
		Header("Sec-Fetch-Site", "same-origin"), Header("Sec-Fetch-Mode", "cors"), Header("Sec-Fetch-Dest", "empty"),
		Header("Accept", "text/event-stream"),
	}, edits...) {
		e(req)
	}
	client := *by
	client.Timeout = 0
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	s := &Stream{Response: res, t: t, events: make(chan Event, 64), quiet: make(chan struct{}, 64), cancel: cancel}
	go s.read()
	return s
}

func (s *Stream) read() {
	defer close(s.events)
	defer s.Response.Body.Close()
	lines := bufio.NewScanner(s.Response.Body)
	lines.Buffer(nil, 1<<20)
	var e Event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "" && strings.HasPrefix(lines.Text(), ":"):
			select {
			case s.quiet <- struct{}{}:
			default:
			}
		case field == "event":
			e.Name = value
		case field == "id":
			e.ID = value
		case field == "data":
			e.Data += value
		case field == "retry":
			e.Retry = value
		case lines.Text() == "":
			if e.Name != "" {
				s.events <- e
			}
			e = Event{}
		}
	}
}

// Next returns the next event, and fails the test if none comes.
func (s *Stream) Next() Event {
	s.t.Helper()
	select {
	case e, ok := <-s.events:
		if !ok {
			s.t.Fatal("the stream has ended")
		}
		return e
	case <-time.After(patience):
		s.t.Fatal("no event came")
	}
	return Event{}
}

// NextComment waits for a comment, which keeps the connection open.
func (s *Stream) NextComment() {
	s.t.Helper()
	select {
	case <-s.quiet:
	case <-time.After(patience):
		s.t.Fatal("no comment came")
	}
}

// Soon returns the next event, if one comes within a time.
func (s *Stream) Soon(limit time.Duration) (Event, bool) {
	select {
	case e, ok := <-s.events:
		if !ok {
			s.t.Helper()
			s.t.Fatal("the stream has ended")
		}
		return e, ok
	case <-time.After(limit):
		return Event{}, false
	}
}

// NextNamed returns the next event, which must have a name.
func (s *Stream) NextNamed(name string) Event {
	s.t.Helper()
	e := s.Next()
	if e.Name != name {
		s.t.Fatalf("event %q with %q, want %q", e.Name, e.Data, name)
	}
	return e
}

// Ended waits for the end of the stream and returns what came before it.
func (s *Stream) Ended() (rest []Event) {
	s.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				return rest
			}
			rest = append(rest, e)
		case <-limit:
			s.t.Fatal("the stream does not end")
		}
	}
}

// Pending returns what has come and was not read.
func (s *Stream) Pending() (events []Event) {
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				return events
			}
			events = append(events, e)
		default:
			return events
		}
	}
}

// Close hangs up.
func (s *Stream) Close() { s.cancel() }
