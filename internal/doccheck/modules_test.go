package doccheck_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// modulesTo makes TestModuleDocs write what it renders into a folder.
var modulesTo = flag.String("modules", "", "write the modules' documentation into this folder")

// Caddy's website shows a module's doc comment, and for each member of its JSON the doc
// comment of the field, as Markdown. Every member has one, and nothing in them is lost
// there: what looks like a tag of HTML is not shown.
func TestModuleDocs(t *testing.T) {
	inRepository(t)
	n := 0
	for _, id := range caddy.Modules() {
		info, err := caddy.GetModule(id)
		if err != nil {
			t.Fatal(err)
		}
		typ := reflect.TypeOf(info.New())
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if !strings.HasPrefix(typ.PkgPath(), modulePath) || strings.Contains(typ.PkgPath(), "/internal/proxytest") {
			continue
		}
		n++
		r := &moduleDocs{t: t, id: id}
		r.module(typ)
		if *modulesTo != "" {
			if err := os.WriteFile(filepath.Join(*modulesTo, id+".md"), []byte(r.text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n < 6 {
		t.Errorf("%d modules of ours, want six at least", n)
	}
}

const modulePath = "github.com/caddyspotify/caddy-spotify"

// moduleDocs renders one module.
type moduleDocs struct {
	t    *testing.T
	id   string
	text strings.Builder
	path []string // members on the way to the current one
}

func (r *moduleDocs) module(typ reflect.Type) {
	fmt.Fprintf(&r.text, "# %s\n\n", r.id)
	doc := declared(r.t, typ)
	r.comment(typ.Name(), doc.text)
	r.text.WriteString("\n## Members\n\n")
	r.members(typ, doc)
}

func (r *moduleDocs) members(typ reflect.Type, doc declaration) {
	for field := range typeFields(typ) {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := ours(field.Type)
		if field.Anonymous && tag == "" && inner != nil {
			r.members(inner, declared(r.t, inner))
			continue
		}
		if tag == "" || tag == "-" || field.Anonymous {
			continue
		}
		r.path = append(r.path, tag)
		fmt.Fprintf(&r.text, "%s* **%s** `%s`\n", strings.Repeat("  ", len(r.path)-1), tag, strings.ReplaceAll(field.Type.String(), "*", ""))
		r.comment(strings.Join(r.path, "."), doc.fields[field.Name])
		if inner != nil && inner != typ {
			r.members(inner, declared(r.t, inner))
		}
		r.path = r.path[:len(r.path)-1]
	}
}

// typeFields returns the exported fields of a struct.
func typeFields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}

// ours returns the struct of this module that a field holds, on its own, by a pointer or
// in a list, or nil.
func ours(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() == reflect.Struct && strings.HasPrefix(typ.PkgPath(), modulePath) {
		return typ
	}
	return nil
}

var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	htmlTag  = regexp.MustCompile(`</?[a-zA-Z][^>]*>`)
)

// comment writes a doc comment and looks at it as Markdown.
func (r *moduleDocs) comment(what, text string) {
	if strings.TrimSpace(text) == "" {
		r.t.Errorf("%s: %s has no doc comment", r.id, what)
		return
	}
	indent := strings.Repeat("  ", len(r.path))
	for line := range strings.Lines(text) {
		r.text.WriteString(indent + line)
	}
	// Code spans may go over the end of a line, but not over that of a paragraph.
	var prose strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "    ") {
			prose.WriteString(line)
		}
	}
	for _, paragraph := range strings.Split(prose.String(), "\n\n") {
		if strings.Count(paragraph, "`")%2 != 0 {
			r.t.Errorf("%s: %s: a backquote has no other one: %q", r.id, what, paragraph)
		}
		if lost := htmlTag.FindString(codeSpan.ReplaceAllString(paragraph, "")); lost != "" {
			r.t.Errorf("%s: %s: %q is taken for HTML: put it between backquotes", r.id, what, lost)
		}
	}
}

// declaration is what the source says of a struct.
type declaration struct {
	text   string
	fields map[string]string
}

// declared finds a struct in the source of its package.
func declared(t *testing.T, typ reflect.Type) declaration {
	t.Helper()
	dir := "." + strings.TrimPrefix(typ.PkgPath(), modulePath)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				named, ok := spec.(*ast.TypeSpec)
				if !ok || named.Name.Name != typ.Name() {
					continue
				}
				text := named.Doc.Text()
				if text == "" {
					text = gen.Doc.Text()
				}
				d := declaration{text: text, fields: map[string]string{}}
				if body, ok := named.Type.(*ast.StructType); ok {
					for _, field := range body.Fields.List {
						for _, id := range field.Names {
							d.fields[id.Name] = field.Doc.Text() + field.Comment.Text()
						}
					}
				}
				return d
			}
		}
	}
	t.Fatalf("%s is not declared in %s", typ, dir)
	return declaration{}
}
