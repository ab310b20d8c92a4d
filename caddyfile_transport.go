package caddyspotify

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddyspotify/caddy-spotify/internal/suggest"
)

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	transport spotify {
//	    api_url     <url>
//	    replay_body <size>|off
//	    links       rewrite|keep
//	    translate   on|off|playlists
//	    retry       <times> [<max_wait>]
//	    compression off
//	    <options of transport http>
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	seen := make(options)
	var rest []caddyfile.Token
	var others []*caddyfile.Dispenser
	name, err := eachOption(d, func(option *caddyfile.Dispenser, tokens []caddyfile.Token) error {
		known, err := t.unmarshalOption(option, seen)
		if err == nil && !known {
			rest, others = append(rest, tokens...), append(others, option)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := t.HTTPTransport.UnmarshalCaddyfile(inBlock(name, rest)); err != nil {
		return t.setters(nil).meant(others, "transport spotify", err)
	}
	return nil
}

// inBlock returns a dispenser for a name and a block of what is in it.
func inBlock(name caddyfile.Token, content []caddyfile.Token) *caddyfile.Dispenser {
	tokens := []caddyfile.Token{name}
	if len(content) > 0 {
		// A token keeps to itself whether it was quoted, as a brace must not
		// have been and the name was not.
		open, end, last := name, name, content[len(content)-1]
		open.Text, end.Text = "{", "}"
		end.Line = last.Line + last.NumLineBreaks() + 1
		tokens = append(append(append(tokens, open), content...), end)
	}
	return caddyfile.NewDispenser(tokens)
}

// setters are t's own options.
func (t *Transport) setters(d *caddyfile.Dispenser) setters {
	return setters{
		"api_url":     func() error { return oneArg(d, "api_url", &t.APIURL) },
		"replay_body": func() error { return t.unmarshalReplayBody(d) },
		"links":       func() error { return t.unmarshalLinks(d) },
		"translate":   func() error { return t.unmarshalTranslate(d) },
		"retry":       func() error { return t.unmarshalRetry(d) },
		"compression": func() error { return t.unmarshalCompression(d) },
	}
}

// unmarshalOption sets the option that d stands at, if it is one of t's own.
func (t *Transport) unmarshalOption(d *caddyfile.Dispenser, seen options) (known bool, err error) {
	name := d.Val()
	set, ok := t.setters(d)[name]
	if !ok {
		return false, nil
	}
	if err := seen.once(d, name); err != nil {
		return true, err
	}
	return true, set()
}

func (t *Transport) unmarshalLinks(d *caddyfile.Dispenser) error {
	if err := oneArg(d, "links", &t.Links); err != nil {
		return err
	}
	return wrapped(d, t.checkLinks())
}

func (t *Transport) unmarshalTranslate(d *caddyfile.Dispenser) error {
	if err := oneArg(d, "translate", &t.Translate); err != nil {
		return err
	}
	return wrapped(d, t.checkTranslate())
}

// wrapped says where in the Caddyfile an error is, if it is one.
func wrapped(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

func (t *Transport) unmarshalCompression(d *caddyfile.Dispenser) error {
	var arg string
	if err := oneArg(d, "compression", &arg); err != nil {
		return err
	}
	if arg != "off" {
		return d.Errf("compression %q is unknown: use off, or leave it out", arg)
	}
	t.Compression = new(bool)
	return nil
}

func (t *Transport) unmarshalReplayBody(d *caddyfile.Dispenser) error {
	var arg string
	if err := oneArg(d, "replay_body", &arg); err != nil {
		return err
	}
	t.ReplayBody = new(int64)
	if arg == "off" {
		return nil
	}
	size, err := humanize.ParseBytes(arg)
	if err != nil {
		return d.Errf("replay_body %q is not a size: write it like 512KiB or 1MiB, or off", arg)
	}
	*t.ReplayBody = int64(min(size, 1<<62))
	_, err = t.checkReplayBody()
	return wrapped(d, err)
}

func (t *Transport) checkLinks() error {
	switch t.Links {
	case "", linksRewrite, linksKeep:
		return nil
	}
	return fmt.Errorf("links %q is unknown: use rewrite or keep", t.Links)
}

func (t *Transport) checkTranslate() error {
	switch t.Translate {
	case "", translateOn, translateOff, translatePlaylists:
		return nil
	}
	return fmt.Errorf("translate %q is unknown: use on, off or playlists", t.Translate)
}

func (t *Transport) unmarshalRetry(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("retry takes the number of times and, if you like, the longest wait: write it like retry 2 10s")
	}
	times, err := strconv.Atoi(args[0])
	if err != nil {
		return d.Errf("retry %q is not a number of times: write it like retry 2 10s", args[0])
	}
	t.Retry = &RetryConfig{Times: times}
	if text := strings.Join(args[1:], " "); text != "" {
		wait, err := caddy.ParseDuration(text)
		if err != nil || wait <= 0 {
			return d.Errf("retry %q is not a positive duration: write it like retry %d %s", text, times, cmp.Or(suggest.Duration(text), "10s"))
		}
		t.Retry.MaxWait = caddy.Duration(wait)
	}
	return wrapped(d, t.checkRetry())
}

func (t *Transport) checkRetry() error {
	if t.Retry == nil {
		return nil
	}
	if t.Retry.Times < 1 || t.Retry.Times > maxRetries {
		return fmt.Errorf("retry %d is out of range: give 1 to %d times, or leave it out", t.Retry.Times, maxRetries)
	}
	return positive("retry max_wait", &t.Retry.MaxWait, defaultMaxWait, time.Millisecond)
}
