package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

const (
	zitadelClient   = "caddy-spotify"
	zitadelUser     = "test-user@127.0.0.1"
	zitadelPassword = "verysecure"
)

// zitadel is the example server of zitadel/oidc, unmodified, with one public
// client, and an API that takes its tokens.
type zitadel struct {
	issuer string
	api    string
	client string // origin of the client, which is the proxy
	store  *storage.Storage

	mu      sync.Mutex
	bearers []string        // as the API was sent them
	expired map[string]bool // bearers that the API refuses
	grants  map[string]int  // successful token requests by grant type
	seen    []string        // codes, verifiers and tokens that passed the token endpoint
}

func startZitadel(t *testing.T) *zitadel {
	t.Helper()
	z := &zitadel{client: freeOrigin(t), expired: make(map[string]bool), grants: make(map[string]int)}

	// The server's handler needs its own address.
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	z.issuer = server.URL
	z.store = storage.NewStorageWithClients(storage.NewUserStore(z.issuer), map[string]*storage.Client{
		zitadelClient: storage.NativeClient(zitadelClient, z.client+"/spotify/callback"),
	})
	// It sets the default logger of the process and logs each request to it.
	handler = z.watch(exampleop.SetupServer(z.issuer, z.store, slog.New(slog.DiscardHandler), false))

	api := httptest.NewServer(z.webAPI())
	t.Cleanup(api.Close)
	z.api = api.URL
	return z
}

// options are those of spotify_proxy for this server.
func (z *zitadel) options() string {
	return fmt.Sprintf(`client_id %s
		scopes openid profile offline_access
		store memory
		authorize_url %s/auth
		token_url %s/oauth/token
		api_url %s`, zitadelClient, z.issuer, z.issuer, z.api)
}

// watch notes what the token endpoint is sent and answers.
func (z *zitadel) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth/token" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)

		form, _ := url.ParseQuery(string(body))
		var tokens map[string]any
		_ = json.Unmarshal(answer.Body.Bytes(), &tokens)
		z.mu.Lock()
		if answer.Code == http.StatusOK {
			z.grants[form.Get("grant_type")]++
		}
		for _, name := range []string{"code", "code_verifier", "refresh_token"} {
			if v := form.Get(name); v != "" {
				z.seen = append(z.seen, v)
			}
		}
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			if v, ok := tokens[name].(string); ok {
				z.seen = append(z.seen, v)
			}
		}
		z.mu.Unlock()

		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// webAPI is just enough of a Web API for the demo's page. Zitadel says whose
// token it is, and whether it is one.
func (z *zitadel) webAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"id": r.Header.Get("X-Subject"), "display_name": r.Header.Get("X-Name"), "images": []any{}})
	})
	mux.HandleFunc("GET /v1/me/player", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /v1/me/top/artists", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"items": []any{}, "total": 0})
	})
	mux.HandleFunc("GET /v1/me/playlists", z.playlists)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !z.accepts(bearer) {
			w.WriteHeader(http.StatusUnauthorized)
			writeJSON(w, map[string]any{"error": map[string]any{"status": 401, "message": "The access token expired"}})
			return
		}
		var user struct{ Sub, Name string }
		if status := z.userinfo(r, bearer, &user); status != http.StatusOK {
			w.WriteHeader(http.StatusUnauthorized)
			writeJSON(w, map[string]any{"error": map[string]any{"status": 401, "message": "Invalid access token"}})
			return
		}
		r.Header.Set("X-Subject", user.Sub)
		r.Header.Set("X-Name", user.Name)
		mux.ServeHTTP(w, r)
	})
}

func (z *zitadel) userinfo(r *http.Request, bearer string, user any) int {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, z.issuer+"/userinfo", nil)
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if json.NewDecoder(resp.Body).Decode(user) != nil {
		return 0
	}
	return resp.StatusCode
}

func (z *zitadel) playlists(w http.ResponseWriter, r *http.Request) {
	const total = 9
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	link := func(offset int) any {
		if offset < 0 || offset >= total {
			return nil
		}
		return fmt.Sprintf("%s/v1/me/playlists?limit=%d&offset=%d", z.api, limit, offset)
	}
	items := []any{}
	for i := offset; i < min(offset+limit, total); i++ {
		items = append(items, map[string]any{"id": strconv.Itoa(i), "name": fmt.Sprintf("Playlist %d", i+1), "images": nil})
	}
	writeJSON(w, map[string]any{
		"items": items, "total": total, "limit": limit, "offset": offset,
		"next": link(offset + limit), "previous": link(offset - limit),
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// accepts notes a bearer and tells whether it has not been made to expire.
func (z *zitadel) accepts(bearer string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.bearers = append(z.bearers, bearer)
	return !z.expired[bearer]
}

func (z *zitadel) lastBearer() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(z.bearers) == 0 {
		return ""
	}
	return z.bearers[len(z.bearers)-1]
}

// expire makes the API refuse a token from now on.
func (z *zitadel) expire(bearer string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.expired[bearer] = true
}

func (z *zitadel) granted(grantType string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.grants[grantType]
}

func (z *zitadel) secrets() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.seen...)
}

// endSession makes zitadel forget every token of the user.
func (z *zitadel) endSession(t *testing.T) {
	t.Helper()
	if err := z.store.TerminateSession(t.Context(), "id1", zitadelClient); err != nil {
		t.Fatal(err)
	}
}
