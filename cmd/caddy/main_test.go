//go:build !nodemo && !noredis

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// asCaddy in the environment turns the test's program into the command.
const asCaddy = "CADDY_SPOTIFY_TEST_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		main() // exits, unless all is well
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// run runs the command to its end and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), asCaddy+"=1", "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The plugin alone has neither the demo nor the Redis store.
func TestModules(t *testing.T) {
	modules := strings.Fields(run(t, "list-modules", "--skip-standard"))
	for _, want := range []string{"caddy.fs.spotify_demo", "http.handlers.spotify_auth", "http.handlers.spotify_auth.stores.redis"} {
		if !slices.Contains(modules, want) {
			t.Errorf("%s is not among the modules %q", want, modules)
		}
	}
}

// The demo is one of the commands of `caddy spotify`, and says how it is used.
func TestDemoHelp(t *testing.T) {
	if help := run(t, "spotify", "--help"); !strings.Contains(help, "\n  demo        Shows the proxy at work, with a simulated Spotify\n") {
		t.Errorf("caddy spotify --help does not list the demo:\n%s", help)
	}
	got, _, _ := strings.Cut(run(t, "spotify", "demo", "--help"), "\nFull documentation")
	path := filepath.Join("testdata", "demo.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; look at it, and run the test with -update if it is right:\n%s", path, got)
	}
}
