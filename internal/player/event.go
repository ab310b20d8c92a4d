package player

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// published is what a topic's listeners are to know. It does not change once it is
// published. A sequence number that is higher than the one a listener has seen says
// that there is something new for it.
type published struct {
	known    bool
	id       string
	observed time.Time // when the state was true
	state    State
	bodies   [views]*body  // by view
	seq      [views]uint64 // of the state, by view
	limited  limited
	frames   *[views]atomic.Pointer[frame] // of the state, by view
}

// limited is why there is nothing new, if it has a reason.
type limited struct {
	reason string
	until  time.Time
	seq    uint64
}

// body is what Spotify says, in a view, on one line.
type body struct {
	json []byte // empty if nothing plays
	rest uint64 // State.Rest
}

// onlyWhole are members of a player that GET /v1/me/player/currently-playing does not
// have.
var onlyWhole = []string{"device", "repeat_state", "shuffle_state", "smart_shuffle"}

// newBodies returns a response in each view. It must have been parsed.
func newBodies(raw []byte, st State) (bodies [views]*body) {
	nothing := new(body)
	for i := range bodies {
		bodies[i] = nothing
	}
	var compact bytes.Buffer
	var members map[string]json.RawMessage
	if !st.Active || json.Compact(&compact, raw) != nil || json.Unmarshal(raw, &members) != nil {
		return bodies
	}
	all := &body{compact.Bytes(), st.Rest}
	bodies[View{Whole: true, Episodes: true}.index()] = all
	bodies[View{Whole: true}.index()] = all
	if string(members["currently_playing_type"]) == `"episode"` {
		without := maps.Clone(members)
		without["item"] = json.RawMessage("null")
		bodies[View{Whole: true}.index()] = newBody(without)
		bodies[View{}.index()] = newBody(partOf(without))
		bodies[View{Episodes: true}.index()] = newBody(partOf(members))
		return bodies
	}
	part := newBody(partOf(members))
	bodies[View{}.index()], bodies[View{Episodes: true}.index()] = part, part
	return bodies
}

// partOf is without what only the whole player has.
func partOf(members map[string]json.RawMessage) map[string]json.RawMessage {
	part := maps.Clone(members)
	for _, name := range onlyWhole {
		delete(part, name)
	}
	return part
}

func newBody(members map[string]json.RawMessage) *body {
	b, err := json.Marshal(members)
	if err != nil {
		return new(body) // cannot be: it has just been read
	}
	return &body{b, fingerprint(members)}
}

// event is written in the format of text/event-stream, in one piece.
type event struct{ *bytes.Buffer }

func newEvent(name, id string) event {
	e := event{new(bytes.Buffer)}
	e.WriteString("event: ")
	e.WriteString(name)
	if id != "" {
		e.WriteString("\nid: ")
		e.WriteString(id)
	}
	e.WriteString("\ndata: {")
	return e
}

func (e event) number(name string, n int64) {
	e.separate()
	e.WriteString(`"` + name + `":`)
	e.Write(strconv.AppendInt(e.AvailableBuffer(), n, 10))
}

func (e event) text(name, value string) {
	e.separate()
	quoted, _ := json.Marshal(value) // a string always can be
	e.WriteString(`"` + name + `":`)
	e.Write(quoted)
}

func (e event) object(name string, raw []byte) {
	e.separate()
	e.WriteString(`"` + name + `":`)
	e.Write(raw)
}

func (e event) separate() {
	if b := e.Bytes(); b[len(b)-1] != '{' {
		e.WriteByte(',')
	}
}

// end ends the event. If retry is positive, a client that has lost its stream is to come
// back after that.
func (e event) end(retry time.Duration) {
	e.WriteByte('}')
	if retry > 0 {
		e.WriteString("\nretry: ")
		e.Write(strconv.AppendInt(e.AvailableBuffer(), retry.Milliseconds(), 10))
	}
	e.WriteString("\n\n")
}

// send ends and writes the event.
func (e event) send(w io.Writer, retry time.Duration) error {
	e.end(retry)
	_, err := e.WriteTo(w)
	return err
}

// frame is the event of a state, with the time at which it was made.
type frame struct {
	at   time.Time
	text []byte
}

// frameLife is how long a frame is sent. All who are told of a change get the same bytes,
// however many they are.
const frameLife = 50 * time.Millisecond

// write writes the state as a view has it.
func (p *published) write(w io.Writer, view int, now time.Time) error {
	f := p.frames[view].Load()
	if f == nil || now.Sub(f.at).Abs() > frameLife {
		f = &frame{now, p.text(view, now)}
		p.frames[view].Store(f)
	}
	_, err := w.Write(f.text)
	return err
}

func (p *published) text(view int, now time.Time) []byte {
	name := "player"
	if !p.state.Active {
		name = "idle"
	}
	e := newEvent(name, p.id)
	e.number("observed_at", p.observed.UnixMilli())
	e.number("sent_at", now.UnixMilli())
	if p.state.Active {
		e.object("player", p.bodies[view].json)
	}
	e.end(0)
	return e.Bytes()
}

func (l limited) write(w io.Writer, now time.Time) error {
	e := newEvent("limited", "")
	e.text("reason", l.reason)
	e.number("until", l.until.UnixMilli())
	e.number("sent_at", now.UnixMilli())
	return e.send(w, 0)
}

// ending is the last event of a stream.
type ending struct {
	event  string
	reason string
	retry  time.Duration // when to come back
}

// The last events.
const (
	eventBye           = "bye"
	eventLoginRequired = "login_required"
)

func (f *ending) write(w io.Writer, loginURL string) error {
	e := newEvent(f.event, "")
	e.text("reason", f.reason)
	if f.event == eventLoginRequired && loginURL != "" {
		e.text("login_url", loginURL)
	}
	return e.send(w, f.retry)
}

// WriteLoginRequired writes what a client without a session gets in place of a stream. By
// itself it comes back after a while.
func WriteLoginRequired(w io.Writer, reason, loginURL string, again time.Duration) error {
	return (&ending{event: eventLoginRequired, reason: reason, retry: again}).write(w, loginURL)
}

// afterLogin is when a client is to come back by itself whose access has ended, if it does
// not know better.
const afterLogin = time.Minute

// Reconnections are spread over at least leastSpread, and over more if there are many.
const (
	leastSpread      = 6 * time.Second
	longestSpread    = time.Minute
	returnsPerSecond = 400
	soonestReturn    = 500 * time.Millisecond
)

// comeBack returns when one of so many listeners is to come back.
func comeBack(of int) time.Duration {
	spread := time.Duration(of) * time.Second / returnsPerSecond
	return soonestReturn + rand.N(min(max(spread, leastSpread), longestSpread))
}
