package doccheck_test

import (
	"regexp"
	"strings"
	"testing"
)

// What contrib/docker builds with is what go.mod says, and what docs/docker.md
// shows is what is there.
func TestDockerFiles(t *testing.T) {
	inRepository(t)
	module, dockerfile := readFile(t, "go.mod"), readFile(t, "contrib/docker/Dockerfile")
	caddy := regexp.MustCompile(`github\.com/caddyserver/caddy/v2 v(\S+)`).FindStringSubmatch(module)
	golang := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	for _, want := range []string{"FROM caddy:" + caddy[1] + "-alpine\n", "FROM golang:" + golang[1] + "-alpine AS build\n"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile has no line %q", want)
		}
	}
	_, caddyfile, _ := strings.Cut(readFile(t, "contrib/docker/Caddyfile"), "\n")
	if !strings.Contains(readFile(t, "docs/docker.md"), "```caddyfile\n"+caddyfile+"```\n") {
		t.Errorf("docs/docker.md has another Caddyfile than contrib/docker")
	}
}
