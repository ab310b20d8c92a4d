// Package device logs a device without keyboard or browser in, by a code that a person
// enters on another one (RFC 8628, with this site as the authorization server).
package device

import (
	"net/http"
	"slices"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/site"
)

// Devices are the logins of devices at a site. It is safe for concurrent use.
type Devices struct {
	site    *site.Site
	flow    *login.Flow
	keys    *accesskeys.Keys
	purpose *login.Purpose
	limits  *limits
}

// New returns the logins of devices at a site, which end with an access key, and registers
// the login through which a person agrees to one.
func New(s *site.Site, flow *login.Flow, keys *accesskeys.Keys) *Devices {
	d := &Devices{site: s, flow: flow, keys: keys, limits: newLimits(s.Clock)}
	d.purpose = &login.Purpose{
		Name:      "device",
		RetryURL:  d.activatePath(),
		Exclusive: true,
		Finish:    d.finish,
		Cancelled: func(p *problem.Problem) {
			p.Message = "You did not agree at Spotify, so the device is not connected. Its code can be entered again until it expires."
			p.Wording = page.WordingDeviceCancelled
		},
	}
	flow.Register(d.purpose)
	return d
}

func (d *Devices) activatePath() string { return d.site.Prefix + "/activate" }

// Serve responds below the prefix, if there is an endpoint under the path, which is given
// without it.
func (d *Devices) Serve(w http.ResponseWriter, r *http.Request, rest string) (found bool, err error) {
	methods := []string{http.MethodPost}
	var serve func(http.ResponseWriter, *http.Request) error
	switch rest {
	case "/device":
		serve = d.serveRequest
	case "/device/token":
		serve = d.serveToken
	case "/activate":
		methods = append(methods, http.MethodGet, http.MethodHead)
		serve = d.serveActivate
	case "/activate/confirm":
		serve = d.serveConfirm
	case "/activate/deny":
		serve = d.serveDeny
	default:
		return false, nil
	}
	if rest == "/device" || rest == "/device/token" {
		if d.site.ServeCORS(w, r) {
			return true, nil
		}
	}
	if !slices.Contains(methods, r.Method) {
		return true, d.site.Fail(w, r, problem.MethodNotAllowed(methods))
	}
	if p := d.site.CheckTransport(r); p != nil {
		return true, d.site.Fail(w, r, p)
	}
	return true, serve(w, r)
}
