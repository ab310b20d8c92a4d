package initconfig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/initconfig"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const clientID = "0123456789abcdef0123456789abcdef"

// outcome is what a run of the command came to.
type outcome struct {
	out, said string
	checked   json.RawMessage
	err       error
}

// run runs the command with an input in an empty folder, which has a folder site and a
// file page.html.
func run(t *testing.T, sites []doctor.Subject, input string, args ...string) outcome {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("site", 0o700), os.WriteFile("page.html", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return runHere(t, sites, input, args...)
}

func runHere(t *testing.T, sites []doctor.Subject, input string, args ...string) outcome {
	t.Helper()
	var o outcome
	cmd := initconfig.Command(func(config []byte) ([]doctor.Subject, error) {
		o.checked = config
		return sites, nil
	})
	var out, said bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&said)
	cmd.SetIn(strings.NewReader(input))
	cmd.SetArgs(append([]string{"--offline"}, args...))
	cmd.SilenceErrors = true
	o.err = cmd.ExecuteContext(t.Context())
	o.out, o.said = out.String(), said.String()
	return o
}

// allWell is a site with which all is well, as far as that can be told offline.
var allWell = []doctor.Subject{{
	Found:        doctor.Found{Listen: []string{"127.0.0.1:8080"}},
	ClientID:     clientID,
	RedirectURI:  "http://127.0.0.1:8080/spotify/callback",
	AuthorizeURL: "https://accounts.spotify.com/authorize",
	TokenURL:     "https://accounts.spotify.com/api/token",
	APIURL:       "https://api.spotify.com",
	Store:        json.RawMessage(`{"module":"memory"}`),
}}

// What is written is adapted, formatted, and says what was answered.
func TestCaddyfile(t *testing.T) {
	golden, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"loopback": {},
		"ipv6":     {"--origin", "http://[::1]:8080", "--scopes", ""},
		"public":   {"--origin", "app.example.com", "--scopes", "user-top-read user-read-private", "--root", "site"},
		"port":     {"--origin", "127.0.0.1", "--root", "site"},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, allWell, "", append(args, "--client-id", clientID)...)
			if o.err != nil {
				t.Fatalf("%v\n%s", o.err, o.out)
			}
			text, err := os.ReadFile("Caddyfile")
			if err != nil {
				t.Fatal(err)
			}
			if formatted := caddyfile.Format(text); !bytes.Equal(formatted, text) {
				t.Errorf("caddy fmt would change it to\n%s", formatted)
			}
			if !bytes.Contains(o.checked, []byte(`"client_id":"`+clientID+`"`)) {
				t.Errorf("checked: %s", o.checked)
			}
			file := filepath.Join(golden, name+".caddyfile")
			if *update {
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(text, want) {
				t.Errorf("%v; the Caddyfile is\n%s\nand not\n%s", err, text, want)
			}
		})
	}
}

// O57: what cannot be loaded is not written, as the exit code says.
func TestNothingIsWrittenThatCannotBeLoaded(t *testing.T) {
	t.Chdir(t.TempDir())
	refused := errors.New("it cannot be loaded")
	cmd := initconfig.Command(func([]byte) ([]doctor.Subject, error) { return nil, refused })
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	for _, output := range []string{"Caddyfile", "-"} {
		cmd.SetArgs([]string{"--offline", "--client-id", clientID, "--origin", "https://app.example.com", "--scopes", "", "--root", "", "--output", output})
		if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, refused) {
			t.Errorf("%s: %v", output, err)
		}
	}
	if _, err := os.Stat("Caddyfile"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a Caddyfile was written: %v", err)
	}
	if strings.Contains(out.String(), "spotify_proxy") {
		t.Errorf("a Caddyfile was printed: %s", out.String())
	}
}

func TestDialog(t *testing.T) {
	t.Setenv("SPOTIFY_CLIENT_ID", "")
	id := clientID + "\n"
	for name, test := range map[string]struct {
		input string
		args  []string
		said  []string // in this order
		not   string
	}{
		"defaults":           {input: id + "\n\n\n", said: []string{"[http://127.0.0.1:8080]", "[user-top-read]", "Redirect URIs", "http://127.0.0.1:8080/spotify/callback", "caddy run\n", "Open http://127.0.0.1:8080"}},
		"input ends":         {input: id, said: []string{"Wrote Caddyfile"}},
		"no end of line":     {input: clientID, said: []string{"Wrote Caddyfile"}},
		"windows":            {input: clientID + "\r\n\r\n\r\n\r\n", said: []string{"Wrote Caddyfile"}},
		"capitals":           {input: `"` + strings.ToUpper(clientID) + "\"\n\n\n\n", said: []string{"Wrote Caddyfile"}},
		"nothing":            {input: "\n" + id, said: []string{"an answer is required", "Wrote Caddyfile"}},
		"the secret's shape": {input: clientID + "0\n" + id, said: []string{"32 hexadecimal digits", "Wrote Caddyfile"}},
		"localhost":          {input: id + "http://localhost:8080\n\n", said: []string{"use http://127.0.0.1", "Wrote Caddyfile"}},
		"http":               {input: id + "http://app.example.com\n\n", said: []string{"use https", "Wrote Caddyfile"}},
		"a whole URI":        {input: id + "https://app.example.com/spotify/callback\nhttps://app.example.com/\n", said: []string{"leave out the rest", "https://app.example.com/spotify/callback", "Open https://app.example.com\n"}},
		"no address":         {input: id + "https://\nhttps://user@app.example.com\n" + strings.Repeat("a", 300) + ":x\n\n", said: []string{"is not an address", "leave out the rest", "is not an address", "Wrote Caddyfile"}},
		"list of scopes":     {input: id + "\n?\n\n\n", said: []string{"playlist-read-private", "ask for what your pages use", "Wrote Caddyfile"}},
		"misspelt scope":     {input: id + "\nuser-top-raed\nbanana\nuser-top-read, user-top-read\nuser-top-read,user-read-private\n", said: []string{"did you mean user-top-read?", "type ? to list them", "is there twice", "Wrote Caddyfile"}},
		"no folder":          {input: id + "\n\nnone\npage.html\na\"b\nsite\n", said: []string{"cannot be read", "is a file", "braces or quotes", "Wrote Caddyfile"}},
		"a backslash":        {input: id + "\n\nsite\\\nsite\n", said: []string{"a backslash at its end", "Wrote Caddyfile"}},
		"a list of hosts":    {input: id + "https://a.example,b.example\nhttps://*.example.com\n\n", said: []string{"a host that is no name", "no wildcard", "Wrote Caddyfile"}},
		"all flags":          {args: []string{"--client-id", clientID, "--origin", "http://127.0.0.1:8080", "--scopes", "user-top-read", "--root", "site"}, said: []string{"Wrote Caddyfile"}, not: "[user-top-read]"},
		"another name":       {input: id, args: []string{"-o", "my.caddyfile"}, said: []string{"Wrote my.caddyfile", "caddy run --config my.caddyfile"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, allWell, test.input, test.args...)
			if o.err != nil {
				t.Fatalf("%v\n%s", o.err, o.out)
			}
			rest := o.out
			for _, want := range test.said {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is not in %q, of\n%s", want, rest, o.out)
				}
				rest = after
			}
			if test.not != "" && strings.Contains(o.out, test.not) {
				t.Errorf("%q is in\n%s", test.not, o.out)
			}
		})
	}
}

// Nothing is written, and nothing lost.
func TestRefused(t *testing.T) {
	t.Setenv("SPOTIFY_CLIENT_ID", "")
	for name, test := range map[string]struct {
		input string
		args  []string
		want  string
	}{
		"no client ID":    {want: "give --client-id"},
		"wrong client ID": {args: []string{"--client-id", "x"}, want: "--client-id:"},
		"wrong origin":    {args: []string{"--client-id", clientID, "--origin", "http://localhost"}, want: "--origin:"},
		"wrong scopes":    {args: []string{"--client-id", clientID, "--scopes", "nonsense"}, want: "--scopes:"},
		"wrong root":      {args: []string{"--client-id", clientID, "--root", "none"}, want: "--root:"},
		"wrong at last":   {input: clientID + "\nhttp://localhost", want: "give --origin"},
		"endless answer":  {input: strings.Repeat("a", 1<<20), want: "longer than 16384 bytes"},
		"an argument":     {args: []string{"x"}, want: "unknown command"},
		"no such folder":  {args: []string{"--client-id", clientID, "-o", "none/Caddyfile"}, want: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, allWell, test.input, test.args...)
			if o.err == nil || !strings.Contains(o.err.Error(), test.want) {
				t.Errorf("the error is %v", o.err)
			}
			if _, err := os.Stat("Caddyfile"); err == nil {
				t.Error("there is a Caddyfile")
			}
		})
	}
}

// A Caddyfile that is there stays, unless it is to be overwritten.
func TestExists(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("Caddyfile", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := runHere(t, allWell, "", "--client-id", clientID)
	if o.err == nil || !strings.Contains(o.err.Error(), "--force") || o.out != "" {
		t.Errorf("%v, having asked %q", o.err, o.out)
	}
	if text, _ := os.ReadFile("Caddyfile"); string(text) != "mine" {
		t.Errorf("the Caddyfile is %s", text)
	}
	if o := runHere(t, allWell, "", "--client-id", clientID, "--force"); o.err != nil {
		t.Error(o.err)
	}
	if text, _ := os.ReadFile("Caddyfile"); !bytes.Contains(text, []byte(clientID)) {
		t.Errorf("the Caddyfile is %s", text)
	}
}

// Standard output has the Caddyfile and nothing else.
func TestStandardOutput(t *testing.T) {
	t.Setenv("SPOTIFY_CLIENT_ID", clientID)
	o := run(t, allWell, "", "-o", "-")
	if o.err != nil {
		t.Fatal(o.err)
	}
	if !strings.HasPrefix(o.out, "# Written by") || !strings.HasSuffix(o.out, "}\n") || strings.Contains(o.out, "Redirect URIs:") {
		t.Errorf("standard output is\n%s", o.out)
	}
	if !strings.Contains(o.said, "caddy run --config <file>") {
		t.Errorf("standard error is\n%s", o.said)
	}
	if _, err := os.Stat("Caddyfile"); err == nil {
		t.Error("there is a Caddyfile")
	}
}

// What a check finds is said, and the Caddyfile is there to be mended.
func TestProblems(t *testing.T) {
	site := doctor.Subject{ClientID: clientID, RedirectURI: "http://localhost/spotify/callback"}
	o := run(t, []doctor.Subject{site}, "", "--client-id", clientID)
	if o.err == nil || !strings.Contains(o.out, "refuses") || !strings.Contains(o.out, "skipped: --offline") || !strings.Contains(o.out, "Next:") {
		t.Errorf("%v\n%s", o.err, o.out)
	}
	if _, err := os.Stat("Caddyfile"); err != nil {
		t.Error(err)
	}
}
