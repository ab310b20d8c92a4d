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

// Files returns what serves each file below a site's prefix, by its path there: the
// module for browsers, the one that it loads to follow a player, and its types for
// TypeScript, which are given, and the styles and scripts of our own pages, but page.css,
// which is a site's own (Renderer.ServeStyle). All of them are for GET and HEAD.
func Files(client, player, clientTypes []byte) map[string]func(http.ResponseWriter, *http.Request) error {
	own := func(name, contentType string) func(http.ResponseWriter, *http.Request) error {
		return NewAsset([]byte(mustReadPage("html/"+name)), contentType).Serve
	}
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"/client.js":   NewAsset(compact(client), javaScript).Serve,
		"/player.js":   NewAsset(compact(player), javaScript).Serve,
		"/client.d.ts": NewAsset(clientTypes, "application/typescript; charset=utf-8").Serve,
		"/keys.css":    own("keys.css", styleSheet),
		"/device.css":  own("device.css", styleSheet),
		"/popup.js":    own("popup.js", javaScript),
		"/keys.js":     own("keys.js", javaScript),
	}
}

// compact returns a script without indentation, empty lines and comments that have a
// line of their own. None of our scripts has a line in a string that looks like these.
func compact(script []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(script) {
		line = bytes.TrimLeft(line, " ")
		if !bytes.HasPrefix(line, []byte("//")) && len(line) > 1 {
			b.Write(line)
		}
	}
	return b.Bytes()
}

const (
	javaScript = "text/javascript; charset=utf-8"
	styleSheet = "text/css; charset=utf-8"
)

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
