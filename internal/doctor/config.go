package doctor

import (
	"regexp"
	"strings"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
)

// spotifyClientID is the shape of the client IDs that Spotify gives out.
var spotifyClientID = regexp.MustCompile(`^[0-9a-f]{32}$`)

const dashboard = "https://developer.spotify.com/dashboard"

// IsClientID reports whether a text has the shape of Spotify's client IDs.
func IsClientID(text string) bool { return spotifyClientID.MatchString(text) }

func checkClientID(r *SiteReport, id string) bool {
	switch {
	case id == "":
		r.fail("client_id", "is empty: copy the Client ID from %s (if it is a placeholder, set the variable for this command, too)", dashboard)
		return false
	case !IsClientID(id):
		r.fail("client_id", "%q is not one of Spotify's, which have 32 hexadecimal digits: copy the Client ID from %s", id, dashboard)
		return false
	}
	r.ok("client_id", "has 32 hexadecimal digits, as Spotify's have")
	return true
}

func checkRedirectURI(r *SiteReport, raw string) (browser.Redirect, bool) {
	redirect, err := browser.ParseRedirectURI(raw)
	if err != nil {
		r.fail("redirect_uri", "%s", strings.TrimPrefix(err.Error(), "redirect_uri "))
		return redirect, false
	}
	r.ok("redirect_uri", "follows Spotify's rules; the endpoints are below %s%s", redirect.Origin, redirect.Prefix)
	return redirect, true
}

// checkOtherOptions says no more than is needed: nobody cares for the options
// that are right.
func checkOtherOptions(r *SiteReport, h *Subject) bool {
	err := h.Options
	for _, o := range []struct{ name, value string }{
		{"authorize_url", h.AuthorizeURL},
		{"token_url", h.TokenURL},
		{"api_url", h.APIURL},
	} {
		if err == nil {
			_, err = browser.ParseServiceURL(o.name, o.value)
		}
	}
	if err != nil {
		r.fail("options", "%s", err)
		return false
	}
	return true
}
