package doccheck_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	checklistLine = regexp.MustCompile(`\b[LSP][0-9]{2}\b`)
	testName      = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
)

// linesByTest returns, for each test there is, the lines that its comment or its
// body names.
func linesByTest(t *testing.T) map[string][]string {
	t.Helper()
	lines := make(map[string][]string)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, content, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			text := f.Doc.Text() + "\n" + string(content[files.Position(f.Pos()).Offset:files.Position(f.End()).Offset])
			// Two packages may have tests of one name.
			lines[f.Name.Name] = append(append(lines[f.Name.Name], ""), checklistLine.FindAllString(text, -1)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// What SECURITY.md claims is proven by tests that exist, and each of those that
// a line of its tables gives as proof says so itself.
func TestSecurityDocument(t *testing.T) {
	inRepository(t)
	doc, tests := readFile(t, "SECURITY.md"), linesByTest(t)
	named := testName.FindAllStringSubmatch(doc, -1)
	if len(named) < 60 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if tests[m[1]] == nil {
			t.Errorf("there is no %s", m[1])
		}
	}

	claims := make(map[string]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| ([LSP][0-9]{2}) \|(.*)\|$`).FindAllStringSubmatch(doc, -1) {
		line, cells := row[1], strings.Split(row[2], "|")
		if len(cells) != 4 || claims[line] {
			t.Errorf("%s: %d cells, or a second row", line, len(cells))
			continue
		}
		claims[line] = true
		proofs := testName.FindAllStringSubmatch(cells[3], -1)
		if len(proofs) == 0 {
			t.Errorf("%s has no test", line)
		}
		for _, m := range proofs {
			found := false
			for _, l := range tests[m[1]] {
				found = found || l == line
			}
			if !found {
				t.Errorf("%s does not say that it proves %s", m[1], line)
			}
		}
		for n := range strings.SplitSeq(cells[1], ",") {
			if n = strings.TrimSpace(n); n != "" && !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(n) {
				t.Errorf("%s: %q is no requirement of ASVS", line, n)
			}
		}
	}
	if len(claims) != 49 {
		t.Errorf("%d lines", len(claims))
	}
}
