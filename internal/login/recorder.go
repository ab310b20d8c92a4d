package login

import (
	"bytes"
	"maps"
	"net/http"
)

// recorder is a response that is sent later, to every request that waits for it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// newRecorder returns a response that has the headers that are set already.
func newRecorder(set http.Header) *recorder { return &recorder{header: set.Clone()} }

// Header implements http.ResponseWriter.
func (rec *recorder) Header() http.Header { return rec.header }

// WriteHeader implements http.ResponseWriter.
func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && status >= http.StatusOK {
		rec.status = status
	}
}

// Write implements http.ResponseWriter.
func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	return rec.body.Write(b)
}

// send sends the response. It may be called more than once, also concurrently.
func (rec *recorder) send(w http.ResponseWriter) error {
	maps.Copy(w.Header(), rec.header.Clone())
	if rec.status != 0 {
		w.WriteHeader(rec.status)
	}
	if rec.body.Len() == 0 {
		return nil
	}
	_, err := w.Write(rec.body.Bytes())
	return err
}
