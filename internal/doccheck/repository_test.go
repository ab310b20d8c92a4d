package doccheck_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/caddyspotify/caddy-spotify"

// inRepository has a test run in the root of the repository.
func inRepository(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
	if _, err := os.Stat("go.mod"); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sources returns the Go files of what Caddy is built with, by their paths: those
// of the module's root and of all packages of this repository that it imports,
// directly or not. Tests are none of them.
func sources(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	seen := map[string]bool{".": true}
	for dirs := []string{"."}; len(dirs) > 0; dirs = dirs[1:] {
		names, err := fs.Glob(os.DirFS(dirs[0]), "*.go")
		if err != nil || len(names) == 0 {
			t.Fatalf("no sources in %s: %v", dirs[0], err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			name = filepath.Join(dirs[0], name)
			found[name] = readFile(t, name)
			file, err := parser.ParseFile(token.NewFileSet(), name, found[name], parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if dir, ours := strings.CutPrefix(path, module+"/"); ours && !seen[dir] {
					seen[dir] = true
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return found
}
