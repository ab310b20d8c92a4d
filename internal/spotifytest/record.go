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
	// BodySHA256 is the hex digest of the BodyLength bytes that were read.
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

// notes holds what handlers learn of a request; the recorder copies it when
// they end.
type notes struct {
	User, ClientID, Fault string
}

// note returns the notes of a request, for the handler to fill in.
func note(r *http.Request) *notes {
	n, _ := r.Context().Value(notesKey{}).(*notes)
	return n
}

// watch records every request that passes through next, and lets faults strike.
func (s *Server) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nw := &notes{}
		n := s.record.begin(r, s.Now())
		body := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
		r = r.WithContext(context.WithValue(r.Context(), notesKey{}, nw))
		r.Body = body
		sw := &statusWriter{ResponseWriter: w}
		defer func() { s.record.end(n, nw, sw.status, body) }()
		s.strike(sw, r, next)
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

func (rec *recorder) end(n *Request, nw *notes, status int, body *hashedBody) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	n.User, n.ClientID, n.Fault, n.Status, n.Done = nw.User, nw.ClientID, nw.Fault, status, true
	n.BodySHA256 = hex.EncodeToString(body.hash.Sum(nil))
	n.BodyLength = body.n
	if strings.HasPrefix(n.Path, "/v1/") {
		rec.counts[status]++
	}
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

// statusWriter remembers the status. Unwrap keeps http.ResponseController working.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
