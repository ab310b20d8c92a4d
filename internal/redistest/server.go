// Package redistest starts real Redis or Valkey servers for tests.
//
// It looks for redis-server, then valkey-server, on the PATH. Without either
// the test is skipped, or fails if the environment has CI_NO_SKIP=1.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
)

// Server is one Redis or Valkey process that listens on 127.0.0.1. It dies with
// the test. Its methods fail the test when they cannot do their work, and must
// be called from the goroutine of the test, as testing.TB's FailNow demands.
type Server struct {
	// Addr is host:port, the same after every Restart.
	Addr string
	// Files is set by TLS.
	Files *TLSFiles

	tb   testing.TB
	dir  string
	args []string

	mu      sync.Mutex
	process *process
}

// An Option of Start.
type Option func(*Server)

// Args adds arguments of redis-server, such as "--maxmemory", "1mb".
func Args(args ...string) Option {
	return func(s *Server) { s.args = append(s.args, args...) }
}

// Persistent makes the server keep its data across Restart, even after Kill:
// every write is on disk before it is answered.
func Persistent() Option {
	return Args("--appendonly", "yes", "--appendfsync", "always")
}

// Start starts a server on a free port. It keeps nothing on disk unless
// Persistent is among the options.
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	program := find(tb)
	s := &Server{tb: tb, dir: tb.TempDir()}
	for _, option := range options {
		option(s)
	}
	// Somebody else may take the free port before the server does.
	var err error
	for range 5 {
		s.Addr = freeport.Address(tb)
		if s.process, err = s.run(program); err == nil {
			tb.Cleanup(s.Kill)
			return s
		}
	}
	tb.Fatalf("starting %s: %v", program, err)
	return nil
}

// Stop ends the server in an orderly way. Stopping what does not run is no error.
func (s *Server) Stop() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(os.Interrupt)
}

// Kill ends the server with SIGKILL, paused or not.
func (s *Server) Kill() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(os.Kill)
}

// Restart stops the server if it runs and starts it on the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(os.Interrupt)
	p, err := s.run(find(s.tb))
	if err != nil {
		s.tb.Fatalf("restarting the server at %s: %v", s.Addr, err)
	}
	s.process = p
}

// end must be called with the lock held.
func (s *Server) end(signal os.Signal) {
	if s.process == nil {
		return
	}
	s.process.end(signal)
	s.process = nil
}

// run starts the process and waits until it says that it accepts connections.
func (s *Server) run(program string) (*process, error) {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, err
	}
	portOption := "--port"
	if s.Files != nil {
		portOption = "--tls-port"
	}
	args := []string{
		"--bind", host, "--dir", s.dir, "--save", "", "--daemonize", "no",
		"--port", "0", portOption, port,
	}
	return start(program, append(args, s.args...))
}

// process is one run of a server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// start runs the program and returns once its log says that it is ready.
func start(program string, args []string) (*process, error) {
	cmd := exec.Command(program, args...)
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	ready, output := make(chan struct{}), make(chan string, 1)
	go func() {
		_ = cmd.Wait()
		_ = writer.Close()
		close(p.done)
	}()
	go func() { output <- readLog(reader, ready) }()
	select {
	case <-ready:
		return p, nil
	case <-p.done:
		return nil, errors.New(<-output)
	}
}

// readLog closes ready when the log says so, and reads on to the end lest the
// server block on it. It returns what was said before the server was ready.
func readLog(log io.Reader, ready chan<- struct{}) string {
	var said []string
	isReady := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if isReady {
			continue
		}
		said = append(said, lines.Text())
		// Servers say the first, sentinels the second.
		if strings.Contains(lines.Text(), "Ready to accept connections") ||
			strings.Contains(lines.Text(), "+monitor") {
			close(ready)
			isReady = true
		}
	}
	return strings.Join(said, "\n")
}

// end sends the signal and waits for the process to go. One that does not, a
// paused one for example, is killed.
func (p *process) end(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// find returns the path of the server program, or ends the test.
func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const message = "neither redis-server nor valkey-server is on the PATH"
	if os.Getenv("CI_NO_SKIP") == "1" {
		tb.Fatal(message)
	}
	tb.Skip(message)
	return ""
}

// StartSentinel starts a sentinel that watches master under the given name, and
// returns the sentinel's address.
func StartSentinel(tb testing.TB, name string, master *Server) string {
	tb.Helper()
	program := find(tb)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	for range 5 {
		addr := freeport.Address(tb)
		_, own, _ := net.SplitHostPort(addr)
		// A sentinel insists on a config file that it may rewrite.
		file := filepath.Join(tb.TempDir(), "sentinel.conf")
		config := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 2000\n",
			own, name, host, port, name, name)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			tb.Fatal(err)
		}
		var p *process
		if p, err = start(program, []string{file, "--sentinel"}); err == nil {
			tb.Cleanup(func() { p.end(os.Kill) })
			return addr
		}
	}
	tb.Fatalf("starting a sentinel: %v", err)
	return ""
}
