package caddyspotify

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/suggest"
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

// setters set options, by name.
type setters map[string]func() error

// unknown is the error for an option that is none of within's.
func (s setters) unknown(d *caddyfile.Dispenser, within string) error {
	var hint string
	switch near := s.nearest(d.Val()); near {
	case "":
		names := slices.Sorted(maps.Keys(s))
		hint = "use " + strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == noSecret }), ", ")
	case noSecret:
		return errNoSecret(d)
	default:
		hint = "did you mean " + near + "?"
	}
	return d.Errf("unknown option %q in %s: %s", d.Val(), within, hint)
}

func (s setters) nearest(name string) string {
	return suggest.Nearest(name, slices.Collect(maps.Keys(s)))
}

// meant returns another module's error for an option that it does not know, or a
// better one if one of ours may have been meant. The others are what it was given.
func (s setters) meant(others []*caddyfile.Dispenser, within string, err error) error {
	for _, d := range others {
		if strings.Contains(err.Error(), "unrecognized subdirective "+d.Val()) && s.nearest(d.Val()) != "" {
			return s.unknown(d, within)
		}
	}
	return err
}

// noSecret is an option that many expect, and that there is not.
const noSecret = "client_secret"

func errNoSecret(d *caddyfile.Dispenser) error {
	return d.Err(noSecret + " is not an option: logins use PKCE, which needs no secret. Remove it; the Client ID is enough")
}

// block reads the options of a nested block.
func block(d *caddyfile.Dispenser, name string, known setters) error {
	if d.NextArg() {
		return d.Errf("unexpected argument %q: put the options of %s in a block", d.Val(), name)
	}
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		set, ok := known[d.Val()]
		if !ok {
			return known.unknown(d, name)
		}
		if err := seen.once(d, name+" "+d.Val()); err != nil {
			return err
		}
		if err := set(); err != nil {
			return err
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
		return d.Errf("%s takes one value, not %d (if it is a variable, set it; if it begins with #, quote it)", name, len(args))
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
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Errf("%s takes one value, not 0 (if it is a variable, set it)", name)
	}
	arg := strings.Join(args, " ")
	parsed, err := caddy.ParseDuration(arg)
	if err != nil {
		return d.Errf("%s %q is not a duration: write %s", name, arg, cmp.Or(suggest.Duration(arg), "it like 90s, 5m or 30d"))
	}
	if parsed <= 0 {
		return d.Errf("%s %s is not positive: write it like 90s, 5m or 30d", name, arg)
	}
	*to = caddy.Duration(parsed)
	return nil
}

// eachOption calls a function with each option of the block that d is at the beginning of,
// up to the first error. The option's name has been consumed; its tokens begin with it. What
// the block belongs to takes no arguments, and its name is returned.
func eachOption(d *caddyfile.Dispenser, f func(option *caddyfile.Dispenser, tokens []caddyfile.Token) error) (name caddyfile.Token, err error) {
	d.Next()
	name = d.Token()
	if d.NextArg() {
		return name, d.Errf("unexpected argument %q: put the options in a block", d.Val())
	}
	for d.NextBlock(0) {
		tokens := d.NextSegment()
		option := caddyfile.NewDispenser(tokens)
		option.Next()
		if err := f(option, tokens); err != nil {
			return name, err
		}
	}
	return name, nil
}
