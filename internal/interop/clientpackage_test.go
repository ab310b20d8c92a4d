package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// declared finds what a declaration file exports that is there at run time.
var declared = regexp.MustCompile(`(?m)^export declare (?:const|function|class) (\w+)`)

// TestClientPackage imports the package by its name, as a bundler or a server
// that renders pages does: without a browser, it only must not fail. Its types
// tell of what it exports, all of it.
func TestClientPackage(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		const missing = "no node here: install Node.js to run the tests of the client module's package"
		if os.Getenv("CI_NO_SKIP") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, err := filepath.Abs("../../client")
	if err != nil {
		t.Fatal(err)
	}
	types, err := os.ReadFile(filepath.Join(dir, "client.d.ts"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range declared.FindAllSubmatch(types, -1) {
		want = append(want, string(m[1]))
	}
	slices.Sort(want)
	for _, name := range []string{"caddy-spotify-client", "caddy-spotify-client/client.js"} {
		node := exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval",
			`const module = await import(`+"`"+name+"`"+`);
			const elsewhere = module.createClient("/elsewhere");
			for (const name of Object.keys(elsewhere)) if (!(name in module)) throw new Error(name);
			console.log(JSON.stringify(Object.keys(module).sort()));`)
		node.Dir = dir
		node.Stderr = new(bytes.Buffer)
		output, err := node.Output()
		if err != nil {
			t.Fatalf("node: %v\n%s", err, node.Stderr)
		}
		var got []string
		if err := json.Unmarshal(output, &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) || len(got) < 8 {
			t.Errorf("%s exports %q, and its types %q", name, got, want)
		}
	}
}
