package proxytest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// asCaddy in the environment turns the test's program into Caddy.
const asCaddy = "CADDY_SPOTIFY_TEST_AS_CADDY"

// Main is for the TestMain of packages that use CaddyCommand, RunCaddy or
// StartCaddy: those run the test's own program, as Caddy.
func Main(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main() // exits, unless all is well
		os.Exit(0)
	}
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		// The variable was lost on the way. Running the tests would start this
		// program again, and so on without end.
		fmt.Fprintf(os.Stderr, "%s is not set, so this is no Caddy: %q\n", asCaddy, os.Args[1:])
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// CaddyCommand returns a command of Caddy with this plugin, in a home of its own.
func CaddyCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), asCaddy+"=1", "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	return cmd
}

// RunCaddy runs a command of Caddy to its end.
func RunCaddy(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return Finish(t, CaddyCommand(t, args...))
}

// Finish runs cmd to its end. An exit code other than 0 is no failure of the test.
func Finish(t testing.TB, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("caddy %s: %v", strings.Join(cmd.Args[1:], " "), err)
	}
	return out.String(), errs.String(), code
}

// StartCaddy runs another Caddy, in a process of its own, until the test ends. It
// serves when StartCaddy returns.
func StartCaddy(t testing.TB, caddyfile string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := CaddyCommand(t, "run", "--config", path, "--adapter", "caddyfile")
	log := &serving{ready: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	select {
	case <-log.ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the other Caddy ended: %v\n%s", err, log)
	case <-time.After(patience):
		t.Fatalf("the other Caddy does not serve:\n%s", log)
	}
}

// serving is the log of a Caddy. It closes ready when Caddy serves.
type serving struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	once  sync.Once
	ready chan struct{}
}

func (s *serving) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	if bytes.Contains(s.buf.Bytes(), []byte("serving initial configuration")) {
		s.once.Do(func() { close(s.ready) })
	}
	return len(p), nil
}

func (s *serving) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
