package pkce

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unique"

	"golang.org/x/oauth2"
)

const bearer = "Bearer "

// TokenFields is what a token consists of, in the clear: to be sealed and
// stored, or to make a Token of. Printing it shows nothing, but encoding/json
// writes it in full: what comes out must be sealed.
type TokenFields struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	// Scope is the granted scopes, separated by spaces.
	Scope string `json:"scope,omitempty"`
	// Expiry is when the access token expires, by the wall clock.
	Expiry time.Time `json:"expiry"`
	// Lifetime is how long the access token was granted for (expires_in).
	Lifetime time.Duration `json:"lifetime,omitempty"`
}

// Token is an access token with what belongs to it (RFC 6749 §5.1). It does not
// change once made, so it is safe for concurrent use and shared by pointer.
// However it is printed, logged or marshalled, it shows no secret; use Fields
// to store it.
type Token struct {
	// One string serves as header value and, cut, as access token, and scopes
	// are shared between tokens: there may be a million of them.
	header   [1]string
	refresh  string
	scope    unique.Handle[string]
	expiry   int64 // Unix nanoseconds
	lifetime time.Duration
}

// NewToken makes a token. A zero Expiry means that it does not expire, unless
// the server says so.
func NewToken(f TokenFields) *Token {
	// One piece of memory for both: there may be a million of them.
	secrets := bearer + f.AccessToken + f.RefreshToken
	n := len(bearer) + len(f.AccessToken)
	t := &Token{
		header:   [1]string{secrets[:n]},
		refresh:  secrets[n:],
		scope:    unique.Make(f.Scope),
		lifetime: max(0, f.Lifetime),
	}
	if !f.Expiry.IsZero() {
		t.expiry = f.Expiry.UnixNano()
	}
	return t
}

// AccessToken returns the access token.
func (t *Token) AccessToken() string { return t.header[0][len(bearer):] }

// RefreshToken returns the refresh token, empty if there is none.
func (t *Token) RefreshToken() string { return t.refresh }

// Header returns the values of an Authorization header (RFC 6750 §2.1), to be
// put into an http.Header as they are. The caller must not change the slice.
func (t *Token) Header() []string { return t.header[:] }

// Scopes returns the granted scopes.
func (t *Token) Scopes() []string { return strings.Fields(t.scope.Value()) }

// HasScope reports whether a scope was granted.
func (t *Token) HasScope(scope string) bool {
	for granted := range strings.FieldsSeq(t.scope.Value()) {
		if granted == scope {
			return true
		}
	}
	return false
}

// Expiry returns when the access token expires, by the wall clock, or the zero
// time if it does not.
func (t *Token) Expiry() time.Time {
	if t.expiry == 0 {
		return time.Time{}
	}
	return time.Unix(0, t.expiry).UTC()
}

// Lifetime returns how long the access token was granted for, or 0 if that is
// not known.
func (t *Token) Lifetime() time.Duration { return t.lifetime }

// Fields returns what t consists of, secrets included, to be stored.
func (t *Token) Fields() TokenFields {
	return TokenFields{
		AccessToken:  t.AccessToken(),
		RefreshToken: t.refresh,
		Scope:        t.scope.Value(),
		Expiry:       t.Expiry(),
		Lifetime:     t.lifetime,
	}
}

// OAuth2 returns t in the form of golang.org/x/oauth2.
func (t *Token) OAuth2() *oauth2.Token {
	return &oauth2.Token{
		AccessToken:  t.AccessToken(),
		TokenType:    "Bearer",
		RefreshToken: t.refresh,
		Expiry:       t.Expiry(),
	}
}

// withScope returns t, with the given scope if it names none: an answer that
// leaves the scope out left it as it was (RFC 6749 §5.1, §6).
func (t *Token) withScope(scope string) *Token {
	if t.scope.Value() != "" || scope == "" {
		return t
	}
	f := t.Fields()
	f.Scope = scope
	return NewToken(f)
}

// equal reports whether two tokens came from the same answer.
func (t *Token) equal(u *Token) bool {
	return t == u || t != nil && u != nil && t.header == u.header && t.refresh == u.refresh
}

// String shows no secret. Like the methods below it has a value receiver, so
// that a copy of a Token is as discreet as the Token.
func (t Token) String() string {
	if t.expiry == 0 {
		return "pkce.Token(redacted)"
	}
	return "pkce.Token(redacted, expires " + t.Expiry().Format(time.RFC3339) + ")"
}

// Format shows no secret, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue shows no secret.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText shows no secret; it also serves encoding/json and zap. See Fields.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String shows no secret.
func (f TokenFields) String() string { return "pkce.TokenFields(redacted)" }

// Format shows no secret, whatever the verb.
func (f TokenFields) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, f.String()) }

// LogValue shows no secret.
func (f TokenFields) LogValue() slog.Value { return slog.StringValue(f.String()) }
