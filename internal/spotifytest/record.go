package spotifytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is what the simulator was sent. It is a copy.
type Request struct {
	// Method, Path and RawQuery are as received; Path is still escaped.
	Method   string `json:"method"`
	Path     string `json:"path"`
	RawQuery string `json:"query,omitempty"`
	// Host is the host asked for, Proto the protocol, Remote the peer's address.
	Host   string `json:"host"`
	Proto  string `json:"proto"`
	Remote string `json:"remote"`
	// Header is the whole header as received, secrets included.
	Header http.Header `json:"header"`
	// BodySHA256 is the hex digest of the body, and BodyLength its length. A body
	// that a fault left unread counts as far as it was read.
	BodySHA256 string `json:"body_sha256"`
	BodyLength int64  `json:"body_length"`
	// At is the simulator's time of arrival.
	At time.Time `json:"at"`
	// User is the id of the user it was for, empty if that could not be told.
	User string `json:"user,omitempty"`
	// ClientID is the app of the access token or of the token request.
	ClientID string `json:"client_id,omitempty"`
	// Status is the answer's status; 0 while it is under way or if the
	// connection was cut before.
	Status int `json:"status"`
	// Done tells that the answer has ended, one way or another.
	Done bool `json:"done"`
	// Fault is the name of the fault that struck, if any.
	Fault string `json:"fault,omitempty"`
	// Violations names what must never reach Spotify and did, such as
	// "header Cookie". On /authorize, which a browser visits, nothing is one.
	Violations []string `json:"violations,omitempty"`
}

// recorder keeps the last requests in order of arrival.
type recorder struct {
	mu     sync.Mutex
	limit  int
	list   []*Request
	counts map[int]int // Web API answers by status
}

func newRecorder(limit int) *recorder {
	return &recorder{limit: limit, counts: make(map[int]int)}
}

type notesKey struct{}

// maxUnread bounds what is read of a body that no handler wanted.
const maxUnread = 64 << 20

// notes holds what handlers learn of a request; the recorder copies it when
// they end.
type notes struct {
	User, ClientID, Fault string
	bodyUnread            bool // on purpose
}

// note returns the notes of a request, for the handler to fill in.
func note(r *http.Request) *notes {
	n, _ := r.Context().Value(notesKey{}).(*notes)
	return n
}

// watch records every request that passes through next, and lets faults strike.
func (s *Server) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
		rw := &recordingWriter{
			ResponseWriter: w, rec: s.record, request: s.record.begin(r, s.Now()), notes: &notes{}, body: body,
		}
		r = r.WithContext(context.WithValue(r.Context(), notesKey{}, rw.notes))
		r.Body = body
		defer rw.end()
		s.strike(rw, r, next)
	})
}

func (rec *recorder) begin(r *http.Request, at time.Time) *Request {
	n := &Request{
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Proto: r.Proto,
		Remote: r.RemoteAddr, Header: r.Header.Clone(), At: at,
	}
	if r.URL.Path != "/authorize" && !strings.HasPrefix(r.URL.Path, "/image/") {
		n.Violations = violations(r)
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.list) >= rec.limit {
		rec.list = slices.Delete(rec.list, 0, len(rec.list)/4+1)
	}
	rec.list = append(rec.list, n)
	return n
}

// private are headers that speak of the browser or of the way it came, and
// that a proxy with its own credentials must not pass on.
var private = []string{"cookie", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "x-csrf-token", "proxy-authorization", "x-original-url", "x-original-host", "x-rewrite-url"}

// violations names the headers of r that must not have come. Underscores count
// as hyphens, as they do in CGI-like upstreams.
func violations(r *http.Request) []string {
	var out []string
	for name, values := range r.Header {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if slices.Contains(private, plain) || strings.HasPrefix(plain, "x-forwarded") {
			out = append(out, "header "+name)
		}
		if plain == "authorization" && (len(values) > 1 || name != "Authorization") {
			out = append(out, "more than one Authorization")
		}
	}
	slices.Sort(out)
	return out
}

// hashedBody digests what is read of a body.
type hashedBody struct {
	io.ReadCloser
	hash hash.Hash
	n    int64
}

func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	b.n += int64(n)
	return n, err
}

// recordingWriter completes the record as the answer begins, so that whoever has
// read an answer finds it recorded. Unwrap keeps http.ResponseController working.
type recordingWriter struct {
	http.ResponseWriter
	rec     *recorder
	request *Request
	notes   *notes
	body    *hashedBody
	begun   bool
}

func (w *recordingWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.begun = true
		if !w.notes.bodyUnread {
			_, _ = io.CopyN(io.Discard, w.body, maxUnread) // what no handler wanted is digested too
		}
		w.complete(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recordingWriter) complete(status int) {
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	n := w.request
	n.User, n.ClientID, n.Fault, n.Status = w.notes.User, w.notes.ClientID, w.notes.Fault, status
	n.BodySHA256, n.BodyLength = hex.EncodeToString(w.body.hash.Sum(nil)), w.body.n
	if strings.HasPrefix(n.Path, "/v1/") {
		w.rec.counts[status]++
	}
}

func (w *recordingWriter) end() {
	if !w.begun {
		w.complete(0) // the connection is cut
	}
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	w.request.Done = true
}

// Requests returns the recorded requests in order of arrival, those to /_control
// left out. Only the last Options.RecordLimit are kept.
func (s *Server) Requests() []Request { return s.RequestsTo("/") }

// RequestsTo returns the recorded requests whose path begins with prefix.
func (s *Server) RequestsTo(prefix string) []Request {
	rec := s.record
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var out []Request
	for _, n := range rec.list {
		if strings.HasPrefix(n.Path, prefix) {
			out = append(out, *n)
		}
	}
	return out
}

// Violations returns the recorded requests to the Web API and the token endpoint
// that carried what must never reach Spotify. A correct proxy yields none.
func (s *Server) Violations() []Request {
	all := s.Requests()
	return slices.DeleteFunc(all, func(r Request) bool { return len(r.Violations) == 0 })
}

// ForgetRequests empties the record. Counters stay.
func (s *Server) ForgetRequests() {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.record.list = nil
}

// APIAnswers returns how many Web API answers had that status, or how many there
// were for 0. Cut connections count under no status but in the total.
func (s *Server) APIAnswers(status int) int {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	if status != 0 {
		return s.record.counts[status]
	}
	total := 0
	for _, n := range s.record.counts {
		total += n
	}
	return total
}
