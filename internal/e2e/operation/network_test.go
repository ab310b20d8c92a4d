package operation_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// forwardProxy is an HTTP proxy that remembers what it was asked for. Tunnels all
// lead to one address.
type forwardProxy struct {
	*httptest.Server
	tunnelTo string

	mu    sync.Mutex
	asked []string
}

func startForwardProxy(t *testing.T, tunnelTo string) *forwardProxy {
	p := &forwardProxy{tunnelTo: tunnelTo}
	plain := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: new(http.Transport)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.URL.Host+r.URL.Path)
		p.mu.Unlock()
		if r.Method == http.MethodConnect {
			p.tunnel(w)
			return
		}
		plain.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *forwardProxy) tunnel(w http.ResponseWriter) {
	to, err := net.Dial("tcp", p.tunnelTo)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	// The status is out already, so that some of what follows it may have been read.
	go func() { _, _ = io.Copy(to, buffered); _ = to.Close() }()
	_, _ = io.Copy(client, to)
	_ = client.Close()
}

// asks returns what the proxy was asked for since the last time.
func (p *forwardProxy) asks() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

// O59: the token endpoint and the profile are asked in the way that the network
// options say, as the Web API is, and after a reload in the new way.
func TestNetworkProxyHoldsForTokens(t *testing.T) {
	one, two := startForwardProxy(t, ""), startForwardProxy(t, "")
	options := func(p *forwardProxy) string { return "transport {\nnetwork_proxy url " + p.URL + "\n}" }
	s := proxytest.Start(t, proxytest.Options{
		Auth: options(one),
		API:  func(simulated http.Handler) http.Handler { return simulated }, // at an address of its own
	})
	token := "POST " + strings.TrimPrefix(s.Sim.TokenURL, "http://")
	me := "GET " + strings.TrimPrefix(s.Sim.APIURL, "http://") + "/v1/me"
	want := func(p *forwardProxy, want ...string) {
		t.Helper()
		if got := p.asks(); !slices.Equal(got, want) {
			t.Errorf("the proxy was asked for %q, want %q", got, want)
		}
	}
	b := s.NewBrowser()
	b.Login("")
	want(one, token, me)
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	want(one, me)

	// A refresh on behalf of a request to the Web API goes to the token endpoint.
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	want(one, me, token, me)

	s.Auth = options(two)
	s.Load("")
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	want(one)
	want(two, me, token, me)
}

// behindTLS starts a server in front of the simulator whose certificate is in a
// file, and which no system trusts.
func behindTLS(t *testing.T, sim http.Handler) (server *httptest.Server, certificate string) {
	server = httptest.NewUnstartedServer(sim)
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, certificate
}

// O59: authorities that are trusted for the Web API are trusted for tokens, in
// spotify_proxy and in spotify_auth.
func TestTrustPoolHoldsForTokens(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	accounts, certificate := behindTLS(t, s.Sim.AccountsHandler())
	api, _ := behindTLS(t, s.Sim.APIHandler()) // it has the same certificate
	s.Sim.TokenURL, s.Sim.APIURL = accounts.URL+"/api/token", api.URL
	s.Load("")
	b := s.NewBrowser()
	callback := spotifytest.Approve(t, b.Client, s.Origin+"/spotify/login", "")
	b.WantStatus(b.ComeBack(callback), http.StatusServiceUnavailable)

	s.Auth = fmt.Sprintf("transport {\ntls_trust_pool file %q\n}", certificate)
	s.Load("")
	b.Login("")
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
	// A refresh on behalf of a request to the Web API goes to the token endpoint.
	s.Sim.ExpireAccessTokens()
	b.WantStatus(b.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
}

// O59: the check goes the way that Caddy goes: through the proxy of its environment
// and with its options.
func TestCheckGoesTheSameWay(t *testing.T) {
	sim := spotifytest.Start(t, spotifytest.Options{
		ClientIDs: []string{proxytest.ClientID}, RedirectURIs: []string{"http://127.0.0.1:8080/spotify/callback"},
	})
	server, certificate := behindTLS(t, sim.Handler())
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := startForwardProxy(t, u.Host)
	check := func(transport string, env ...string) (stdout string, code int) {
		// The name is in the certificate, and is nowhere else known to lead to the server.
		cmd := proxytest.CaddyCommand(t, "spotify", "check")
		cmd.Env = append(cmd.Env, env...)
		caddyfile := fmt.Sprintf("{\nstorage file_system %q\n}\nhttp://127.0.0.1:8080 {\nspotify_proxy {\nclient_id %s\n"+
			"redirect_uri http://127.0.0.1:8080/spotify/callback\nauthorize_url https://example.com/authorize\n"+
			"token_url https://example.com/api/token\napi_url https://example.com\ntransport {\n%s\n}\n}\n}\n", t.TempDir(), proxytest.ClientID, transport)
		if err := os.WriteFile(filepath.Join(cmd.Dir, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, _, code = proxytest.Finish(t, cmd)
		return stdout, code
	}
	trust := fmt.Sprintf("tls_trust_pool file %q", certificate)
	for name, c := range map[string]struct{ transport, env string }{
		"environment": {trust, "HTTPS_PROXY=" + proxy.URL},
		"options":     {trust + "\nnetwork_proxy url " + proxy.URL, ""},
	} {
		stdout, code := check(c.transport, c.env)
		if code != 0 || !strings.Contains(stdout, "✓ authorize_url  example.com answers over TLS 1.3") || len(proxy.asks()) == 0 {
			t.Errorf("%s: exit code %d: %s", name, code, stdout)
		}
	}
	if stdout, code := check("read_buffer 4KiB", "HTTPS_PROXY="+proxy.URL); code != 2 || !strings.Contains(stdout, "the certificate of example.com is not to be trusted") {
		t.Errorf("without the trust pool: exit code %d: %s", code, stdout)
	}
	if stdout, code := check(trust, "HTTPS_PROXY=http://127.0.0.1:1"); code != 2 || !strings.Contains(stdout, "a proxy, which cannot be reached") {
		t.Errorf("without the proxy: exit code %d: %s", code, stdout)
	}
}
