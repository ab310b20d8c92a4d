package caddyspotify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/clock"
	"github.com/caddyspotify/caddy-spotify/internal/quota"
)

// QuotaConfig is a budget for what the app sends to Spotify, in a day that rolls as
// Spotify's does. It is counted together with all sites of the same client ID, and
// with all instances that share Caddy's storage. Spotify does not tell the size of its
// own quota; `caddy spotify quota` shows what it was when it was last used up.
//
// Once half of it is used, the rest is shared out: visitors get equal parts of
// what those who ask for less leave over, and a tenth is kept for those who have had
// little. Others get a 429 with the reason `budget_exceeded`. Responses of the Web
// API tell a page by the header `Spotify-Proxy-Quota` how its visitor stands.
type QuotaConfig struct {
	// The number of requests in 24 hours. Required.
	Limit int `json:"limit,omitempty"`

	// The part, in percent, that is set apart for what `share` shows. Others do not
	// use it, and `share` uses no more. Default: nothing is set apart, and each shared
	// path counts like a visitor.
	Share int `json:"share,omitempty"`

	// The part, in percent, that is set apart for access keys, and divided among them.
	// Default: nothing is set apart, and each key counts like a visitor.
	Keys int `json:"keys,omitempty"`
}

// maxQuota is more than any app has.
const maxQuota = 100_000_000

// check refuses a budget that cannot be meant.
func (c *QuotaConfig) check() error {
	switch {
	case c.Limit < 1 || c.Limit > maxQuota:
		return fmt.Errorf("quota %d is out of range: give the number of requests that may be sent in a day, such as quota 1000", c.Limit)
	case c.Share < 0 || c.Share > 99:
		return fmt.Errorf("quota share %d%% is out of range: give 1%% to 99%%, or leave it out", c.Share)
	case c.Keys < 0 || c.Keys > 99:
		return fmt.Errorf("quota keys %d%% is out of range: give 1%% to 99%%, or leave it out", c.Keys)
	case c.Share+c.Keys > 99:
		return fmt.Errorf("quota share %d%% and keys %d%% leave nothing for visitors and logins: make them less than 100%% together", c.Share, c.Keys)
	}
	return nil
}

// budget returns the budget, or nil if there is none.
func (c *QuotaConfig) budget() *quota.Budget {
	if c == nil {
		return nil
	}
	b := quota.Budget(*c)
	return &b
}

func (h *Handler) unmarshalQuota(d *caddyfile.Dispenser) error {
	c := new(QuotaConfig)
	h.Quota = c
	var limit string
	if err := oneArg(d, "quota", &limit); err != nil {
		return err
	}
	var err error
	if c.Limit, err = strconv.Atoi(strings.ReplaceAll(limit, "_", "")); err != nil {
		return d.Errf("quota %q is not a number of requests: write it like quota 1000", limit)
	}
	known := setters{
		"share": func() error { return percent(d, "quota share", &c.Share) },
		"keys":  func() error { return percent(d, "quota keys", &c.Keys) },
	}
	seen := make(options)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		set, ok := known[d.Val()]
		if !ok {
			return known.unknown(d, "quota")
		}
		if err := seen.once(d, "quota "+d.Val()); err != nil {
			return err
		}
		if err := set(); err != nil {
			return err
		}
	}
	return wrapped(d, c.check())
}

// percent reads a part such as 30%.
func percent(d *caddyfile.Dispenser, name string, to *int) error {
	var arg string
	if err := oneArg(d, name, &arg); err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(arg, "%"))
	if err != nil || n < 1 {
		return d.Errf("%s %q is not a part of the quota: write it like 30%%", name, arg)
	}
	*to = n
	return nil
}

// acquireQuota returns the ledger of the app, with the site's budget.
func (h *Handler) acquireQuota(ctx caddy.Context) *quota.Use {
	use, release := quota.Acquire(h.ClientID, ctx.Storage(), h.Quota.budget(), clock.Get(), ctx.Logger())
	h.release = append(h.release, release)
	return use
}
