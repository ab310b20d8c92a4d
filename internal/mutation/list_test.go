package main

import (
	"errors"
	"path/filepath"
	"testing"
)

// Every regression can still be made, so that whoever changes the code learns at
// once which entry of the list has to follow.
func TestListApplies(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, r := range all {
		if _, err := r.apply(root); err != nil {
			t.Errorf("%s: %s: %v", r.file, r.name, err)
		}
		if names[r.file+r.name] {
			t.Errorf("%s: %s: there are two of that name", r.file, r.name)
		}
		names[r.file+r.name] = true
		if len(r.packages) == 0 {
			t.Errorf("%s: %s: names no package to test", r.file, r.name)
		}
	}
}

func TestVerdict(t *testing.T) {
	failed := errors.New("exit status 1")
	for name, tc := range map[string]struct {
		output string
		err    error
		killer string
		fails  bool
	}{
		"passed":    {output: "ok  \tx\t0.1s\n"},
		"no tests":  {output: "ok  \tx\t0.1s [no tests to run]\n", fails: true},
		"failed":    {output: "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\nFAIL\n", err: failed, killer: "TestA/b"},
		"two":       {output: "--- FAIL: TestA (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\n", err: failed, killer: "TestA"},
		"hangs":     {output: "panic: test timed out after 1m0s\n\trunning tests:\n\t\tTestA/b (59s)\n", err: failed, killer: "TestA/b (hangs)"},
		"crashes":   {output: "fatal error: x\n\nexample.org/x_test.TestA.func1(0x1)\n", err: failed, killer: "TestA (crashes)"},
		"no build":  {output: "FAIL\tx [build failed]\n", err: failed, fails: true},
		"otherwise": {output: "go: no such tool\n", err: failed, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			killer, err := verdict(tc.output, tc.err)
			if killer != tc.killer || (err != nil) != tc.fails {
				t.Errorf("verdict: %q, %v", killer, err)
			}
		})
	}
}
