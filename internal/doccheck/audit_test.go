package doccheck_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// The documentation has the events of the audit log and their fields, and no others.
func TestAuditIsDocumented(t *testing.T) {
	inRepository(t)
	_, section, _ := strings.Cut(readFile(t, "OPERATIONS.md"), "### The audit log")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := make(map[telemetry.AuditEvent]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section, -1) {
		event := telemetry.AuditEvent(m[1])
		documented[event] = true
		fields := strings.Fields(strings.ReplaceAll(m[2], "`", ""))
		if !slices.Equal(fields, telemetry.AuditFields[event]) {
			t.Errorf("OPERATIONS.md has the fields %q for %s, and there are %q", fields, event, telemetry.AuditFields[event])
		}
	}
	for event := range telemetry.AuditFields {
		if !documented[event] {
			t.Errorf("OPERATIONS.md does not have %s", event)
		}
	}
}
