package memory_test

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func TestModuleIsRegistered(t *testing.T) {
	info, err := caddy.GetModule("http.handlers.spotify_auth.stores.memory")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := info.New().(*memory.Provider); !ok {
		t.Errorf("the module is a %T", info.New())
	}
}

func TestUnmarshalCaddyfile(t *testing.T) {
	for in, want := range map[string]int{
		"memory":                           0,
		"memory 5":                         5,
		"memory {\n}":                      0,
		"memory {\n\tmax_sessions 1000\n}": 1000,
	} {
		var p memory.Provider
		if err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(in)); err != nil {
			t.Errorf("%q: %v", in, err)
		} else if p.MaxSessions != want {
			t.Errorf("%q: max_sessions %d, want %d", in, p.MaxSessions, want)
		}
	}
}

// O57: what is wrong is one line that names the option and the remedy.
func TestUnmarshalCaddyfileRefuses(t *testing.T) {
	const takes = "max_sessions takes one whole number from 1 up, such as 100000"
	for in, want := range map[string]string{
		"memory 0":                        takes,
		"memory -1":                       takes,
		"memory many":                     takes,
		"memory 1 2":                      takes,
		"memory 99999999999999999999":     takes,
		"memory {\n\tmax_sessions\n}":     takes,
		"memory {\n\tmax_sessions 1 2\n}": takes,
		"memory 1 {\n\tmax_sessions 2\n}": "max_sessions is given twice; keep one of them",
		"memory {\n\tprefix x\n}":         `unknown option "prefix"; the only one is max_sessions`,
	} {
		var p memory.Provider
		err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", in, err, want)
		}
	}
}

// O57
func TestValidate(t *testing.T) {
	for limit, want := range map[int]string{0: "", 1: "", -1: "max_sessions is -1; give a whole number"} {
		err := (&memory.Provider{MaxSessions: limit}).Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("max_sessions %d: %v, want %q", limit, err, want)
		}
	}
}

func TestUsageKey(t *testing.T) {
	key := func(limit int) string { return (&memory.Provider{MaxSessions: limit}).UsageKey() }
	if key(0) != key(memory.DefaultMaxSessions) {
		t.Error("the default and its explicit value differ")
	}
	if key(1) == key(2) {
		t.Error("two sizes are one store")
	}
}

func TestProviderStore(t *testing.T) {
	store, err := (&memory.Provider{MaxSessions: 1}).Store()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := store.(*memory.Store); !ok {
		t.Errorf("the store is a %T", store)
	}
}
