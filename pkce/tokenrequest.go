package pkce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
)

// maxLifetime bounds what an expires_in can mean, so that adding it to the
// time cannot overflow. No access token lives for ten years.
const maxLifetime = 10 * 365 * 24 * time.Hour

// maxTokenLength bounds a token. Servers refuse headers that are longer.
const maxTokenLength = 8 << 10

// maxRetryAfter bounds how long the token endpoint can put off a session.
const maxRetryAfter = 24 * time.Hour

var errMalformed = errors.New("token endpoint sent no well-formed token")

// ownTransport serves the Configs that bring no client.
var ownTransport = sharedTransport()

func sharedTransport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		t = standard.Clone()
	}
	t.MaxIdleConnsPerHost = 16
	return t
}

// request makes one request to the token endpoint. The secrets are those it
// sends: no error may repeat them.
func (c *Config) request(ctx context.Context, secrets []string, do func(context.Context) (*oauth2.Token, error)) (*Token, error) {
	clock := c.clock()
	begun := clock.Monotonic()
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	answer, err := do(context.WithValue(ctx, oauth2.HTTPClient, c.httpClient()))
	if err != nil {
		return nil, classify(ctx, err, clock.Now(), secrets)
	}
	if !wellFormed(answer.AccessToken) || len(answer.RefreshToken) > maxTokenLength || !strings.EqualFold(answer.TokenType, "bearer") && answer.TokenType != "" {
		return nil, &TemporaryError{Err: errMalformed}
	}
	// A token's life is counted from before it was asked for, whatever happened
	// to the wall clock since.
	asked := clock.Now().Add(begun - clock.Monotonic())
	fields := TokenFields{AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, Scope: scopeOf(answer)}
	if seconds := expiresIn(answer); seconds > 0 {
		fields.Lifetime = time.Duration(min(seconds, int64(maxLifetime/time.Second))) * time.Second
		fields.Expiry = asked.Add(fields.Lifetime)
	}
	return NewToken(fields), nil
}

// expiresIn returns the seconds that a token is granted for, or 0 if the answer
// does not say. x/oauth2 notes them for JSON answers only.
func expiresIn(t *oauth2.Token) int64 {
	if t.ExpiresIn != 0 {
		return t.ExpiresIn
	}
	seconds, _ := t.Extra("expires_in").(int64)
	return seconds
}

// httpClient returns the client for the token endpoint. A redirect would carry
// the refresh token to wherever it points, so it counts as an answer.
func (c *Config) httpClient() *http.Client {
	client := http.Client{Transport: ownTransport}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// wellFormed reports whether a token can stand in an Authorization header: it
// is a b64token of RFC 6750 §2.1.
func wellFormed(token string) bool {
	if token == "" || len(token) > maxTokenLength {
		return false
	}
	for i := range len(token) {
		if c := token[i]; !unreserved(c) && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}

// classify turns what went wrong into a *TokenError or a *TemporaryError that
// repeats no secret.
func classify(ctx context.Context, err error, now time.Time, secrets []string) error {
	refused, answered := errors.AsType[*oauth2.RetrieveError](err)
	if !answered {
		if ended := ctx.Err(); ended != nil {
			return &TemporaryError{Err: fmt.Errorf("waiting for the token endpoint: %w", ended)}
		}
		return &TemporaryError{Err: harmless(err)}
	}
	code := printable(refused.ErrorCode)
	if code != refused.ErrorCode {
		// No code has such characters (RFC 6749 §5.2). What is left without them
		// may be invalid_grant, and must not end a grant.
		code = ""
	}
	tokenErr := &TokenError{
		Code:        cut(redact(code, secrets), maxErrorCode),
		Description: cut(redact(printable(refused.ErrorDescription), secrets), maxErrorDescription),
	}
	if refused.Response == nil {
		return &TemporaryError{Err: tokenErr.withoutCode()}
	}
	tokenErr.StatusCode = refused.Response.StatusCode
	if tokenErr.Code != "" && (tokenErr.StatusCode == http.StatusBadRequest || tokenErr.StatusCode == http.StatusUnauthorized) {
		return tokenErr
	}
	// Without an OAuth error, or with a status that speaks of the server and
	// not of the grant, nothing is known about the grant.
	wait, _ := retryafter.Parse(refused.Response.Header.Get("Retry-After"), now)
	return &TemporaryError{
		RetryAfter: min(wait, maxRetryAfter),
		Err:        tokenErr.withoutCode(),
	}
}

// withoutCode keeps an answer that must not end a grant from being taken for
// one that does.
func (e *TokenError) withoutCode() error {
	if errors.Is(e, ErrReauthorize) {
		return &TokenError{StatusCode: e.StatusCode, Description: e.Description}
	}
	return e
}

// harmless returns err without what a server may have put into it: errors of
// HTTP quote the answer, which may hold a token or what we sent. Those of the
// network below it do not.
func harmless(err error) error {
	u, ok := errors.AsType[*url.Error](err)
	if !ok {
		return errMalformed
	}
	if ofNetwork(u.Err) {
		return u
	}
	cause := u.Err
	for errors.Unwrap(cause) != nil {
		cause = errors.Unwrap(cause)
	}
	return fmt.Errorf("token endpoint sent no answer that can be read (%T)", cause)
}

func ofNetwork(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// opaqueWord is a word too long to be one of any language. Those among them that
// have digits or capitals are taken for tokens; the errors of OAuth have neither.
var opaqueWord = regexp.MustCompile(`[A-Za-z0-9_~+=%-]{20,}`)

// redact removes what must not be repeated, as it is and as it was sent, and
// what may be a token that somebody else sent.
func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[redacted]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[redacted]")
		}
	}
	return opaqueWord.ReplaceAllStringFunc(s, func(word string) string {
		if strings.ContainsAny(word, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			return "[redacted]"
		}
		return word
	})
}
