package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// Asset is a file that every visitor may have, and keep for as long as it is the
// same. It is safe for concurrent use.
type Asset struct {
	contentType, etag string
	body              []byte
}

// NewAsset returns a file with the content type.
func NewAsset(body []byte, contentType string) Asset {
	sum := sha256.Sum256(body)
	return Asset{contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
}

// Serve responds with the file, or that the browser's copy is still good. The
// address does not change when the file does, so browsers ask each time: a fix is in
// use once it is installed.
func (a Asset) Serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, no-cache")
	h.Set("Etag", a.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	return nil
}
