package caddyspotify

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

func (h *Handler) unmarshalShare(d *caddyfile.Dispenser) error {
	c := new(ShareConfig)
	h.Share = c
	return block(d, "share", setters{
		"owner":  func() error { return someArgs(d, "share owner", &c.Owner) },
		"allow":  func() error { return someArgs(d, "share allow", &c.Allow) },
		"scopes": func() error { return someArgs(d, "share scopes", &c.Scopes) },
		"cors":   func() error { return someArgs(d, "share cors", &c.CORS) },
		"cache":  func() error { return duration(d, "share cache", &c.Cache) },
		"stale":  func() error { return duration(d, "share stale", &c.Stale) },
		"key":    func() error { return oneArg(d, "share key", &c.Key) },
	})
}
