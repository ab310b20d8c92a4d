package caddyspotify

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/page"
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

// servePopup is where a login in a pop-up ends. It holds nothing secret and
// changes nothing, so anybody may look at it.
func (h *Handler) servePopup(w http.ResponseWriter, r *http.Request) error {
	return h.site.Pages.Page(w, r, http.StatusOK, page.Data{
		Kind:   page.KindPopup,
		Script: template.JS(page.PopupScript), //nolint:gosec // a constant of ours
	})
}
