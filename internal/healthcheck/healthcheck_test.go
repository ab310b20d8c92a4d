package healthcheck

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// O58: what the command makes of what a site, or something else, responds with.
func TestCommand(t *testing.T) {
	for _, test := range []struct {
		name, body string
		status     int
		said, err  string
	}{
		{name: "ready", status: 200, body: `{"live":true,"ready":true,"share":"connected"}`, said: "ready\n"},
		{name: "live", status: 200, body: `{"live":true}`, said: "live\n"},
		{name: "store away", status: 503, body: `{"live":true,"ready":false,"reason":"store_unavailable"}`, err: "not ready: store_unavailable"},
		{name: "not ready, no reason", status: 503, body: `{"live":true,"ready":false}`, err: "not ready: 503 Service Unavailable"},
		{name: "another server", status: 200, body: `<!doctype html>`, err: "is not a health endpoint of the proxy (status 200)"},
		{name: "no such page", status: 404, body: `{"error":{"status":404}}`, err: "is not a health endpoint of the proxy (status 404)"},
		{name: "redirect to https", status: 308, err: `redirects to "https://app.example.com/": give --url an address`},
		{name: "endless", status: 200, body: strings.Repeat(" ", 1<<20), err: "is not a health endpoint of the proxy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.status == http.StatusPermanentRedirect {
					w.Header().Set("Location", "https://app.example.com/")
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			t.Cleanup(server.Close)
			t.Setenv("HTTP_PROXY", "http://192.0.2.1:1") // is not asked
			said, err := run(t, t.Context(), "--url", server.URL+"/spotify/health")
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) || said != test.said {
				t.Errorf("said %q, error %v; want %q, %q", said, err, test.said, test.err)
			}
		})
	}
	if _, err := run(t, t.Context(), "--url", "http://127.0.0.1:99999/x"); err == nil {
		t.Error("no error for a server that is not there")
	}
	if _, err := run(t, t.Context(), "--url", "://"); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Errorf("error for a URL that is none: %v", err)
	}
}

// A server that does not respond is not waited for.
func TestCommandGivesUp(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := run(t, ctx, "--url", server.URL, "--timeout", "10m"); err == nil || !strings.Contains(err.Error(), "no response") {
		t.Errorf("error: %v", err)
	}
}

func run(t *testing.T, ctx context.Context, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := Command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors = true
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}
