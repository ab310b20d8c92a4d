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
	// The build context has the code alone, whatever else comes to lie in a clone.
	ignored := readFile(t, "contrib/docker/Dockerfile.dockerignore")
	_, rules, _ := strings.Cut(ignored, "\n*\n")
	for rule := range strings.Lines(rules) {
		if strings.HasPrefix(rule, "!contrib") || strings.HasPrefix(rule, "!*\n") || strings.HasPrefix(rule, "!.") || strings.HasPrefix(rule, "!**") {
			t.Errorf("the build context gets %s", strings.TrimSpace(rule))
		}
	}
	if rules == "" {
		t.Error("the build context does not begin with nothing")
	}
	services := strings.Count(readFile(t, "contrib/docker/compose.yaml"), "\n    restart: ")
	for _, want := range []string{"read_only: true", "cap_drop: [ALL]", `security_opt: ["no-new-privileges:true"]`} {
		if n := strings.Count(readFile(t, "contrib/docker/compose.yaml"), want); n != services {
			t.Errorf("%d of %d services have %s", n, services, want)
		}
	}
	if !strings.Contains(dockerfile, "\nUSER caddy\n") || !strings.Contains(readFile(t, "contrib/docker/compose.yaml"), "\n    user: valkey\n") {
		t.Error("a service runs as root")
	}
	_, caddyfile, _ := strings.Cut(readFile(t, "contrib/docker/Caddyfile"), "\n")
	if !strings.Contains(readFile(t, "docs/docker.md"), "```caddyfile\n"+caddyfile+"```\n") {
		t.Errorf("docs/docker.md has another Caddyfile than contrib/docker")
	}
}
