package demo_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyspotify/caddy-spotify/internal/demo"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

func startSimulator(t *testing.T) *spotifytest.Running {
	t.Helper()
	return spotifytest.Start(t, spotifytest.Options{})
}

// TestSimulate changes what leads to Spotify, and nothing else.
func TestSimulate(t *testing.T) {
	sim := startSimulator(t)
	const text = `# A site.
http://127.0.0.1:8080 {
	spotify_proxy {
		client_id {env.SPOTIFY_CLIENT_ID}
		redirect_uri http://127.0.0.1:8080/spotify/callback
		allow /v1/me /v1/me/*
		share {
			owner {env.OWNER}
			allow /v1/me
			cache 3s
		}
		access_keys
		header_down X-Note "owner }"
	}
	header Content-Security-Policy "img-src https://*.scdn.co"
	respond "client_id stays"
}
`
	got, err := demo.Simulate(text, netip.MustParseAddrPort("127.0.0.1:9000"), sim)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"{\n\tadmin off\n", "http://127.0.0.1:9000 {", "redirect_uri http://127.0.0.1:9000/spotify/callback\n",
		"\t\tauthorize_url " + sim.AuthorizeURL + "\n", "\t\ttoken_url " + sim.TokenURL + "\n", "\t\tapi_url " + sim.APIURL + "\n",
		"\t\tstore memory\n", "\t\tshare {\n\t\t\towner mira\n\t\t\tkey ", "\t\t\tcache 3s\n", `"img-src ` + sim.URL + `"`,
		"\t\tallow /v1/me /v1/me/*\n", "\t\taccess_keys {\n\t\t\tkey ", `header_down X-Note "owner }"`, `respond "client_id stays"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Contains(got, "{env.") || strings.Contains(got, "8080") || strings.Count(got, "client_id") != 2 {
		t.Error("what leads to Spotify is still there")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestSimulateSeveralAddresses moves all names of the one address.
func TestSimulateSeveralAddresses(t *testing.T) {
	sim := startSimulator(t)
	site := "http://127.0.0.1:8080, http://localhost:8080, http://[::1]:8080 {\n\tspotify_proxy {\n\t\tredirect_uri http://127.0.0.1:8080/spotify/callback\n\t}\n\treverse_proxy localhost:80801\n}\n"
	got, err := demo.Simulate(site, netip.MustParseAddrPort("127.0.0.1:9000"), sim)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got, "http://127.0.0.1:9000, http://localhost:9000, http://[::1]:9000 {") || !strings.Contains(got, "localhost:80801") || strings.Contains(got, ":8080\n") {
		t.Error(got)
	}
}

func TestSimulateOwnOptions(t *testing.T) {
	sim := startSimulator(t)
	got, err := demo.Simulate("\n{\n\tgrace_period 1s\n}\nhttp://127.0.0.1:8080 {\n\tspotify_proxy {\n\t\tredirect_uri http://127.0.0.1:8080/spotify/callback\n\t\tstore caddy\n\t}\n}\n", netip.MustParseAddrPort(demo.DefaultListen), sim)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "\n{\n\tadmin off\n") || !strings.Contains(got, "\n\tgrace_period 1s\n}") || strings.Contains(got, "store memory") {
		t.Error(got)
	}
}

// Sites that have logs of their own load, with them.
func TestSimulateOwnLogs(t *testing.T) {
	const site = "http://127.0.0.1:8080 {\n\tspotify_proxy {\n\t\tredirect_uri http://127.0.0.1:8080/spotify/callback\n\t}\n}\n"
	for name, c := range map[string]struct {
		site  string
		level string // of the default log
		debug bool
	}{
		"access log":                 {strings.Replace(site, "{\n", "{\n\tlog {\n\t\toutput discard\n\t}\n", 1), "FATAL", false},
		"default log":                {"{\n\tlog {\n\t\toutput discard\n\t\tlevel ERROR\n\t}\n}\n" + site, "ERROR", false},
		"default log by name":        {"# Mine\n{\n\tservers {\n\t\tkeepalive_interval 1m\n\t}\n\tlog default {\n\t\tlevel ERROR\n\t}\n}\n" + site, "ERROR", false},
		"default log, and debugging": {"{\n\tlog {\n\t\toutput discard\n\t}\n}\n" + site, "DEBUG", true},
		"default log without block":  {"{\n\tlog\n}\n" + site, "", false},
		"another log":                {"{\n\tlog mine {\n\t\toutput discard\n\t\tinclude http.log.access\n\t}\n}\n" + site, "FATAL", false},
		"an option called log":       {"{\n\tservers :80 {\n\t\tname log\n\t}\n}\n" + site, "FATAL", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := defaultLogLevel(t, c.site, c.debug); got != c.level {
				t.Errorf("the default log has level %q, want %q", got, c.level)
			}
		})
	}
}

// defaultLogLevel returns the level of a simulated site's default log. The site has to load.
func defaultLogLevel(t *testing.T, site string, debug bool) string {
	t.Helper()
	sim := startSimulator(t)
	simulate := demo.Simulate
	if debug {
		simulate = demo.SimulateDebug
	}
	written, err := simulate(site, netip.MustParseAddrPort(demo.DefaultListen), sim)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(written), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Errorf("%v\n%s", err, written)
	}
	if config.Logging == nil || config.Logging.Logs["default"] == nil {
		return ""
	}
	return config.Logging.Logs["default"].Level
}

// TestSimulateRefusals are sites that the demo cannot run.
func TestSimulateRefusals(t *testing.T) {
	sim := startSimulator(t)
	for text, remedy := range map[string]string{
		":8080 {\n\tfile_server\n}\n":                                "no spotify_proxy",
		":8080 {\n\tspotify_proxy\n}\n":                              "has no block",
		":8080 {\n\tspotify_proxy {\n\t\tscopes x\n\t}\n}\n":         "no spotify_proxy with a redirect_uri",
		":8080 {\n\tspotify_proxy {\n":                               "a } is missing",
		"a {\n\tspotify_proxy {\n\t\tredirect_uri https://a/x\n}\n}": "one like http://127.0.0.1:8080/spotify/callback",
	} {
		if _, err := demo.Simulate(text, netip.MustParseAddrPort(demo.DefaultListen), sim); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%q: %v, want an error that says %q", text, err, remedy)
		}
	}
	if _, err := demo.Simulate("", netip.MustParseAddrPort("[::1]:8080"), sim); err == nil {
		t.Error("a site is served on ::1")
	}
	if err := demo.PrintConfig(demo.Options{Site: t.TempDir(), Out: new(bytes.Buffer)}); err == nil || !strings.Contains(err.Error(), "Caddyfile") {
		t.Errorf("a folder without a Caddyfile: %v", err)
	}
}

// TestExamplesAdapt adapts each example as it is started: with the simulator.
func TestExamplesAdapt(t *testing.T) {
	sim := startSimulator(t)
	files, err := filepath.Glob("../../examples/*/Caddyfile")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		written, err := demo.Simulate(string(text), netip.MustParseAddrPort("127.0.0.1:9000"), sim)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(written), map[string]any{"filename": "Caddyfile"})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v\n%s", file, err, warnings, written)
		}
		if !json.Valid(config) || bytes.Contains(config, []byte("spotify.com/api")) {
			t.Errorf("%s: %s", file, config)
		}
	}
}
