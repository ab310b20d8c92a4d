package faulttest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
)

// instance is one Caddy of a cluster. It can die and be started again, at the
// same address.
type instance struct {
	*cluster
	name     string
	origin   string
	socket   string // of the admin API
	tokenURL string
	log      *logLines

	mu      sync.Mutex
	process *process
}

// process is one run of an instance.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	exited chan struct{}
}

// start starts a new instance and waits until it serves.
func (c *cluster) start() *instance {
	c.t.Helper()
	in := c.prepare()
	in.start()
	return in
}

// prepare makes a new instance that does not run yet.
func (c *cluster) prepare() *instance {
	c.t.Helper()
	c.instances++
	in := &instance{
		cluster:  c,
		name:     fmt.Sprintf("i%d", c.instances),
		origin:   "http://" + freeport.Address(c.t),
		tokenURL: c.sim.TokenURL,
		log:      &logLines{},
	}
	c.hosts.Store(strings.TrimPrefix(in.origin, "http://"), true)
	in.socket = filepath.Join(c.dir, in.name+".sock")
	c.t.Cleanup(func() {
		in.kill()
		if c.t.Failed() {
			c.t.Logf("the log of %s (%s):\n%s", in.name, in.origin, in.log)
		}
	})
	return in
}

// start starts the instance, again if it ran before.
func (in *instance) start() {
	in.t.Helper()
	if err := in.tryStart(); err != nil {
		in.t.Fatalf("starting %s: %v\n%s", in.name, err, in.log)
	}
}

// tryStart is start for other goroutines than the test's.
func (in *instance) tryStart() error {
	config := filepath.Join(in.dir, in.name+".caddyfile")
	if err := os.WriteFile(config, []byte(in.caddyfile(in, "")), 0o600); err != nil {
		return err
	}
	// A killed process leaves it behind.
	if err := os.Remove(in.socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	cmd := exec.Command(os.Args[0], "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), asCaddy+"=1", "HOME="+in.dir, "XDG_DATA_HOME="+in.dir, "XDG_CONFIG_HOME="+in.dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	ready := in.log.await("serving initial configuration")
	cmd.Stderr = in.log
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	in.mu.Lock()
	in.process = p
	in.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("it ended: %v", cmd.ProcessState)
	}
}

func (in *instance) running() *process {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.process
}

// kill ends the instance as a power cut would, and waits until it is gone.
func (in *instance) kill() {
	if p := in.running(); p != nil {
		_ = p.cmd.Process.Kill() // it may be gone already
		<-p.exited
	}
}

// terminate asks the instance to end, and returns a channel that yields its
// exit code.
func (in *instance) terminate() <-chan int {
	in.t.Helper()
	p := in.running()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		in.t.Fatalf("stopping %s: %v", in.name, err)
	}
	code := make(chan int, 1)
	go func() {
		<-p.exited
		code <- p.cmd.ProcessState.ExitCode()
	}()
	return code
}

// stop ends the instance in good order.
func (in *instance) stop() {
	in.t.Helper()
	if code := await(in.t, in.name+" ends", in.terminate()); code != 0 {
		in.t.Errorf("%s ended with exit code %d", in.name, code)
	}
}

// order has the process do something to itself.
func (in *instance) order(what string) {
	in.t.Helper()
	p := in.running()
	if _, err := io.WriteString(p.stdin, what+"\n"); err != nil {
		in.t.Fatal(err)
	}
	if answer, err := p.stdout.ReadString('\n'); err != nil || answer != "obeyed "+what+"\n" {
		in.t.Fatalf("%s: %q %v", what, answer, err)
	}
}

// reload loads the config again, with further options of spotify_proxy.
func (in *instance) reload(extra string) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", in.socket)
		},
	}}
	req, err := http.NewRequest(http.MethodPost, "http://"+in.name+"/load", strings.NewReader(in.caddyfile(in, extra)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate") // reload even what has not changed
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reload: status %d: %s", resp.StatusCode, body)
	}
	return nil
}

// logLines is what an instance has logged so far.
type logLines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	rest    []byte // of a line that has not ended
	waiting map[string]chan struct{}
}

// Write implements io.Writer.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		for text, ch := range l.waiting {
			if bytes.Contains(l.rest[:end], []byte(text)) {
				close(ch)
				delete(l.waiting, text)
			}
		}
		l.rest = l.rest[end+1:]
	}
}

// await returns a channel that is closed at the next line with this text.
func (l *logLines) await(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = make(map[string]chan struct{})
	}
	if ch, found := l.waiting[text]; found {
		return ch
	}
	ch := make(chan struct{})
	l.waiting[text] = ch
	return ch
}

// String returns everything logged so far.
func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logLine is what the tests want to know of one line.
type logLine struct {
	At      float64 `json:"ts"`
	Message string  `json:"msg"`
	Session string  `json:"session"`
	Outcome string  `json:"outcome"`
}

func (l logLine) time() time.Time { return time.UnixMicro(int64(l.At * 1e6)) }

// about returns the lines about a session.
func (l *logLines) about(ref string) []logLine {
	var lines []logLine
	for text := range strings.Lines(l.String()) {
		var line logLine
		if strings.Contains(text, ref) && json.Unmarshal([]byte(text), &line) == nil && line.Session == ref {
			lines = append(lines, line)
		}
	}
	return lines
}
