package caddyspotify

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/push"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
)

// EventsConfig is about the streams that tell pages what an account plays, as
// server-sent events: `GET <prefix>/events`, for visitors who are logged in and for
// access keys, and `GET <prefix>/share/events`, for visitors of `share`.
//
// However many listen to an account, Spotify is asked once for all of them, at times
// that it is likely to have news, and not at all while nobody listens.
type EventsConfig struct {
	// Whether there are none. They are on by default, and cost nothing that is not
	// asked for.
	Off bool `json:"off,omitempty"`

	// The secret that seals what the instances of a site tell each other through the
	// token store, of 32 characters or more. May be a placeholder. Instances with the
	// same secret and the same token store share one poller an account; the others poll
	// for themselves. Default: one that is made once and kept in Caddy's storage.
	Key string `json:"key,omitempty"`

	key givenKey // Key, once it is resolved
}

// replacePlaceholders resolves those that the options may hold.
func (c *EventsConfig) replacePlaceholders(repl *caddy.Replacer) {
	if c != nil {
		c.key.take(repl, &c.Key)
	}
}

// check refuses what cannot work.
func (c *EventsConfig) check() error {
	if c == nil {
		return nil
	}
	return c.key.check("events key")
}

// newPush returns the streams, or nil if there are none.
func (h *Handler) newPush(ctx caddy.Context) (*push.Push, error) {
	c := h.Events
	if c == nil {
		c = new(EventsConfig)
	}
	if c.Off {
		return nil, nil
	}
	p, release, err := push.New(ctx, push.Options{
		Site: h.site, Keys: h.keys, Share: h.share,
		Secret: secret.New(c.key.secret, ctx.Storage(), "events", "reload the configuration"),
	})
	if err != nil {
		return nil, err
	}
	h.release = append(h.release, release)
	return p, nil
}

// unmarshalEvents reads the option events, which is off or has a block.
func (h *Handler) unmarshalEvents(d *caddyfile.Dispenser) error {
	c := new(EventsConfig)
	h.Events = c
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.Errf("unexpected argument %q: write events off, or put the options of events in a block", d.Val())
		}
		c.Off = true
		return nil
	}
	return block(d, "events", setters{
		"key": func() error { return oneArg(d, "events key", &c.Key) },
	})
}
