package doccheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// The table of reasons in docs/http-api.md is whole, and has nothing else in it.
func TestReasonsAreDocumented(t *testing.T) {
	inRepository(t)
	_, rest, _ := strings.Cut(readFile(t, "docs/http-api.md"), "\n### Reasons\n")
	section, _, _ := strings.Cut(rest, "\n#")
	var documented []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 6 && strings.HasPrefix(cells[1], " `") {
			documented = append(documented, strings.Trim(cells[1], " `"))
		}
	}
	var all []string
	for _, r := range reason.All() {
		all = append(all, string(r))
	}
	slices.Sort(all)
	slices.Sort(documented)
	if !slices.Equal(all, documented) {
		t.Errorf("docs/http-api.md documents\n%v, but there are\n%v", documented, all)
	}
}
