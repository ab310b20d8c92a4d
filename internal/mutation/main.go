// Command mutation checks the tests: it breaks the code in one place at a time,
// as listed in this package, and runs the tests that should notice. A regression
// that they do not notice "survived", and the command fails.
//
//	go run ./internal/mutation [-run regexp] [-v]
//
// No file is changed: the broken one is handed to go test with -overlay. A
// regression whose old text no longer occurs exactly once in its file, or that
// does not compile, is an error, so that the list cannot rot. Each theme has a
// file of its own, whose list all names.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// regression is one way to break the code.
type regression struct {
	// name says what is broken.
	name string
	// file is the path below the module's root.
	file string
	// old occurs exactly once in the file, and is replaced by new.
	old, new string
	// packages are those whose tests should notice, "./pkce" for example.
	packages []string
	// run limits the tests, as the flag -run of go test does; "" means all.
	run string
}

// all are the lists of every theme.
var all = slices.Concat(ofPKCE, ofSession, ofRenewal, ofUpstream, ofTranslation, ofBrowser, ofLogin, ofKeys, ofShare, ofPlayer, ofCaddyStorage, ofRedis, ofMemory, ofQuota, ofGzip, ofCache, ofDevices, ofNotify, ofPages)

// timeout bounds the tests of one regression. Tests that hang have noticed it.
const timeout = time.Minute

func main() {
	pattern := flag.String("run", "", "only the regressions whose name or file matches this regular expression")
	verbose := flag.Bool("v", false, "show what the tests print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *pattern, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1) //nolint:gocritic // the signal handler goes with the process
	}
}

func run(ctx context.Context, pattern string, verbose bool) error {
	chosen, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	var survived, broken, tried int
	for _, r := range all {
		if !chosen.MatchString(r.name) && !chosen.MatchString(r.file) {
			continue
		}
		tried++
		killer, output, err := try(ctx, root, r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			broken++
			fmt.Printf("ERROR     %s: %s: %v\n", r.file, r.name, err)
		case killer == "":
			survived++
			fmt.Printf("SURVIVED  %s: %s\n", r.file, r.name)
		default:
			fmt.Printf("killed    %s: %s: %s\n", r.file, r.name, killer)
		}
		if verbose || err != nil {
			fmt.Println(output)
		}
	}
	fmt.Printf("%d regressions, %d survived, %d in error\n", tried, survived, broken)
	if tried == 0 {
		return fmt.Errorf("no regression matches %q", pattern)
	}
	if survived+broken > 0 {
		return fmt.Errorf("%d of %d were not noticed or not made", survived+broken, tried)
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(mod))), nil
}

// apply returns the text of the regression's file, broken.
func (r regression) apply(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, r.file)) //nolint:gosec // a path of our own list
	if err != nil {
		return "", err
	}
	switch n := strings.Count(string(text), r.old); {
	case n != 1:
		return "", fmt.Errorf("the old text occurs %d times, want once:\n%s", n, r.old)
	case r.old == r.new:
		return "", fmt.Errorf("old and new text are the same")
	}
	return strings.Replace(string(text), r.old, r.new, 1), nil
}

// try runs the tests over one regression and returns the name of the first that
// failed, "" if none did.
func try(ctx context.Context, root string, r regression) (killer, output string, err error) {
	text, err := r.apply(root)
	if err != nil {
		return "", "", err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	broken := filepath.Join(dir, filepath.Base(r.file))
	if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
		return "", "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, r.file): broken},
	})
	if err != nil {
		return "", "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", "", err
	}
	args := []string{"test", "-overlay", list, "-count=1", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if r.run != "" {
		args = append(args, "-run", r.run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, r.packages...)...) //nolint:gosec // arguments of our own list
	cmd.Dir = root
	out, runErr := cmd.CombinedOutput()
	killer, err = verdict(string(out), runErr)
	return killer, string(out), err
}

var (
	failedTest  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	runningTest = regexp.MustCompile(`(?m)^\s*(?:\t\t)(Test\S+) \(`)
	// inTest finds the test in the stack of a panic that go test could not catch.
	inTest = regexp.MustCompile(`\.(Test[A-Za-z0-9_]+)[.(]`)
)

// verdict reads what go test printed.
func verdict(output string, err error) (killer string, _ error) {
	switch {
	case err == nil && strings.Contains(output, "[no tests to run]"):
		return "", fmt.Errorf("no test was run")
	case err == nil:
		return "", nil
	case strings.Contains(output, "[build failed]"), strings.Contains(output, "[setup failed]"):
		return "", fmt.Errorf("it does not compile")
	}
	// The innermost test that failed says the most.
	if names := failedTest.FindAllStringSubmatch(output, -1); names != nil {
		killer = names[0][1]
		for _, name := range names[1:] {
			if strings.HasPrefix(name[1], killer+"/") {
				killer = name[1]
			}
		}
		return killer, nil
	}
	if strings.Contains(output, "panic: test timed out") {
		if name := runningTest.FindStringSubmatch(output); name != nil {
			return name[1] + " (hangs)", nil
		}
		return "a test hangs", nil
	}
	if name := inTest.FindStringSubmatch(output); name != nil {
		return name[1] + " (crashes)", nil
	}
	if strings.Contains(output, "panic: ") || strings.Contains(output, "fatal error: ") {
		return "a test crashes", nil
	}
	return "", fmt.Errorf("go test: %w", err)
}
