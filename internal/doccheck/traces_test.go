package doccheck_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/trace"
)

// The documentation has the spans that there are, and no others.
func TestSpansAreDocumented(t *testing.T) {
	inRepository(t)
	var documented []trace.Name
	for _, m := range regexp.MustCompile("(?m)^\\| `(spotify\\.[a-z.]+)` \\|").FindAllStringSubmatch(readFile(t, "docs/tracing.md"), -1) {
		documented = append(documented, trace.Name(m[1]))
	}
	names := trace.Names()
	slices.Sort(documented)
	slices.Sort(names)
	if !slices.Equal(documented, names) {
		t.Errorf("docs/tracing.md has %q, and there are %q", documented, names)
	}
}
