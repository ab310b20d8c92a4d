package doccheck_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Vim colours the options that the program takes, those that docs/options.md lists
// among them, and no others.
func TestEditorKnowsOptions(t *testing.T) {
	inRepository(t)
	vim := readFile(t, "contrib/editor/vim/after/syntax/caddyfile.vim")
	main := regexp.MustCompile(`(?m)^let s:main = '([^']*)'((?:\n +\\ \. '[^']*')+)`).FindStringSubmatch(vim)
	if main == nil {
		t.Fatal("the file has no list s:main")
	}
	blocks := map[string][]string{"": strings.Fields(main[1] + regexp.MustCompile(`[^a-z_]+`).ReplaceAllString(main[2], " "))}
	for _, block := range regexp.MustCompile(`(?m)^ +\\ '([a-z_]+)': '([^']*)',$`).FindAllStringSubmatch(vim, -1) {
		blocks[block[1]] = strings.Fields(block[2])
	}

	// What the document lists, in its overview and in its tables.
	doc := readFile(t, "docs/options.md")
	var listed int
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)(?: ([a-z_]+))?` \\|").FindAllStringSubmatch(doc, -1) {
		block, name := row[1], row[2]
		if name == "" {
			block, name = "", row[1]
		}
		listed++
		if !slices.Contains(blocks[block], name) {
			t.Errorf("Vim does not know %q of docs/options.md", strings.TrimSpace(block+" "+name))
		}
	}
	if listed < 30 {
		t.Errorf("docs/options.md lists %d options only", listed)
	}

	// What the program reads. The names of a block are with its function.
	var read, known []string
	setter := regexp.MustCompile(`(?m)^\t+"([a-z_]+)": +func\(\) error \{`)
	for file, source := range sources(t) {
		if strings.Contains(file, "/") {
			continue // the modules of the root read the options
		}
		for _, s := range setter.FindAllStringSubmatch(source, -1) {
			read = append(read, s[1])
		}
	}
	// These two have names of their own among values that are none.
	read = append(read, "off", "size", "header", "field")
	for _, names := range blocks {
		known = append(known, names...)
	}
	slices.Sort(read)
	slices.Sort(known)
	read, known = slices.Compact(read), slices.Compact(known)
	if !slices.Equal(read, known) {
		t.Errorf("Vim knows\n\t%q\nand the program\n\t%q", known, read)
	}
}
