package doccheck_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Each Caddyfile in contrib is formatted and adapts, the one in the
// ConfigMap for Kubernetes included.
func TestContribCaddyfiles(t *testing.T) {
	inRepository(t)
	t.Setenv("SITE", "https://app.example.com")
	texts := map[string]string{}
	files, err := filepath.Glob("contrib/*/*Caddyfile")
	if err != nil || len(files) < 3 {
		t.Fatalf("Caddyfiles in contrib: %q, %v", files, err)
	}
	for _, file := range files {
		texts[file] = readFile(t, file)
	}
	_, manifest, found := strings.Cut(readFile(t, "contrib/kubernetes/caddyfile.yaml"), "\n  Caddyfile: |\n")
	manifest, _, ended := strings.Cut(manifest, "\n---\n")
	if !found || !ended {
		t.Fatal("contrib/kubernetes/caddyfile.yaml has no Caddyfile")
	}
	var caddyfileOf strings.Builder
	for line := range strings.Lines(manifest + "\n") {
		caddyfileOf.WriteString(strings.TrimPrefix(line, "    "))
	}
	texts["contrib/kubernetes/caddyfile.yaml"] = caddyfileOf.String()
	for name, text := range texts {
		if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
			t.Errorf("%s: caddy fmt would change it to\n%s", name, formatted)
		}
		if _, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": name}); err != nil || len(warnings) != 0 {
			t.Errorf("%s: %v %v", name, err, warnings)
		}
	}
}

// What contrib/docker builds with is what go.mod says, and what docs/docker.md
// shows is what is there.
func TestDockerFiles(t *testing.T) {
	inRepository(t)
	module, dockerfile := readFile(t, "go.mod"), readFile(t, "contrib/docker/Dockerfile")
	golang := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	if build := regexp.MustCompile(`(?m)^FROM --platform=\$BUILDPLATFORM golang:` + regexp.QuoteMeta(golang[1]) + `-alpine(@sha256:[0-9a-f]{64})? AS build$`); !build.MatchString(dockerfile) {
		t.Errorf("the Dockerfile does not build with Go %s", golang[1])
	}
	// The build context has the code alone, whatever else comes to lie in a clone.
	ignored := readFile(t, "contrib/docker/Dockerfile.dockerignore")
	_, rules, _ := strings.Cut(ignored, "\n*\n")
	for rule := range strings.Lines(rules) {
		switch rule {
		case "!contrib/docker/Caddyfile\n", "!contrib/docker/rootfs\n":
			continue
		}
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
	if !strings.Contains(dockerfile, "\nUSER 1000:1000\n") || !strings.Contains(readFile(t, "contrib/docker/compose.yaml"), "\n    user: valkey\n") {
		t.Error("a service runs as root")
	}
	_, caddyfile, _ := strings.Cut(readFile(t, "contrib/docker/Caddyfile"), "\n")
	if !strings.Contains(readFile(t, "docs/docker.md"), "```caddyfile\n"+caddyfile+"```\n") {
		t.Errorf("docs/docker.md has another Caddyfile than contrib/docker")
	}
}
