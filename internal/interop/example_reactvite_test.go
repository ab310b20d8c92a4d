//go:build unix

package interop

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestExampleReactVite starts the example's one command, in a copy, and edits a
// component while somebody is logged in.
func TestExampleReactVite(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	caddy, err := buildCaddy()
	if err != nil {
		t.Fatalf("building Caddy: %v", err)
	}
	// The example uses the client module's folder, by its relative path.
	root := t.TempDir()
	dir := filepath.Join(root, "examples", "react-vite")
	page, listen := portOf(t, freeOrigin(t)), portOf(t, freeOrigin(t))
	ports := strings.NewReplacer("5173", page, "8080", listen)
	copyTree(t, example(t, "react-vite"), dir, ports.Replace)
	copyTree(t, filepath.Join("..", "..", "client"), filepath.Join(root, "client"), nil)

	start := exec.Command("npm", "start", "--prefix", dir)
	start.Env = append(os.Environ(), "CADDY="+caddy, "SPOTIFY_CLIENT_ID=")
	// A process group, so that Ctrl-C reaches all of it, as in a terminal.
	start.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output := new(lockedBuffer)
	start.Stdout, start.Stderr = output, output
	if err := start.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- start.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-start.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the example printed:\n%s", output)
		}
	})
	origin := "http://127.0.0.1:" + page
	waitForServer(t, origin, ended)

	b.do("opening the page", chromedp.Navigate(origin))
	b.waitText("status", "Not logged in.")
	a.inspect(b, "react-vite-logged-out")
	b.press("button")
	b.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.waitText("status", "Logged in as Mira Okafor")
	b.waitFor("the artists are there", `document.querySelectorAll("#artists li").length === 10`)
	b.waitFor("what plays is there", `/^Playing: .+, \d+:\d\d of /.test(document.getElementById("now")?.textContent)`)
	if at := read(b, "reading the address", chromedp.Location()); at != origin+"/" {
		t.Errorf("the login ended at %s", at)
	}
	a.inspect(b, "react-vite-logged-in")
	b.sessionCookie(origin)

	b.do("choosing another time", chromedp.Evaluate[chromedp.Void](`void (window.before = true)`), chromedp.Click(chromedp.CSS(`input[type=radio]:not(:checked)`)))
	b.waitFor("the artists are there again", `document.querySelectorAll("#artists li").length === 10`)
	component := filepath.Join(dir, "src", "App.jsx")
	text, err := os.ReadFile(component)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "<h1>My top artists</h1>", "<h1>Those I hear most</h1>", 1)
	if err := os.WriteFile(component, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	b.waitFor("the page shows the edit", `document.querySelector("h1").textContent === "Those I hear most"`)
	if !read(b, "looking for traces of a reload", chromedp.Evaluate[bool](`window.before === true && document.querySelector("input[type=radio]").checked`)) {
		t.Error("the page was loaded again, or lost its state")
	}
	if got := b.text("status"); got != "Logged in as Mira Okafor" {
		t.Errorf("after the edit: %q", got)
	}
	if n := b.count("#artists li"); n != 10 {
		t.Errorf("after the edit there are %d artists", n)
	}
	b.press("button")
	b.waitText("status", "Not logged in.")
	b.expectQuiet()

	if err := syscall.Kill(-start.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ended
	for _, port := range []string{page, listen} {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			t.Errorf("somebody still listens on port %s", port)
		}
	}
}

func portOf(t *testing.T, origin string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(origin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// copyTree copies the files of a folder that npm and Vite did not put there.
func copyTree(t *testing.T, from, to string, edit func(string) string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "node_modules" || d.Name() == "dist" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, strings.TrimPrefix(path, from)), 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if edit != nil && d.Name() != "package-lock.json" {
			content = []byte(edit(string(content)))
		}
		return os.WriteFile(filepath.Join(to, strings.TrimPrefix(path, from)), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// waitForServer waits until somebody listens at an origin.
func waitForServer(t *testing.T, origin string, ended <-chan error) {
	t.Helper()
	timeout := time.After(4 * patience) // npm may have to fetch its packages
	for {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(origin, "http://")); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-timeout:
			t.Fatalf("nobody listens at %s", origin)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lockedBuffer is what a process printed so far.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
