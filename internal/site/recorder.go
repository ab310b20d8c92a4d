package site

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
)

// Recorder is an http.ResponseWriter that keeps a response instead of sending it. It is
// not safe for concurrent use, but Send is once the response is there.
type Recorder struct {
	Status int // 0 if nothing was written
	Body   bytes.Buffer

	header  http.Header
	max     int
	tooLong error
}

// NewRecorder returns a Recorder that has the headers that are set already. It refuses
// a body of more than maxBody bytes, if that is not 0.
func NewRecorder(set http.Header, maxBody int) *Recorder {
	header := set.Clone()
	if header == nil {
		header = make(http.Header)
	}
	return &Recorder{header: header, max: maxBody}
}

// Header implements http.ResponseWriter.
func (rec *Recorder) Header() http.Header { return rec.header }

// WriteHeader implements http.ResponseWriter.
func (rec *Recorder) WriteHeader(status int) {
	if rec.Status == 0 && status >= http.StatusOK {
		rec.Status = status
	}
}

// Write implements http.ResponseWriter.
func (rec *Recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if rec.max > 0 && rec.Body.Len()+len(b) > rec.max {
		rec.tooLong = fmt.Errorf("the response is longer than %d bytes", rec.max)
		return 0, rec.tooLong
	}
	return rec.Body.Write(b)
}

// Flush implements http.Flusher.
func (rec *Recorder) Flush() {}

// Send sends the response. It may be called more than once, also concurrently.
func (rec *Recorder) Send(w http.ResponseWriter) error {
	maps.Copy(w.Header(), rec.header.Clone())
	if rec.Status != 0 {
		w.WriteHeader(rec.Status)
	}
	if rec.Body.Len() == 0 {
		return nil
	}
	_, err := w.Write(rec.Body.Bytes())
	return err
}
