package browser

import "strings"

// CoversPath reports whether every path that a pattern of require_login stands for
// may match one of the patterns of a path matcher (Caddy's). No patterns match all
// paths. Where that cannot be told the answer is yes.
func CoversPath(patterns []string, guarded string) bool {
	if patterns == nil {
		return true
	}
	guarded, below := strings.CutSuffix(strings.ToLower(guarded), "*")
	for _, p := range patterns {
		p = strings.ToLower(p)
		prefix, open := strings.CutSuffix(p, "*")
		switch {
		case strings.ContainsAny(prefix, "*{}?[\\%"):
			return true // not a plain path
		case open && strings.HasPrefix(guarded, prefix), !open && !below && p == guarded:
			return true
		}
	}
	return false
}
