package caddyspotify_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What SECURITY.md claims is proven by tests that exist, and each line of its
// tables is named by one.
func TestSecurityDocument(t *testing.T) {
	doc, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	declared, lines := make(map[string]bool), make(map[string]bool)
	function, line := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`), regexp.MustCompile(`\b[LSP][0-9]{2}\b`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "storetest") {
			return nil
		}
		for _, m := range function.FindAllSubmatch(content, -1) {
			declared[string(m[1])] = true
		}
		for _, id := range line.FindAllString(string(content), -1) {
			lines[id] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 60 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !declared[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
	claims := regexp.MustCompile(`(?m)^\| ([LSP][0-9]{2}) \|`).FindAllStringSubmatch(string(doc), -1)
	for _, m := range claims {
		if !lines[m[1]] {
			t.Errorf("no test names %s", m[1])
		}
	}
	if len(claims) != 36 {
		t.Errorf("%d lines", len(claims))
	}
}
