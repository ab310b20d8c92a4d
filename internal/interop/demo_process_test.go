package interop

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// demoProcess is `caddy spotify demo`, built and run as anybody would.
type demoProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	home string // its home directory, empty at first

	url, simulator string // origins

	mu      sync.Mutex
	output  strings.Builder
	changed chan struct{} // closed and replaced at each line
	read    chan struct{} // closed once all output has been read
}

var buildCaddy = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "caddy-spotify-interop")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-o", binary, "./cmd/caddy")
	build.Dir = filepath.Join("..", "..")
	build.Stderr = os.Stderr
	return binary, build.Run()
})

func TestMain(m *testing.M) {
	status := m.Run()
	if binary, _ := buildCaddy(); binary != "" {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

func startDemo(t *testing.T, args ...string) *demoProcess {
	t.Helper()
	binary, err := buildCaddy()
	if err != nil {
		t.Fatalf("building Caddy: %v", err)
	}
	d := &demoProcess{t: t, home: t.TempDir(), changed: make(chan struct{}), read: make(chan struct{})}
	d.cmd = exec.Command(binary, append([]string{"spotify", "demo"}, args...)...)
	d.cmd.Dir = d.home
	d.cmd.Env = append(os.Environ(), "HOME="+d.home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=")
	out, in := io.Pipe()
	d.cmd.Stdout, d.cmd.Stderr = in, in
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("starting the demo: %v", err)
	}
	go d.follow(out)
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil {
			_ = d.cmd.Process.Kill()
			_ = d.cmd.Wait()
		}
		_ = in.Close()
		<-d.read
		if t.Failed() {
			t.Logf("the demo printed:\n%s", d.printed())
		}
	})
	d.url = d.expect(`(?m)^  (http://\S+)$`)[1]
	d.simulator = d.expect(`simulated at (http://[^ ]+)\.`)[1]
	return d
}

func (d *demoProcess) follow(out io.Reader) {
	defer close(d.read)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		d.mu.Lock()
		d.output.WriteString(lines.Text() + "\n")
		close(d.changed)
		d.changed = make(chan struct{})
		d.mu.Unlock()
	}
}

func (d *demoProcess) printed() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.output.String()
}

// expect waits until the output matches, and returns the match and its groups.
func (d *demoProcess) expect(pattern string) []string {
	d.t.Helper()
	wanted := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		d.mu.Lock()
		changed, output := d.changed, d.output.String()
		d.mu.Unlock()
		if match := wanted.FindStringSubmatch(output); match != nil {
			return match
		}
		select {
		case <-changed:
		case <-timeout:
			d.t.Fatalf("the demo never printed %s, but:\n%s", pattern, output)
		}
	}
}

// interrupt presses Ctrl-C and checks that the demo leaves nothing behind.
func (d *demoProcess) interrupt() {
	d.t.Helper()
	if runtime.GOOS == "windows" {
		d.t.Skip("Windows cannot send an interrupt to another process")
	}
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.t.Fatalf("interrupting the demo: %v", err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the demo ended with %v, want exit status 0", err)
	}
	for _, origin := range []string{d.url, d.simulator} {
		u, err := url.Parse(origin)
		if err != nil {
			d.t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", u.Host); err == nil {
			conn.Close()
			d.t.Errorf("somebody still listens at %s", origin)
		}
	}
	err := filepath.WalkDir(d.home, func(path string, _ os.DirEntry, err error) error {
		if path != d.home {
			d.t.Errorf("the demo left %s behind", path)
		}
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
}
