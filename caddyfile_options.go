package caddyspotify

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// options remembers which options were given, since each may be given once.
type options map[string]struct{}

func (o options) once(d *caddyfile.Dispenser, name string) error {
	if _, ok := o[name]; ok {
		return d.Errf("%s is given twice: remove one", name)
	}
	o[name] = struct{}{}
	return nil
}

// block reads the options of a nested block.
func block(d *caddyfile.Dispenser, name string, option func(string) (known bool, err error)) error {
	if d.NextArg() {
		return d.Errf("unexpected argument %q: put the options of %s in a block", d.Val(), name)
	}
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		inner := d.Val()
		if err := seen.once(d, name+" "+inner); err != nil {
			return err
		}
		known, err := option(inner)
		if err != nil {
			return err
		}
		if !known {
			return d.Errf("unknown option %q in %s", inner, name)
		}
	}
	if len(seen) == 0 {
		return d.Errf("%s has no options: give some in a block, or leave it out", name)
	}
	return nil
}

func oneArg(d *caddyfile.Dispenser, name string, to *string) error {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return d.Errf("%s takes one value, not %d (if it is a variable, set it)", name, len(args))
	}
	*to = args[0]
	return nil
}

func someArgs(d *caddyfile.Dispenser, name string, to *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Errf("%s needs at least one value, or leave it out", name)
	}
	*to = args
	return nil
}

func flag(d *caddyfile.Dispenser, name string, to *bool) error {
	if d.NextArg() {
		return d.Errf("%s takes no value: remove %q", name, d.Val())
	}
	*to = true
	return nil
}

func duration(d *caddyfile.Dispenser, name string, to *caddy.Duration) error {
	var arg string
	if err := oneArg(d, name, &arg); err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(arg)
	if err != nil {
		return d.Errf("%s %q is not a duration: write it like 90s, 5m or 30d", name, arg)
	}
	if parsed <= 0 {
		return d.Errf("%s %s is not positive: write it like 90s, 5m or 30d", name, arg)
	}
	*to = caddy.Duration(parsed)
	return nil
}
