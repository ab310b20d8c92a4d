package caddyspotify_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What contrib/docker builds with is what go.mod says, and what docs/docker.md
// shows is what is there.
func TestDockerFiles(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	module, dockerfile := read("go.mod"), read("contrib/docker/Dockerfile")
	caddy := regexp.MustCompile(`github\.com/caddyserver/caddy/v2 v(\S+)`).FindStringSubmatch(module)
	golang := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	for _, want := range []string{"FROM caddy:" + caddy[1] + "-alpine\n", "FROM golang:" + golang[1] + "-alpine AS build\n"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile has no line %q", want)
		}
	}
	_, caddyfile, _ := strings.Cut(read("contrib/docker/Caddyfile"), "\n")
	if !strings.Contains(read("docs/docker.md"), "```caddyfile\n"+caddyfile+"```\n") {
		t.Errorf("docs/docker.md has another Caddyfile than contrib/docker")
	}
}
