package caddyspotify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	caddyspotify "github.com/caddyspotify/caddy-spotify"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// unmarshalTransport reads `transport spotify` as reverse_proxy does.
func unmarshalTransport(t *testing.T, block string) (*caddyspotify.Transport, error) {
	t.Helper()
	d := caddyfile.NewTestDispenser("transport spotify " + block)
	d.Next()
	d.NextArg()
	unm, err := caddyfile.UnmarshalModule(d, "http.reverse_proxy.transport.spotify")
	if err != nil {
		return nil, err
	}
	return unm.(*caddyspotify.Transport), nil
}

func provision(t *testing.T, tr *caddyspotify.Transport) error {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	err := tr.Provision(ctx)
	t.Cleanup(func() {
		if err := tr.Cleanup(); err != nil {
			t.Errorf("cleanup: %v", err)
		}
	})
	return err
}

func TestTransportCaddyfile(t *testing.T) {
	for block, want := range map[string]string{
		"":                                 `{}`,
		"{\n}":                             `{}`,
		"{\napi_url http://localhost:1\n}": `{"api_url":"http://localhost:1"}`,
		"{\nreplay_body off\n}":            `{"replay_body":0}`,
		"{\nreplay_body 512KiB\n}":         `{"replay_body":524288}`,
		"{\nreplay_body 0\n}":              `{"replay_body":0}`,
		"{\ncompression off\n}":            `{"compression":false}`,
		"{\ntranslate off\n}":              `{"translate":"off"}`,
		"{\ntranslate playlists\n}":        `{"translate":"playlists"}`,
		"{\nreplay_body 2MB\ndial_timeout 5s\ntls_server_name \"quoted\"\n}": `{"tls":{"server_name":"quoted"},"dial_timeout":5000000000,"replay_body":2000000}`,
		"{\nread_buffer 8KiB\napi_url https://h\nversions 1.1 2\n}":          `{"read_buffer_size":8192,"versions":["1.1","2"],"api_url":"https://h"}`,
		// An argument that is called like an option of ours is none, nor is what is in a block.
		"{\ntls_server_name api_url\n}": `{"tls":{"server_name":"api_url"}}`,
		"{\nnetwork_proxy url http://replay_body:1\nkeepalive_idle_conns_per_host 7\n}": `{"keep_alive":{"max_idle_conns_per_host":7},"network_proxy":{"from":"url","url":"http://replay_body:1"}}`,
		"{\ntls_trust_pool file {\npem_file api_url\n}\nreplay_body 1B\n}":              `{"tls":{"ca":{"pem_files":["api_url"],"provider":"file"}},"replay_body":1}`,
	} {
		tr, err := unmarshalTransport(t, block)
		if err != nil {
			t.Errorf("%q: %v", block, err)
			continue
		}
		got, err := json.Marshal(tr)
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", block, got, err, want)
		}
	}
}

func TestTransportCaddyfileErrors(t *testing.T) {
	for block, want := range map[string]string{
		"x":                                 `unexpected argument "x": put the options in a block`,
		"{\napi_url\n}":                     `api_url takes one value`,
		"{\napi_url http://a http://b\n}":   `api_url takes one value`,
		"{\napi_url a\napi_url b\n}":        `api_url is given twice: remove one`,
		"{\nreplay_body 1\nreplay_body 1\n": `replay_body is given twice: remove one`,
		"{\nreplay_body\n}":                 `replay_body takes one value`,
		"{\ncompression\n}":                 `compression takes one value`,
		"{\ncompression on\n}":              `compression "on" is unknown: use off, or leave it out`,
		"{\nreplay_body much\n}":            `replay_body "much" is not a size: write it like 512KiB or 1MiB, or off`,
		"{\nreplay_body -1\n}":              `replay_body "-1" is not a size`,
		"{\nreplay_body 1GiB\n}":            `replay_body 1.0 GiB is more than all requests share: give at most 64 MiB`,
		"{\nreplay_body 9EB\n}":             `is more than all requests share`,
		"{\ntranslate\n}":                   `translate takes one value`,
		"{\ntranslate some\n}":              `translate "some" is unknown: use on, off or playlists`,
		"{\nunknown x\n}":                   `unrecognized subdirective unknown`,
		"{\ncompresion off\n}":              `unknown option "compresion" in transport spotify: did you mean compression?`,
	} {
		_, err := unmarshalTransport(t, block)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %s", block, err, want)
		}
	}
}

// O57
func TestTransportProvisionErrors(t *testing.T) {
	negative, huge := int64(-1), int64(1<<30)
	for want, tr := range map[string]*caddyspotify.Transport{
		`api_url "http://api.spotify.com" would send tokens in the clear: use https`: {APIURL: "http://api.spotify.com"},
		`api_url "{env.SPOTIFY_TEST_UNSET}": `:                                       {APIURL: "{env.SPOTIFY_TEST_UNSET}"},
		`replay_body -1 is negative: give a size such as 1MiB, or off`:               {ReplayBody: &negative},
		`replay_body 1.0 GiB is more than all requests share`:                        {ReplayBody: &huge},
		`translate "yes" is unknown: use on, off or playlists`:                       {Translate: "yes"},
		`api_url "http://127.0.0.1:9" is http, but there are TLS options`: {
			APIURL: "http://127.0.0.1:9", HTTPTransport: reverseproxy.HTTPTransport{TLS: new(reverseproxy.TLSConfig)}},
		`unsupported HTTP version: 9`: {HTTPTransport: reverseproxy.HTTPTransport{Versions: []string{"9"}}},
	} {
		err := provision(t, tr)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// P56: another connection takes up the TLS session of the one before.
func TestTransportResumesTLS(t *testing.T) {
	resumed := make(chan bool, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { resumed <- r.TLS.DidResume }))
	defer server.Close()
	tr := &caddyspotify.Transport{APIURL: server.URL, HTTPTransport: reverseproxy.HTTPTransport{TLS: &reverseproxy.TLSConfig{InsecureSkipVerify: true}}}
	if err := provision(t, tr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil) // as of a health check
		if err != nil {
			t.Fatal(err)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if got := <-resumed; got != want {
			t.Errorf("session resumed: %v, want %v", got, want)
		}
		tr.Transport.CloseIdleConnections()
	}
}

// P56
func TestTransportDefaults(t *testing.T) {
	tr := new(caddyspotify.Transport)
	if err := provision(t, tr); err != nil {
		t.Fatal(err)
	}
	if !tr.TLSEnabled() || tr.APIURL != "https://api.spotify.com" {
		t.Errorf("TLS %v to %s", tr.TLSEnabled(), tr.APIURL)
	}
	if tr.Transport.MaxIdleConnsPerHost != 256 || tr.Transport.HTTP2.SendPingTimeout == 0 {
		t.Errorf("pool: %d idle connections, ping %v", tr.Transport.MaxIdleConnsPerHost, tr.Transport.HTTP2.SendPingTimeout)
	}
	if d := tr.Transport.IdleConnTimeout; d != 10*time.Minute {
		t.Errorf("an unused connection is kept for %s", d)
	}
	if d := tr.Transport.ResponseHeaderTimeout; d != time.Minute {
		t.Errorf("response headers are waited for for %s", d)
	}
	t.Setenv("SPOTIFY_TEST_API", "http://localhost:9")
	tr = &caddyspotify.Transport{APIURL: "{env.SPOTIFY_TEST_API}", HTTPTransport: reverseproxy.HTTPTransport{
		KeepAlive:             &reverseproxy.KeepAlive{MaxIdleConnsPerHost: 3, IdleConnTimeout: caddy.Duration(time.Minute)},
		ResponseHeaderTimeout: caddy.Duration(3 * time.Second),
	}}
	if err := provision(t, tr); err != nil {
		t.Fatal(err)
	}
	if tr.APIURL != "http://localhost:9" || tr.TLSEnabled() || tr.Transport.MaxIdleConnsPerHost != 3 || tr.Transport.IdleConnTimeout != time.Minute {
		t.Errorf("%s, TLS %v, %d idle connections", tr.APIURL, tr.TLSEnabled(), tr.Transport.MaxIdleConnsPerHost)
	}
	if d := tr.Transport.ResponseHeaderTimeout; d != 3*time.Second {
		t.Errorf("response headers are waited for for %s", d)
	}
	if err := new(caddyspotify.Transport).Cleanup(); err != nil {
		t.Errorf("cleanup of a transport that was not provisioned: %v", err)
	}
}

// Written out by hand, reverse_proxy turns on TLS for an https upstream, and
// the transport's own idea of it must not get in the way.
func TestTransportByHand(t *testing.T) {
	cfg := string(proxytest.Adapt(t, `https://app.example {
		reverse_proxy https://api.spotify.com {
			transport spotify {
				replay_body off
			}
		}
	}`))
	for _, want := range []string{
		`"transport":{"protocol":"spotify","replay_body":0,"tls":{}}`,
		`"upstreams":[{"dial":"api.spotify.com:443"}]`,
	} {
		if !strings.Contains(cfg, want) {
			t.Errorf("no %s in %s", want, cfg)
		}
	}
	if _, err := proxytest.TryAdapt(`https://app.example {
		reverse_proxy http://127.0.0.1:9 {
			transport spotify {
				tls
			}
		}
	}`); err == nil {
		t.Error("an http upstream with TLS is accepted")
	}
}
