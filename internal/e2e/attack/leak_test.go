package attack_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/internal/freeport"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
)

// P44, S24: the whole flow is run, with everything that prints turned on and all
// that can fail made to fail. Then every byte that was printed, answered or
// stored is searched for every token, code, verifier, state and session id
// there was, in every encoding that a program might have given it.
func TestNothingLeaks(t *testing.T) {
	for name, o := range map[string]leakOptions{
		"with the pages that come with it": {},
		"with handle_errors": {handleErrors: `handle_errors {
			respond "{http.error.status_code} {http.error.message} {http.error.trace} {http.error.id} {http.error} {http.request.uri.path} {http.auth.user.id}"
		}`},
		"with log_credentials": {logCredentials: "log_credentials"},
	} {
		t.Run(name, func(t *testing.T) { runLeakTest(t, o) })
	}
}

type leakOptions struct {
	handleErrors string
	// logCredentials has the site's owner ask for cookies and Authorization in
	// the log: what browsers and programs send is there then, and nothing else.
	logCredentials string
}

func runLeakTest(t *testing.T, o leakOptions) {
	l := newLeakTest(t, o)
	l.share()
	l.logIn()
	l.failToLogIn()
	l.call()
	l.useKeys()
	l.expose()
	l.refresh()
	l.breakStore()
	l.logOut()
	l.breakUpstream()
	l.lookAround()
	l.finish()
}

type leakTest struct {
	*proxytest.Browser
	options  leakOptions
	admin    string
	text     string // the Caddyfile
	stdout   *os.File
	shareKey string
	reloaded bool // Caddy's admin API is there

	mu      sync.Mutex
	seen    bytes.Buffer      // answers, without what has to be in them
	secrets map[string]string // what it is, by value
}

func newLeakTest(t *testing.T, o leakOptions) *leakTest {
	l := &leakTest{options: o, secrets: make(map[string]string)}
	l.captureOutput(t)
	l.shareKey = rand.Text() + rand.Text()
	l.keep("share key", l.shareKey)
	t.Setenv("SPOTIFY_SHARE_KEY", l.shareKey)
	s := proxytest.Start(t, proxytest.Options{})
	l.admin = "http://" + freeport.Address(t)
	l.text = fmt.Sprintf(`{
	admin %s
	persist_config off
	storage file_system %q
	log {
		output spotifytest_buffer %s
		format json
		level DEBUG
	}
	debug
	metrics {
		per_host
	}
	servers {
		trace
		%s
	}
	events {
		on * spotifytest_gossip
	}
}
%s {
	%s
	log
	metrics /metrics
	route {
		spotify_auth {
			client_id     %s
			redirect_uri  %s/spotify/callback
			scopes        user-read-private user-top-read
			require_login /app*
			optional_scopes streaming
			expose_token
			access_keys
			authorize_url %s
			token_url     %s
			api_url       %s
			share {
				owner  mira
				allow  /v1/me/player/currently-playing
				scopes user-read-currently-playing
				key    {env.SPOTIFY_SHARE_KEY}
			}
		}
		@api spotify_api
		handle @api {
			spotifytest_gossip
			reverse_proxy %s {
				transport spotify {
					api_url %s
				}
			}
		}
		respond "a page"
	}
	%s
}
`, strings.TrimPrefix(l.admin, "http://"), s.Storage, s.Log.Name, o.logCredentials, s.Origin, s.Bind, proxytest.ClientID, s.Origin,
		s.Sim.AuthorizeURL, s.Sim.TokenURL, s.Sim.APIURL, s.Sim.APIURL, s.Sim.APIURL, o.handleErrors)
	l.Browser = l.visitor(s.NewBrowser())
	l.reload()
	return l
}

// captureOutput has what goes to the process's standard output and error
// written to a file. Caddy's early messages do, and so would a stray print.
func (l *leakTest) captureOutput(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr, l.stdout = f, f, f
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		f.Close()
	})
}

func (l *leakTest) reload() {
	l.T.Helper()
	defer proxytest.Watch(l.T, l.Origin)()
	if l.reloaded {
		defer proxytest.Watch(l.T, l.admin)()
	}
	l.reloaded = true
	if err := caddy.Load(proxytest.Adapt(l.T, l.text), true); err != nil {
		l.T.Fatalf("loading the config: %v\n%s", err, l.text)
	}
}

// visitor has a browser's answers kept and searched for new secrets.
func (l *leakTest) visitor(b *proxytest.Browser) *proxytest.Browser {
	b.Client.Transport = l
	return b
}

// RoundTrip implements http.RoundTripper.
func (l *leakTest) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/callback") {
		l.keep("code", q.Get("code"))
		nonce, _, _ := strings.Cut(q.Get("state"), ".")
		l.keep("state", nonce)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || "http://"+r.URL.Host != l.Origin && "http://"+r.URL.Host != l.admin {
		return res, err
	}
	for _, c := range res.Cookies() {
		pending := strings.HasPrefix(c.Name, "spotify_login_")
		switch {
		case c.Name == "spotify_session":
			l.keep("session id", c.Value)
			if raw, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil {
				l.keep("session id, decoded", string(raw))
			}
		case pending:
			if parts := strings.Split(c.Value, "."); len(parts) >= 3 {
				l.keep(secretOfLogin, parts[1])
				verifier, err := hkdf.Expand(sha256.New, []byte(parts[1]), "caddy-spotify login verifier v1", 32)
				if err == nil {
					l.keep("verifier", base64.RawURLEncoding.EncodeToString(verifier))
				}
			}
		}
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), failing{err}), res.Body}
	h := res.Header.Clone()
	h.Del("Set-Cookie") // where the session id belongs, and a pending login's secret
	if strings.HasPrefix(h.Get("Location"), l.Sim.AuthorizeURL+"?") {
		h.Del("Location") // the request to Spotify, which carries the state
	}
	if strings.HasSuffix(r.URL.Path, "/callback") {
		// The one answer that shows an access key, which it is for.
		body = proxytest.ShownKey.ReplaceAllFunc(body, func(key []byte) []byte {
			l.keepKey(strings.Trim(string(key), "><"))
			return nil
		})
	}
	if r.URL.Path == "/spotify/token" {
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(body, &answer); err == nil && answer.AccessToken != "" {
			l.keep("exposed token", answer.AccessToken) // the one answer that has a token, which it is for
			body = bytes.Replace(body, []byte(answer.AccessToken), nil, 1)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.seen, "%s %s: %s\n%v\n%s\n%v\n", r.Method, r.URL.Path, res.Status, h, body, res.Trailer)
	return res, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func (l *leakTest) keep(what, secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.secrets[secret]; !known && len(secret) >= 16 { // shorter ones are the test's own, or empty
		l.secrets[secret] = what
	}
}

func (l *leakTest) keepKey(key string) {
	l.T.Helper()
	l.keep("access key", key)
	l.keep("access key", strings.TrimPrefix(key, "spk_"))
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(key, "spk_"))
	if err != nil {
		l.T.Error(err)
	}
	l.keep("access key, decoded", string(raw))
}

func (l *leakTest) output() string {
	l.T.Helper()
	b, err := os.ReadFile(l.stdout.Name())
	if err != nil {
		l.T.Fatal(err)
	}
	return string(b)
}

// finish searches everything.
func (l *leakTest) finish() {
	t := l.T
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, token := range l.Sim.TokensIssued() {
		l.keep("token", token)
	}
	overheard.mu.Lock()
	places := map[string]string{
		"the log": l.Log.String(), "standard output": l.output(), "an answer": l.seen.String(), "another module": overheard.buf.String(),
	}
	overheard.buf.Reset()
	overheard.mu.Unlock()
	err := filepath.WalkDir(l.Storage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			// The temporary file of a write in the background, which has its name by now.
			return nil
		}
		places["the file "+filepath.Base(path)] = path + "\n" + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	kinds := make(map[string]int)
	var patterns leakPatterns
	for secret, what := range l.secrets {
		kinds[what]++
		if err := patterns.add(secret, what); err != nil {
			t.Fatal(err)
		}
	}
	for place, content := range places {
		for p, i := range patterns.search(content) {
			if l.options.logCredentials != "" && place == "the log" && sentInHeaders[p.what] {
				continue
			}
			t.Errorf("a %s, %s, is in %s: …%.200q", p.what, p.form, place, content[max(0, i-150):])
		}
	}
	// A test that looked for nothing, or nowhere, would have found nothing.
	for what, least := range map[string]int{"token": 20, "code": 20, "state": 20, "verifier": 10, "session id": 10, "session id, decoded": 10, "access key": 6, "access key, decoded": 3, "share key": 1, "owner's session id": 1, "exposed token": 1} {
		if kinds[what] < least {
			t.Errorf("only %d of %s were seen", kinds[what], what)
		}
	}
	for place, least := range map[string]int{"the log": 50_000, "an answer": 20_000, "another module": 50_000} {
		if len(places[place]) < least {
			t.Errorf("only %d bytes of %s were searched", len(places[place]), place)
		}
	}
	if len(places) < 6 {
		t.Errorf("only %d places were searched", len(places))
	}
	t.Logf("%d secrets in %d places", len(l.secrets), len(places))
}

const secretOfLogin = "secret of a pending login"

// sentInHeaders are the secrets that browsers and programs send in headers. A
// pending login's cookie holds what its state and verifier derive from.
var sentInHeaders = map[string]bool{
	"session id": true, "session id, decoded": true, secretOfLogin: true, "access key": true, "access key, decoded": true,
}
