package spotifytest

import (
	"bytes"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is a failure to be shown to some requests: which ones, how many, and
// what happens to them. The zero Fault strikes every Web API request and does
// nothing to it.
//
// The effects apply in the order of their fields. A request that none of them
// answers is served as usual.
type Fault struct {
	// Method matches the method, Path a prefix of the path (empty: /v1/; the
	// token endpoint is /api/token), or the whole of it if Exact.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Exact  bool   `json:"exact,omitempty"`
	// GrantType matches the grant_type of a token request.
	GrantType string `json:"grant_type,omitempty"`
	// User matches the user of the access token.
	User string `json:"user,omitempty"`
	// Skip lets that many matching requests pass first. Times is how many are
	// struck then; 0 strikes until the fault is cleared.
	Skip  int `json:"skip,omitempty"`
	Times int `json:"times,omitempty"`

	// Effect fills in the fields below from a name, where they are unset.
	Effect Effect `json:"effect,omitempty"`
	// AfterServing strikes when the simulator has acted but not yet answered: a
	// token was issued, and the answer is late, or held, or lost.
	AfterServing bool `json:"after_serving,omitempty"`
	// Latency delays the request; a client that goes away ends the wait.
	Latency time.Duration `json:"-"`
	// Hold keeps the request until Injected.Release. In a Stream it keeps
	// everything behind the first chunk.
	Hold bool `json:"hold,omitempty"`
	// Cut closes the connection without an answer. With Hold, the request hangs.
	Cut bool `json:"cut,omitempty"`
	// Reset resets the connection without an answer (RST), where it can: over
	// HTTP/2 it is a Cut.
	Reset bool `json:"reset,omitempty"`
	// CutAfter closes the connection after so many bytes of the true answer's body.
	CutAfter int `json:"cut_after,omitempty"`
	// Stream answers with so many bytes of JSON full of links, in chunks of
	// Chunk bytes (0: 32 KiB), each flushed.
	Stream int64 `json:"stream,omitempty"`
	Chunk  int   `json:"chunk,omitempty"`
	// Status answers with Body and Header. Body alone means status 200.
	Status int         `json:"status,omitempty"`
	Header http.Header `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
	// RetryAfter adds that header, in whole seconds rounded up.
	RetryAfter time.Duration `json:"-"`
	// Early answers before the request's body was read.
	Early bool `json:"early,omitempty"`
}

// Injected is a fault in force. Its methods are safe for concurrent use.
type Injected struct {
	// ID is the fault's number, counted from 1.
	ID int

	owner   *faults
	fault   Fault
	release chan struct{}
	one     chan struct{}
	entered chan struct{}
	once    sync.Once

	seen, hits int // guarded by owner.mu
}

// Hits returns how many requests were struck.
func (in *Injected) Hits() int {
	in.owner.mu.Lock()
	defer in.owner.mu.Unlock()
	return in.hits
}

// Entered yields one value for every request struck, as it is struck: with Hold,
// once it is being held.
func (in *Injected) Entered() <-chan struct{} { return in.entered }

// Release lets go of all requests held, and holds none from then on. It is idempotent.
func (in *Injected) Release() { in.once.Do(func() { close(in.release) }) }

// ReleaseOne lets go of one request: one held now, or the next to be.
func (in *Injected) ReleaseOne() {
	select {
	case in.one <- struct{}{}:
	default: // thousands are let go already
	}
}

// Clear ends the fault and lets go of what it holds.
func (in *Injected) Clear() {
	in.owner.mu.Lock()
	in.owner.list = slices.DeleteFunc(in.owner.list, func(other *Injected) bool { return other == in })
	in.owner.mu.Unlock()
	in.Release()
}

// faults are the faults in force, in the order of injection.
type faults struct {
	closing <-chan struct{}

	mu   sync.Mutex
	next int
	list []*Injected
}

func newFaults(closing <-chan struct{}) *faults { return &faults{closing: closing} }

// Inject puts a fault in force. Of several that match a request, only the one
// injected first strikes it. It panics if f.Effect is not one of Effects.
func (s *Server) Inject(f Fault) *Injected {
	if f.Path == "" {
		f.Path = "/v1/"
	}
	f = f.expand()
	in := &Injected{
		owner: s.faults, fault: f,
		release: make(chan struct{}), one: make(chan struct{}, 1<<14), entered: make(chan struct{}, 1<<14),
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.next++
	in.ID = s.faults.next
	s.faults.list = append(s.faults.list, in)
	return in
}

// ClearFaults ends all faults and lets go of what they hold.
func (s *Server) ClearFaults() {
	for _, in := range s.faults.all() {
		in.Clear()
	}
}

func (fs *faults) all() []*Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.Clone(fs.list)
}

// pick returns the fault that strikes this request, if any.
func (fs *faults) pick(matches func(*Fault) bool) *Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, in := range fs.list {
		if in.fault.Times > 0 && in.hits >= in.fault.Times || !matches(&in.fault) {
			continue
		}
		in.seen++
		if in.seen <= in.fault.Skip {
			continue
		}
		in.hits++
		return in
	}
	return nil
}

// strike serves the request, through the fault that applies to it.
func (s *Server) strike(w http.ResponseWriter, r *http.Request, next http.Handler) {
	in := s.faults.pick(s.matcher(r))
	if in == nil {
		next.ServeHTTP(w, r)
		return
	}
	f := &in.fault
	note(r).Fault, note(r).bodyUnread = f.label(in.ID), f.Early
	if !f.AfterServing && f.CutAfter == 0 {
		if f.answers() && !f.Early {
			drain(r)
		}
		s.impede(in, r)
		if !s.answer(in, w, r) {
			next.ServeHTTP(w, r)
		}
		return
	}
	held := &heldAnswer{header: make(http.Header)}
	next.ServeHTTP(held, r)
	s.impede(in, r)
	if !s.answer(in, w, r) {
		held.send(w, f.CutAfter)
	}
}

func (s *Server) matcher(r *http.Request) func(*Fault) bool {
	var grantType string
	if r.URL.Path == "/api/token" {
		if form, err := tokenForm(r); err == nil {
			grantType = form.Get("grant_type")
		}
	}
	user := s.ledger.lookup(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")).user
	return func(f *Fault) bool {
		return (f.Method == "" || f.Method == r.Method) &&
			(f.Path == r.URL.Path || !f.Exact && strings.HasPrefix(r.URL.Path, f.Path)) &&
			(f.GrantType == "" || f.GrantType == grantType) &&
			(f.User == "" || f.User == user)
	}
}

// impede delays and holds the request. A client that leaves, and the end of the
// simulator, end it.
func (s *Server) impede(in *Injected, r *http.Request) {
	if d := in.fault.Latency; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-s.closing:
			panic(http.ErrAbortHandler)
		}
	}
	in.enter()
	if in.fault.Hold && in.fault.Stream == 0 {
		s.wait(in, r)
	}
}

func (in *Injected) enter() {
	select {
	case in.entered <- struct{}{}:
	default: // nobody listens, and thousands wait to be told
	}
}

// wait holds a request until it is let go.
func (s *Server) wait(in *Injected, r *http.Request) {
	select {
	case <-in.release:
	case <-in.one:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.closing:
		panic(http.ErrAbortHandler)
	}
}

func (f *Fault) answers() bool {
	return f.Cut || f.Reset || f.Stream > 0 || f.Status != 0 || f.Body != ""
}

// answer gives the fault's own answer and reports whether it has one.
func (s *Server) answer(in *Injected, w http.ResponseWriter, r *http.Request) bool {
	f := &in.fault
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	case f.Reset:
		reset(w)
		panic(http.ErrAbortHandler)
	case f.Stream > 0:
		s.stream(in, w, r)
		return true
	case f.Status == 0 && f.Body == "":
		return false
	}
	h := w.Header()
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	if h.Get("Content-Type") == "" && f.Body != "" {
		h.Set("Content-Type", jsonType)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if bodyAllowed(status) {
		h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead && bodyAllowed(status) {
		_, _ = w.Write([]byte(f.Body))
	}
	return true
}

// reset takes the connection over and drops it with what it holds, so that the
// peer gets an RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // HTTP/2, or no connection at all
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// heldAnswer keeps an answer until the fault has run its course.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header { return h.header }

func (h *heldAnswer) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *heldAnswer) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(p)
}

// send gives the answer, or its first bytes if cutAfter is set.
func (h *heldAnswer) send(w http.ResponseWriter, cutAfter int) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	h.WriteHeader(http.StatusOK)
	if cutAfter > 0 && bodyAllowed(h.status) {
		w.Header().Set("Content-Length", strconv.Itoa(h.body.Len()))
	}
	w.WriteHeader(h.status)
	body := h.body.Bytes()
	if cutAfter > 0 {
		body = body[:min(cutAfter, len(body))]
	}
	_, _ = w.Write(body)
	if cutAfter > 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
