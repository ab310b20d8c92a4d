package doccheck_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Links from one document to another, and to the headings there, lead somewhere.
func TestDocumentationLinks(t *testing.T) {
	inRepository(t)
	var docs []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			docs = append(docs, path)
		}
		return nil
	})
	if err != nil || len(docs) < 15 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	links := 0
	for _, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(prose(t, doc), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			path, heading, _ := strings.Cut(m[1], "#")
			target := doc
			if path != "" {
				target = filepath.Join(filepath.Dir(doc), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", doc, m[1])
				continue
			}
			if heading != "" && !headings(t, target)[heading] {
				t.Errorf("%s links to %s, but there is no such heading", doc, m[1])
			}
		}
	}
	if links < 60 {
		t.Errorf("only %d links were found", links)
	}
}

var codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```$")

// prose is a document without its code.
func prose(t *testing.T, name string) string {
	t.Helper()
	return codeBlock.ReplaceAllString(readFile(t, name), "")
}

// headings returns the names that GitHub gives to a document's headings.
func headings(t *testing.T, name string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	odd := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(prose(t, name), -1) {
		found[strings.ReplaceAll(odd.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}
