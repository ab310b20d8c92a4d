package caddyspotify

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

// The module for browsers, and what TypeScript wants to know of it.
//
//go:embed client/client.js client/client.d.ts
var clientFiles embed.FS

// clientFile is a file that every visitor may have, and keep for a while.
type clientFile struct {
	contentType, etag string
	body              []byte
}

var (
	clientScript = mustReadClient("client/client.js", "text/javascript; charset=utf-8")
	clientTypes  = mustReadClient("client/client.d.ts", "application/typescript; charset=utf-8")
)

func mustReadClient(name, contentType string) clientFile {
	body, err := clientFiles.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(body)
	return clientFile{contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
}

// serve answers with the file, or that the browser's copy is still good. The
// address does not change when the file does, so a copy counts for an hour only.
func (f clientFile) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=3600, stale-while-revalidate=86400")
	h.Set("Etag", f.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	return nil
}

// popupScript tells the page that opened the pop-up that the login is through,
// and closes the pop-up. It speaks to its own origin only, and says nothing but
// that there is news: who is logged in, the page asks the proxy.
var (
	popupScript = mustReadPage("pages/popup.js")
	popupPolicy = pagePolicy + fmt.Sprintf("; script-src 'sha256-%s'", sourceHash(popupScript))
)

// servePopup is where a login in a pop-up ends. It holds nothing secret and
// changes nothing, so anybody may look at it.
func (h *Handler) servePopup(w http.ResponseWriter, r *http.Request) error {
	return h.site.pages.page(w, r, http.StatusOK, pageData{
		Kind:   pagePopup,
		Script: template.JS(popupScript), //nolint:gosec // a constant of ours
	})
}
