package doccheck_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Actions are pinned by commit, with the version beside it, and no workflow has rights
// that it does not name.
func TestWorkflowsArePinned(t *testing.T) {
	inRepository(t)
	files, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows: %q, %v", files, err)
	}
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`)
	pinned := regexp.MustCompile(`^(?:\./\S+|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	for _, file := range files {
		text := readFile(t, file)
		found := uses.FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s uses no action", file)
		}
		for _, u := range found {
			if !pinned.MatchString(u[1]) {
				t.Errorf("%s: %q is not pinned by commit, with its version", file, u[1])
			}
		}
		if !regexp.MustCompile(`(?m)^permissions:( \{\}$|\n  contents: read\n)`).MatchString(text) || strings.Contains(text, "write-all") {
			t.Errorf("%s: the rights of jobs that name none are more than to read", file)
		}
	}
	// What signs or publishes does not run what the build has downloaded.
	jobs := regexp.MustCompile(`(?m)^  [a-z-]+:\n`).Split(readFile(t, ".github/workflows/release.yml"), -1)
	for _, job := range jobs {
		if strings.Contains(job, "contents: write") && (strings.Contains(job, "actions/checkout") || strings.Contains(job, "make ") || strings.Contains(job, "go install")) {
			t.Error("the job that may write to the repository runs its code")
		}
	}
}

// The files that goreleaser packs are there, and the scripts are scripts.
func TestReleaseFiles(t *testing.T) {
	inRepository(t)
	config := readFile(t, ".goreleaser.yaml")
	n := 0
	for _, source := range regexp.MustCompile(`(?m)(?:src|postinstall|preremove|postremove): (\S+)$`).FindAllStringSubmatch(config, -1) {
		if strings.HasPrefix(source[1], "bin/release/") {
			continue // contrib/release/prepare makes them
		}
		n++
		if _, err := os.Stat(source[1]); err != nil {
			t.Error(err)
		}
	}
	if n < 8 {
		t.Errorf("only %d files are packed", n)
	}
	for _, script := range []string{
		"contrib/debian/postinst", "contrib/debian/prerm", "contrib/debian/postrm",
		"contrib/docker/pin", "contrib/docker/rootfs", "contrib/release/newcomer", "contrib/release/notes", "contrib/release/prepare", "contrib/release/sbom",
	} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", script, err, out)
		}
	}
	// The notes of a release are its section of the changelog, and nothing else. The
	// first section is empty just after a release.
	some := 0
	for _, section := range regexp.MustCompile(`(?m)^## \[([^\]]+)\]`).FindAllStringSubmatch(readFile(t, "CHANGELOG.md"), -1) {
		notes, err := exec.CommandContext(t.Context(), "sh", "contrib/release/notes", "v"+section[1]).Output()
		if err != nil {
			continue
		}
		some++
		if !strings.Contains(string(notes), "\n### ") || strings.Contains(string(notes), "\n## ") || strings.Contains(string(notes), "\n[Unreleased]: ") {
			t.Errorf("the notes of %s: %.300s", section[1], notes)
		}
	}
	if some == 0 {
		t.Error("there are no notes of any version")
	}
	if _, err := exec.CommandContext(t.Context(), "sh", "contrib/release/notes", "v99.0.0").Output(); err == nil {
		t.Error("there are notes of a version that there is not")
	}
}

// contrib/docker/pin writes a digest once, and finds one that is old.
func TestPin(t *testing.T) {
	inRepository(t)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("contrib/docker")); err != nil {
		t.Fatal(err)
	}
	docker := filepath.Join(t.TempDir(), "docker")
	run := func(digit string, args ...string) (string, error) {
		t.Helper()
		script := "#!/bin/sh\necho sha256:" + strings.Repeat(digit, 64) + "\n"
		if err := os.WriteFile(docker, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{filepath.Join(folder, "pin")}, args...)...)
		cmd.Env = append(os.Environ(), "DOCKER="+docker)
		out, err := cmd.Output()
		return string(out), err
	}
	for _, digit := range []string{"1", "2"} { // The second time it renews.
		if out, err := run(digit, "--check"); err == nil {
			t.Errorf("--check finds nothing to do: %s", out)
		}
		if out, err := run(digit); err != nil || strings.Count(out, "\n") != 3 {
			t.Errorf("pin: %v\n%s", err, out)
		}
		if out, err := run(digit, "--check"); err != nil {
			t.Errorf("--check after pin: %v\n%s", err, out)
		}
	}
	dockerfile, err := os.ReadFile(filepath.Join(folder, "Dockerfile"))
	if want := "-alpine@sha256:" + strings.Repeat("2", 64) + " AS build\n"; err != nil || !strings.Contains(string(dockerfile), want) {
		t.Errorf("the Dockerfile has no %q (%v)", want, err)
	}
}
