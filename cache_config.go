package caddyspotify

import (
	"cmp"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddyspotify/caddy-spotify/internal/cache"
)

// CacheConfig says which responses of the Web API are kept, and for how long. Each
// belongs to one account, is in memory only, and is dropped when the account changes
// something of the kind through the proxy or one of its sessions ends.
//
// Identical GETs of one account that are under way at once are one request in any case,
// unless `off` is set, and what Spotify's own Cache-Control allows is kept.
type CacheConfig struct {
	// Sends every request by itself, and keeps nothing.
	Off bool `json:"off,omitempty"`

	// How long responses are kept, by path. The first rule that covers a path
	// counts. Without one it is what Spotify says, which for what a person has or
	// plays is not at all. Default: none.
	Rules []CacheRule `json:"rules,omitempty"`

	// How many bytes are kept at most, for this site. What was not used for the
	// longest time goes first. 64 KiB to 1 GiB. Default: 32 MiB.
	Size int64 `json:"size,omitempty"`
}

// CacheRule says how long the responses of some paths are kept.
type CacheRule struct {
	// 1 second to 1 hour. 0 keeps none of them, whatever Spotify says.
	For caddy.Duration `json:"for,omitempty"`

	// The paths, as in `allow`: decoded, with `*` for a segment or, at the end, for
	// whatever follows.
	Paths []string `json:"paths,omitempty"`
}

// rules are the rules as the cache has them.
func (c *CacheConfig) rules() []cache.Rule {
	var rules []cache.Rule
	for _, r := range c.Rules {
		rules = append(rules, cache.Rule{For: time.Duration(r.For), Paths: r.Paths})
	}
	return rules
}

// size is Size, or its default.
func (c *CacheConfig) size() int64 { return cmp.Or(c.Size, cache.DefaultSize) }

// check refuses what cannot work.
func (c *CacheConfig) check() error { return cache.CheckRules(c.rules(), c.size()) }

// unmarshalCache reads the option cache.
func (h *Handler) unmarshalCache(d *caddyfile.Dispenser) error {
	c := new(CacheConfig)
	h.Cache = c
	if d.NextArg() {
		if d.Val() != "off" || d.NextArg() {
			return d.Errf("unexpected argument %q: write cache off, or put rules in a block", d.Val())
		}
		c.Off = true
		return nil
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		words := append([]string{d.Val()}, d.RemainingArgs()...)
		if words[0] != "size" {
			rule, err := cache.ParseRule(words)
			if err != nil {
				return d.WrapErr(err)
			}
			c.Rules = append(c.Rules, CacheRule{caddy.Duration(rule.For), rule.Paths})
			continue
		}
		if c.Size != 0 || len(words) != 2 {
			return d.Err("cache size takes one value, once: write it like size 32MiB")
		}
		size, err := humanize.ParseBytes(words[1])
		if err != nil || size == 0 {
			return d.Errf("cache size %q is not a size: write it like 32MiB", words[1])
		}
		c.Size = int64(min(size, 1<<62))
	}
	if len(c.Rules) == 0 && c.Size == 0 {
		return d.Err("cache has no rules: write them in a block like 5s /v1/me/player, write cache off, or leave it out")
	}
	return wrapped(d, c.check())
}
