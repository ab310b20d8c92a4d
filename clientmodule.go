package caddyspotify

import (
	_ "embed"
	"html/template"
	"net/http"

	"github.com/caddyspotify/caddy-spotify/internal/page"
)

// The module for browsers, and what TypeScript wants to know of it.
var (
	//go:embed client/client.js
	clientJS []byte
	//go:embed client/client.d.ts
	clientDTS []byte

	clientScript = page.NewAsset(clientJS, "text/javascript; charset=utf-8")
	clientTypes  = page.NewAsset(clientDTS, "application/typescript; charset=utf-8")
)

// servePopup is where a login in a pop-up ends. It holds nothing secret and
// changes nothing, so anybody may look at it.
func (h *Handler) servePopup(w http.ResponseWriter, r *http.Request) error {
	return h.site.Pages.Page(w, r, http.StatusOK, page.Data{
		Kind:   page.KindPopup,
		Script: template.JS(page.PopupScript), //nolint:gosec // a constant of ours
	})
}
