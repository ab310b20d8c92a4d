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
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		option := "access_keys " + name
		if name == "allow" {
			rule := webapi.NewRule(d.RemainingArgs())
			if err := rule.Check(); err != nil {
				return d.Errf("access_keys %w", err)
			}
			c.Allow = append(c.Allow, AllowRule(rule))
			continue
		}
		if err := seen.once(d, option); err != nil {
			return err
		}
		var err error
		switch name {
		case "lifetime":
			err = duration(d, option, &c.Lifetime)
		case "max":
			err = c.unmarshalMax(d)
		case "key":
			err = oneArg(d, option, &c.Key)
		default:
			err = d.Errf("unknown option %q in access_keys", name)
		}
		if err != nil {
			return err
		}
	}
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
