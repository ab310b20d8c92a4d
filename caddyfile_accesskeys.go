package caddyspotify

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// unmarshalAccessKeys reads the option access_keys, which needs no block.
func (h *Handler) unmarshalAccessKeys(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected argument %q: put the options of access_keys in a block", d.Val())
	}
	c := new(AccessKeysConfig)
	h.AccessKeys = c
	known := setters{
		"lifetime": func() error { return duration(d, "access_keys lifetime", &c.Lifetime) },
		"max":      func() error { return c.unmarshalMax(d) },
		"key":      func() error { return oneArg(d, "access_keys key", &c.Key) },
		"allow":    func() error { return c.unmarshalAllow(d) },
	}
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		set, ok := known[name]
		if !ok {
			return known.unknown(d, "access_keys")
		}
		if name != "allow" { // which may be given many times
			if err := seen.once(d, "access_keys "+name); err != nil {
				return err
			}
		}
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

func (c *AccessKeysConfig) unmarshalAllow(d *caddyfile.Dispenser) error {
	rule := webapi.NewRule(d.RemainingArgs())
	if err := rule.Check(); err != nil {
		return d.Errf("access_keys %w", err)
	}
	c.Allow = append(c.Allow, AllowRule(rule))
	return nil
}

func (c *AccessKeysConfig) unmarshalMax(d *caddyfile.Dispenser) error {
	var arg string
	if err := oneArg(d, "access_keys max", &arg); err != nil {
		return err
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > mostKeys {
		return d.Errf("access_keys max %q is not a number from 1 to %d: give how many keys an account may have", arg, mostKeys)
	}
	c.Max = n
	return nil
}
