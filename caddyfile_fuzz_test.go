package caddyspotify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// O57: whatever stands in a block of options, reading it ends, with one line
// about what is wrong or with a configuration that survives being written.
func FuzzCaddyfileOptions(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		text, _, _ := strings.Cut(string(content), "----------")
		f.Add(text)
	}
	const required = "client_id x\nredirect_uri http://127.0.0.1:8080/spotify/callback\n"
	for _, options := range []string{
		"", "client_id", "client_id {env.X}", required, required + "scopes a b\noptional_scopes c\nrequire_login /app* /x",
		required + "session {\nidle 1h\nlifetime 2h\ncookie music\nsame_site strict\nreauthorize_notice 3d\n}",
		required + "refresh {\nmargin 1m\nahead 5m\ntimeout 1s\n}", required + "allow GET /v1/me\nallow /v1/*/x", required + "allow_origin http://127.0.0.1:1",
		required + "store memory 5", required + "store caddy {\nprefix a/b\n}", required + "expose_token", "session {\n{\n}\n}", "store {", "session {\n}\n}", "}", "{",
		"replay_body 1MiB\nlinks keep\nretry 2 10s\napi_url http://127.0.0.1:1", "replay_body off\ntls\nkeepalive 1s", "client_id \"a\\\"b\" `c`", "client_id <<X\na\nX\n", "scopes \\\nx",
		"session {\nidle -1h\n}", "retry 99999999999999999999", "replay_body 9999999999999999999999EiB", "session {\nidle 999999999999999d\n}",
	} {
		f.Add(options)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := caddyfile.Tokenize([]byte("directive {\n"+text+"\n}\n"), "Caddyfile")
		if err != nil {
			return
		}
		h := new(Handler)
		if err := h.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			oneLine(t, text, err)
		} else {
			survives(t, h, new(Handler))
			if err := h.checkOptions(); err != nil {
				oneLine(t, text, err)
			} else if err := h.checkOptions(); err != nil {
				t.Errorf("%q: what was accepted and completed is refused: %v", text, err)
			}
		}
		tr := new(Transport)
		if err := tr.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			if err.Error() == "" {
				t.Errorf("%q: an error without words", text)
			}
			return
		}
		survives(t, tr, new(Transport))
	})
}

// oneLine checks the message about a mistake. Line breaks in it would be those
// of a value that it quotes.
func oneLine(t *testing.T, text string, err error) {
	t.Helper()
	if err.Error() == "" || strings.Contains(err.Error(), "\n") && !strings.Contains(text, `"`) && !strings.Contains(text, "`") && !strings.Contains(text, "<<") {
		t.Errorf("%q: %v", text, err)
	}
}

func survives(t *testing.T, before, after any) {
	t.Helper()
	written, err := json.Marshal(before)
	if err != nil {
		t.Fatalf("%+v: %v", before, err)
	}
	if err := json.Unmarshal(written, after); err != nil {
		t.Fatalf("%s: %v", written, err)
	}
	again, err := json.Marshal(after)
	if err != nil || !reflect.DeepEqual(written, again) {
		t.Errorf("%s became %s, %v", written, again, err)
	}
}
