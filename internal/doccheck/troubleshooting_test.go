package doccheck_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/reason"
)

// People look for the text that they see, so what docs/troubleshooting.md has in
// bold is what the proxy says, word for word, and no reason is left out.
func TestTroubleshootingDocument(t *testing.T) {
	inRepository(t)
	doc, said := readFile(t, "docs/troubleshooting.md"), whatIsSaid(t)
	bold, quoted := regexp.MustCompile(`\*\*([^*]+)\*\*`), regexp.MustCompile(`"[^"]*"`)
	texts := 0
	for _, title := range []string{"On one of the proxy's pages", "When Caddy starts"} {
		_, rest, found := strings.Cut(doc, "\n## "+title+"\n")
		if !found {
			t.Fatalf("there is no section %q", title)
		}
		section, _, _ := strings.Cut(rest, "\n## ")
		for _, m := range bold.FindAllStringSubmatch(section, -1) {
			text := quoted.ReplaceAllString(strings.Join(strings.Fields(m[1]), " "), "%q")
			if text == "unrecognized directive: spotify_proxy" {
				continue // Caddy says that, where the plugin is not there to say anything
			}
			texts++
			if !strings.Contains(said, text) {
				t.Errorf("nothing says %q", m[1])
			}
		}
	}
	if texts < 15 {
		t.Errorf("only %d texts were found", texts)
	}

	for _, r := range reason.All() {
		if !strings.Contains(doc, "`"+string(r)+"`") {
			t.Errorf("it does not say what to do about %s", r)
		}
	}
	reference := readFile(t, "docs/http-api.md")
	for _, m := range regexp.MustCompile("\\*\\*([1-5][0-9]{2}) `([a-z_]+)`\\*\\*").FindAllStringSubmatch(doc, -1) {
		row := regexp.MustCompile("(?m)^\\| `" + m[2] + "` \\| [0-9, ]*" + m[1])
		if !row.MatchString(reference) {
			t.Errorf("docs/http-api.md does not say that %s comes with %s", m[2], m[1])
		}
	}
}

// whatIsSaid returns the sources, with each text in one piece: what is joined of
// several literals is one, and where something is quoted in it there is %q.
func whatIsSaid(t *testing.T) string {
	t.Helper()
	joint, between := regexp.MustCompile(`"\s*\+\s*"`), regexp.MustCompile(`"\s*\+\s*[\w.]+(?:\([\w.]*\))?\s*\+\s*"`)
	var all strings.Builder
	for _, source := range sources(t) {
		all.WriteString(between.ReplaceAllString(joint.ReplaceAllString(source, ""), "%q"))
	}
	return all.String()
}
