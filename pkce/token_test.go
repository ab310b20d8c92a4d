package pkce_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/zap/zapcore"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

func fields() pkce.TokenFields {
	return pkce.TokenFields{
		AccessToken: "BQsecretaccess", RefreshToken: "AQsecretrefresh", Scope: "user-read-private user-top-read",
		Expiry: noon.Add(time.Hour), Lifetime: time.Hour,
	}
}

func TestToken(t *testing.T) {
	token := pkce.NewToken(fields())
	if token.AccessToken() != "BQsecretaccess" || token.RefreshToken() != "AQsecretrefresh" ||
		!token.Expiry().Equal(noon.Add(time.Hour)) || token.Lifetime() != time.Hour {
		t.Errorf("the token has %+v", token.Fields())
	}
	if got := token.Header(); !slices.Equal(got, []string{"Bearer BQsecretaccess"}) {
		t.Errorf("Header = %q", got)
	}
	if got := token.Scopes(); !slices.Equal(got, []string{"user-read-private", "user-top-read"}) {
		t.Errorf("Scopes = %q", got)
	}
	for scope, want := range map[string]bool{"user-top-read": true, "user-read-private": true, "user-read": false, "": false, "user-read-private user-top-read": false} {
		if token.HasScope(scope) != want {
			t.Errorf("HasScope(%q) is not %v", scope, want)
		}
	}
	if got := token.OAuth2(); got.AccessToken != "BQsecretaccess" || got.RefreshToken != "AQsecretrefresh" || !got.Expiry.Equal(noon.Add(time.Hour)) {
		t.Error("OAuth2 differs from the token")
	}
}

func TestTokenFieldsSurviveStorage(t *testing.T) {
	for name, want := range map[string]pkce.TokenFields{
		"all":   fields(),
		"least": {AccessToken: "BQsecretaccess"},
	} {
		data, err := json.Marshal(pkce.NewToken(want).Fields())
		if err != nil {
			t.Fatal(err)
		}
		var stored pkce.TokenFields
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
		got := pkce.NewToken(stored).Fields()
		if got != want {
			t.Errorf("%s: what comes back differs from what was stored", name)
		}
	}
}

func TestTokensAreNotPrinted(t *testing.T) {
	token := pkce.NewToken(fields())
	f := fields()
	event := pkce.RefreshEvent{Token: token}
	auth := new(pkce.Config).NewAuthenticator(token, nil)

	var texts []string
	for _, v := range []any{token, *token, &token, f, &f, event, &event, auth, []*pkce.Token{token}, map[string]pkce.TokenFields{"f": f}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "token", token, "copy", *token, "fields", f, "event", event)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token, "copy", *token, "fields", f, "event", event)
	for _, v := range []any{token, *token, event, []*pkce.Token{token}} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
	line, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{
		{Key: "token", Type: zapcore.ReflectType, Interface: token},
		{Key: "string", Type: zapcore.StringerType, Interface: token},
		{Key: "event", Type: zapcore.ReflectType, Interface: event},
	})
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, line.String(), log.String())
	for _, text := range texts {
		for _, secret := range []string{"secret", fmt.Sprintf("%x", "secret")} {
			if strings.Contains(strings.ToLower(text), secret) {
				t.Errorf("a secret shows: %s", text)
			}
		}
	}
	if got := token.String(); got != "pkce.Token(redacted, expires 2026-08-01T13:00:00Z)" {
		t.Errorf("String = %s", got)
	}
	var none *pkce.Token
	if got := fmt.Sprintf("%v", none); got != "<nil>" {
		t.Errorf("a nil token prints as %s", got)
	}
}

// The header is the token's own slice: setting it costs nothing.
func TestTokenCostsNothing(t *testing.T) {
	auth := new(pkce.Config).NewAuthenticator(pkce.NewToken(pkce.TokenFields{
		AccessToken: "access", RefreshToken: "refresh", Scope: "user-top-read", Expiry: time.Now().Add(time.Hour), Lifetime: time.Hour,
	}), nil)
	header := http.Header{"Authorization": nil}
	ctx := t.Context()
	if allocs := testing.AllocsPerRun(1000, func() {
		token, err := auth.Token(ctx)
		if err != nil || !token.HasScope("user-top-read") || token.AccessToken() == "" {
			t.Fatal("no token")
		}
		header["Authorization"] = token.Header()
	}); allocs != 0 {
		t.Errorf("a fresh token costs %v allocations", allocs)
	}
}

// A million sessions fit into memory: what one takes is little more than its
// two tokens.
func TestSessionIsSmall(t *testing.T) {
	const n = 10_000
	access, refresh := strings.Repeat("a", 200), strings.Repeat("r", 131)
	scope := strings.Join(pkce.Scopes(), " ")
	cfg := new(pkce.Config)
	expiry := time.Now().Add(time.Hour)
	auths := make([]*pkce.Authenticator, n)

	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for i := range auths {
		auths[i] = cfg.NewAuthenticator(pkce.NewToken(pkce.TokenFields{
			AccessToken:  access + fmt.Sprint(i)[:1],
			RefreshToken: refresh,
			Scope:        strings.Clone(scope),
			Expiry:       expiry,
			Lifetime:     time.Hour,
		}), nil)
	}
	each := int64(heap()-before) / n
	runtime.KeepAlive(auths)
	t.Logf("a session of %d characters takes %d B of heap; Authenticator %d B, Token %d B",
		len(access)+len(refresh), each, unsafe.Sizeof(pkce.Authenticator{}), unsafe.Sizeof(pkce.Token{}))
	if each > 480 {
		t.Errorf("a session takes %d B of heap, more than 480 B", each)
	}
}
