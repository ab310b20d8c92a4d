package site

import "testing"

// O63: no more of a response is kept than its bound allows.
func TestRecorderIsBounded(t *testing.T) {
	const bound = 256 << 10
	rec := NewRecorder(nil, bound)
	chunk := make([]byte, bound/2+1)
	if _, err := rec.Write(chunk); err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Write(chunk); err == nil || rec.tooLong == nil || rec.Body.Len() > bound {
		t.Errorf("kept %d bytes, error %v", rec.Body.Len(), err)
	}
}
