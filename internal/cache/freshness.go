package cache

import (
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxLifetime bounds how long a response is kept, whoever says how long.
	MaxLifetime = time.Hour
	// MaxStale is how long a response may be shown after that, while Spotify
	// limits the app's requests.
	MaxStale = 10 * time.Minute
)

// Lifetime returns how long a response to a GET of a path is fresh, by the site's
// rules or by what its headers say (RFC 9111 §4.2), and how long it may be shown after
// that. Both are 0 if it must not be kept.
func (c *Cache) Lifetime(path string, status int, header http.Header) (fresh, stale time.Duration) {
	if status != http.StatusOK && status != http.StatusNoContent || c.size <= 0 {
		return 0, 0
	}
	said := readCacheControl(header["Cache-Control"])
	if said.noStore {
		return 0, 0
	}
	if rule := c.ruleFor(path); rule != nil {
		fresh = rule.For
	} else if fresh = said.lifetime(header) - ageOf(header); said.noCache {
		fresh = 0
	}
	fresh = min(fresh, MaxLifetime)
	if fresh <= 0 {
		return 0, 0
	}
	for _, v := range header["Vary"] {
		for name := range strings.SplitSeq(v, ",") {
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "*", "user-agent", "cookie":
				return 0, 0 // the key does not have them
			}
		}
	}
	if !said.mustRevalidate {
		stale = MaxStale
	}
	return fresh, stale
}

func (c *Cache) ruleFor(path string) *Rule {
	for i := range c.rules {
		if c.rules[i].covers(path) {
			return &c.rules[i]
		}
	}
	return nil
}

// cacheControl is what a Cache-Control header says, as far as it matters here.
type cacheControl struct {
	noStore, noCache, mustRevalidate bool
	maxAge                           time.Duration
	hasMaxAge                        bool
}

func readCacheControl(values []string) (c cacheControl) {
	for name, argument := range directives(values) {
		switch name {
		case "no-store":
			c.noStore = true
		case "no-cache": // with field names as well: they would have to be left out
			c.noCache = true
		case "must-revalidate":
			c.mustRevalidate = true
		case "max-age":
			age := seconds(argument)
			if c.hasMaxAge {
				age = min(age, c.maxAge) // RFC 9111 §4.2.1
			}
			c.maxAge, c.hasMaxAge = age, true
		}
	}
	return c
}

// lifetime is for how long a response with these headers is fresh when it is new.
func (c cacheControl) lifetime(h http.Header) time.Duration {
	if c.hasMaxAge {
		return c.maxAge
	}
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return expires.Sub(date)
}

// directives returns the directives of Cache-Control, with their arguments (RFC 9111
// §5.2).
func directives(values []string) iter.Seq2[string, string] {
	return func(yield func(name, argument string) bool) {
		for _, v := range values {
			for v != "" {
				end, quoted := 0, false
				for ; end < len(v) && (quoted || v[end] != ','); end++ {
					switch {
					case v[end] == '"':
						quoted = !quoted
					case v[end] == '\\' && quoted:
						end++
					}
				}
				end = min(end, len(v))
				name, argument, _ := strings.Cut(v[:end], "=")
				v = strings.TrimPrefix(v[end:], ",")
				if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
					continue
				}
				if !yield(name, strings.Trim(strings.TrimSpace(argument), `"`)) {
					return
				}
			}
		}
	}
}

// seconds reads a number of seconds. What is none is 0, and so stale. No more are
// told apart than a year has.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 366*24*60*60)) * time.Second
}

func ageOf(h http.Header) time.Duration {
	if len(h["Age"]) == 0 {
		return 0
	}
	return seconds(strings.TrimSpace(h["Age"][0]))
}

// AsksOf reads what a client's headers ask of a cache.
func AsksOf(h http.Header) Asks {
	a := Asks{MaxAge: -1}
	values := h["Cache-Control"]
	if len(values) == 0 {
		if len(h["Pragma"]) > 0 {
			a.NoCache = strings.EqualFold(strings.TrimSpace(h["Pragma"][0]), "no-cache")
		}
		return a
	}
	said := readCacheControl(values)
	a.NoStore, a.NoCache = said.noStore, said.noStore || said.noCache
	if said.hasMaxAge {
		a.MaxAge = said.maxAge
		a.NoCache = a.NoCache || said.maxAge == 0
	}
	return a
}
