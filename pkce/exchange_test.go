package pkce_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const answerOK = `{"access_token":"access-1","token_type":"Bearer","scope":"user-top-read","expires_in":3600,"refresh_token":"refresh-1"}`

// serve runs a token endpoint and returns a Config for it.
func serve(t *testing.T, handler http.HandlerFunc) *pkce.Config {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &pkce.Config{
		ClientID:    "0123456789abcdef0123456789abcdef",
		RedirectURI: "http://127.0.0.1:8080/spotify/callback",
		TokenURL:    server.URL + "/api/token",
		HTTPClient:  server.Client(),
		Clock:       fakeclock.New(noon),
	}
}

// What goes over the wire is what RFC 6749 §4.1.3 and §6 and RFC 7636 §4.5 ask
// of a public client, and nothing else.
func TestTokenRequests(t *testing.T) {
	for _, tc := range []struct {
		name string
		call func(context.Context, *pkce.Config) (*pkce.Token, error)
		want url.Values
	}{
		{
			"exchange",
			func(ctx context.Context, c *pkce.Config) (*pkce.Token, error) {
				return c.Exchange(ctx, "co+de", "veri~fier")
			},
			url.Values{
				"grant_type": {"authorization_code"}, "code": {"co+de"}, "code_verifier": {"veri~fier"},
				"client_id": {"0123456789abcdef0123456789abcdef"}, "redirect_uri": {"http://127.0.0.1:8080/spotify/callback"},
			},
		},
		{
			"refresh",
			func(ctx context.Context, c *pkce.Config) (*pkce.Token, error) { return c.Refresh(ctx, "refresh-0") },
			url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"refresh-0"},
				"client_id": {"0123456789abcdef0123456789abcdef"},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				if err != nil || form.Encode() != tc.want.Encode() {
					t.Errorf("sent %s, want %s", body, tc.want.Encode())
				}
				if r.Method != http.MethodPost || r.URL.String() != "/api/token" ||
					r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
					t.Errorf("sent %s %s of type %s", r.Method, r.URL, r.Header.Get("Content-Type"))
				}
				if _, ok := r.Header["Authorization"]; ok {
					t.Error("a public client sent an Authorization header")
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, answerOK)
			})
			token, err := tc.call(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			want := pkce.TokenFields{
				AccessToken: "access-1", RefreshToken: "refresh-1", Scope: "user-top-read",
				Expiry: noon.Add(time.Hour), Lifetime: time.Hour,
			}
			if token.Fields() != want {
				t.Error("the token differs from the answer")
			}
		})
	}
}

// An answer that names no scopes granted those that were asked for (RFC 6749
// §5.1).
func TestExchangeWithoutScope(t *testing.T) {
	cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"access-1","token_type":"Bearer","expires_in":3600}`)
	})
	cfg.Scopes = []string{pkce.ScopeStreaming, pkce.ScopeUserReadEmail}
	token, err := cfg.Exchange(t.Context(), "code", "verifier")
	if err != nil {
		t.Fatal(err)
	}
	if !token.HasScope(pkce.ScopeStreaming) || !token.HasScope(pkce.ScopeUserReadEmail) {
		t.Errorf("the scopes are %q", token.Scopes())
	}
}

// A redirect would carry code or refresh token to somebody else.
func TestTokenEndpointRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Errorf("%d: the redirect was followed", status)
		}))
		defer elsewhere.Close()
		cfg := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		})
		cfg.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // overruled
		if _, err := cfg.Refresh(t.Context(), "refresh-0"); !errors.Is(err, pkce.ErrTemporary) {
			t.Errorf("%d: %v, want ErrTemporary", status, err)
		}
	}
}

// The server's words are repeated without what it was sent, on one line, and
// not at any length.
func TestErrorsShowNoSecret(t *testing.T) {
	const code, verifier, refresh = "AQsecretcode", "secretverifier", "AQsecretrefresh"
	for name, handler := range map[string]http.HandlerFunc{
		"description": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_request","error_description":"\u001b[31m\nsaw `+r.PostForm.Encode()+strings.Repeat("x", 10_000)+`"}`)
		},
		"code": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"`+r.PostForm.Encode()+`"}`)
		},
		"malformed": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			_, _ = io.WriteString(w, r.PostForm.Encode())
		},
		"malformed form": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			_, _ = io.WriteString(w, "%zz"+r.PostForm.Encode())
		},
		"location": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Location", "http://%zz/"+r.PostForm.Get("code_verifier")+r.PostForm.Get("refresh_token"))
			w.WriteHeader(http.StatusFound)
		},
		"hang-up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := serve(t, handler)
			_, exchangeErr := cfg.Exchange(t.Context(), code, verifier)
			_, refreshErr := cfg.Refresh(t.Context(), refresh)
			for _, err := range []error{exchangeErr, refreshErr} {
				if err == nil {
					t.Fatal("no error")
				}
				text := err.Error()
				if strings.Contains(text, "secret") {
					t.Errorf("the error shows a secret: %s", text)
				}
				if strings.ContainsAny(text, "\n\x1b") || len(text) > 600 {
					t.Errorf("the error is no line for a log: %q", text)
				}
			}
		})
	}
}

// An answer without end is not read to the end.
func TestEndlessAnswer(t *testing.T) {
	ended := make(chan struct{})
	cfg := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for range 1024 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("64 MiB were read")
	})
	if _, err := cfg.Refresh(t.Context(), "refresh-0"); !errors.Is(err, pkce.ErrTemporary) {
		t.Errorf("%v, want ErrTemporary", err)
	}
	<-ended
}

// A caller's context ends an Exchange; nothing is known of the grant then.
func TestExchangeEndsWithContext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	cfg := serve(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := cfg.Exchange(ctx, "code", "verifier")
	if !errors.Is(err, pkce.ErrTemporary) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want an ErrTemporary that is context.Canceled", err)
	}
}

// Without an HTTPClient the package has its own.
func TestOwnClient(t *testing.T) {
	cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answerOK)
	})
	cfg.HTTPClient = nil
	if _, err := cfg.Refresh(t.Context(), "refresh-0"); err != nil {
		t.Error(err)
	}
}
