package caddyspotify

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

func (h *Handler) unmarshalShare(d *caddyfile.Dispenser) error {
	c := new(ShareConfig)
	h.Share = c
	return block(d, "share", func(name string) (bool, error) {
		switch name {
		case "owner":
			return true, someArgs(d, "share owner", &c.Owner)
		case "allow":
			return true, someArgs(d, "share allow", &c.Allow)
		case "scopes":
			return true, someArgs(d, "share scopes", &c.Scopes)
		case "cors":
			return true, someArgs(d, "share cors", &c.CORS)
		case "cache":
			return true, duration(d, "share cache", &c.Cache)
		case "stale":
			return true, duration(d, "share stale", &c.Stale)
		case "key":
			return true, oneArg(d, "share key", &c.Key)
		}
		return false, nil
	})
}
