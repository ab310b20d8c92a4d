package cache

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/suggest"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// The bounds of what can be configured.
const (
	minLifetime = time.Second
	minSize     = 64 << 10
	maxSize     = 1 << 30
)

// Rule says how long the responses of some paths are kept.
type Rule struct {
	For   time.Duration // 0 if they are not
	Paths []string      // as a webapi.Rule has them
}

// ParseRule reads a rule as it is written: a duration or off, and paths. The error
// is one line and says what to write.
func ParseRule(words []string) (Rule, error) {
	if len(words) == 0 {
		return Rule{}, errors.New("cache: a rule is empty: write it like 5s /v1/me/player")
	}
	first := words[0]
	rule := Rule{Paths: words[1:]}
	if first != "off" {
		lifetime, err := caddy.ParseDuration(first)
		if err != nil {
			return Rule{}, fmt.Errorf("cache: %q is neither a duration nor off: write a rule like %s /v1/me/player", first, cmp.Or(suggest.Duration(first), "5s"))
		}
		if lifetime == 0 {
			return Rule{}, errors.New("cache: a duration of 0 keeps nothing: write off in its place")
		}
		rule.For = lifetime
	}
	return rule, rule.Check()
}

// String is how the rule is written.
func (r Rule) String() string {
	lifetime := "off"
	if r.For != 0 {
		lifetime = r.For.String()
	}
	return strings.Join(append([]string{lifetime}, r.Paths...), " ")
}

// Check says what is wrong with a rule, if anything is.
func (r Rule) Check() error {
	switch {
	case r.For != 0 && r.For < minLifetime:
		return fmt.Errorf("cache %s is too short: give at least %s, or off", r.For, minLifetime)
	case r.For > MaxLifetime:
		return fmt.Errorf("cache %s is too long: Spotify's terms have data shown as it is now; give at most %s", r.For, MaxLifetime)
	}
	if err, ok := errors.AsType[*webapi.RuleError](webapi.Rule{Paths: r.Paths}.Check()); ok {
		return fmt.Errorf("cache %s: %s", r, err.Unquoted())
	}
	return nil
}

// CheckRules says what is wrong with rules and a size, if anything is.
func CheckRules(rules []Rule, size int64) error {
	for i, r := range rules {
		if err := r.Check(); err != nil {
			return err
		}
		for _, path := range r.Paths {
			for _, before := range rules[:i] {
				if before.covers(path) {
					return fmt.Errorf("cache %s: %s is covered by the rule %s above, and the first that covers a path counts: move it up, or remove one", r, path, before)
				}
			}
		}
	}
	if size < minSize || size > maxSize {
		return fmt.Errorf("cache size %d is out of range: give 64KiB to 1GiB, or cache off", size)
	}
	return nil
}

func (r *Rule) covers(path string) bool {
	return webapi.Allowed([]webapi.Rule{{Paths: r.Paths}}, http.MethodGet, path)
}
