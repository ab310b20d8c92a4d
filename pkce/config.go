package pkce

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Defaults of a Config.
const (
	DefaultMargin  = time.Minute
	DefaultAhead   = 5 * time.Minute
	DefaultTimeout = 10 * time.Second
)

// Config describes an app and its authorization server. ClientID and, for
// Exchange, RedirectURI are required; everything else has a default. A Config
// must not be changed or copied after its first use and is then safe for
// concurrent use.
type Config struct {
	// ClientID is the app's, from Spotify's dashboard.
	ClientID string
	// RedirectURI is the one of the LoginRequest: RFC 6749 §4.1.3 wants the
	// same in both steps.
	RedirectURI string
	// Scopes is what logins ask for. An answer to Exchange that names no scopes
	// granted these (RFC 6749 §5.1).
	Scopes []string
	// AuthorizeURL is the authorization endpoint; empty means Spotify's.
	AuthorizeURL string
	// TokenURL is the token endpoint; empty means Spotify's.
	TokenURL string
	// HTTPClient calls the token endpoint; nil means one of the package's own.
	// Redirects are not followed, whatever it says.
	HTTPClient *http.Client
	// Margin is how long a token that Token returns is good for at least; 0
	// means a minute. For tokens of less than four times that it is a quarter
	// of their life.
	Margin time.Duration
	// Ahead is how long before its expiry a token in use is refreshed in the
	// background; 0 means five minutes. For tokens of less than twice that it
	// is half of their life.
	Ahead time.Duration
	// Timeout bounds one request to the token endpoint; 0 means ten seconds.
	Timeout time.Duration
	// Clock tells the time; nil means the system's.
	Clock Clock
	// Trace, if not nil, is called as an Authenticator begins a Step on a caller's
	// behalf. It returns the context for what is done in the step, which is to be one
	// of ctx, and what is called with its error, or nil, at the end. A step of a refresh
	// may go on after the caller has left: its context does not end with the caller's.
	Trace func(ctx context.Context, step Step) (context.Context, func(error))
	// OnRefresh, if not nil, is called after each attempt at a refresh,
	// whether it worked or not, and when a token of another process was adopted
	// instead, in the goroutine that made it. It must not
	// block, nor call the Authenticator's Token, Refresh or Flush.
	OnRefresh func(*Authenticator, RefreshEvent)
}

// Exchange exchanges the code that Spotify sent the browser back with for a
// token (RFC 6749 §4.1.3, RFC 7636 §4.5). The verifier is the one whose
// challenge was in the LoginRequest.
//
// An error is a *TokenError if the server refused, and an ErrTemporary if no
// proper answer could be had. A code is good for one try, so the way on from
// either is a new login. No error holds the code or the verifier.
func (c *Config) Exchange(ctx context.Context, code, verifier string) (*Token, error) {
	t, err := c.request(ctx, []string{code, verifier}, func(ctx context.Context) (*oauth2.Token, error) {
		return c.oauth2().Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
	if err != nil {
		return nil, err
	}
	return t.withScope(strings.Join(c.Scopes, " ")), nil
}

// Refresh makes one attempt to exchange a refresh token for a new token (RFC
// 6749 §6). If the answer has no refresh token, the new token keeps the given
// one. It does nothing to make sure that there is one refresh at a time: see
// Authenticator.
//
// The errors are those of Exchange; one that is an ErrReauthorize says that the
// refresh token is of no more use.
func (c *Config) Refresh(ctx context.Context, refreshToken string) (*Token, error) {
	if refreshToken == "" {
		return nil, fmt.Errorf("there is no refresh token: %w", ErrReauthorize)
	}
	return c.request(ctx, []string{refreshToken}, func(ctx context.Context) (*oauth2.Token, error) {
		return c.oauth2().TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	})
}

// NewAuthenticator returns an Authenticator that keeps t fresh. The Persister
// may be nil: then the token lives in memory only.
func (c *Config) NewAuthenticator(t *Token, p Persister) *Authenticator {
	a := new(Authenticator)
	c.InitAuthenticator(a, t, p)
	return a
}

// InitAuthenticator is NewAuthenticator for a zero Authenticator that is part of
// something else, of which there may be a million. It must not be in use yet.
func (c *Config) InitAuthenticator(a *Authenticator, t *Token, p Persister) {
	a.cfg, a.persister = c, p
	a.hold(t)
}

func (c *Config) oauth2() *oauth2.Config {
	tokenURL := c.TokenURL
	if tokenURL == "" {
		tokenURL = DefaultTokenURL
	}
	return &oauth2.Config{
		ClientID:    c.ClientID,
		RedirectURL: c.RedirectURI,
		Endpoint: oauth2.Endpoint{
			TokenURL: tokenURL,
			// A public client identifies itself in the body (RFC 6749 §3.2.1).
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Step is a part of what an Authenticator does that takes time.
type Step string

// The steps that Config.Trace is told of.
const (
	StepWait    Step = "wait"    // a caller has no token that is good, and waits for one
	StepRefresh Step = "refresh" // an attempt to refresh, from the lease to the saving
)

func (c *Config) trace(ctx context.Context, step Step) (context.Context, func(error)) {
	if c.Trace == nil {
		return ctx, func(error) {}
	}
	return c.Trace(ctx, step)
}

func (c *Config) clock() Clock {
	if c.Clock == nil {
		return SystemClock{}
	}
	return c.Clock
}

func (c *Config) timeout() time.Duration { return orDefault(c.Timeout, DefaultTimeout) }

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// margins returns how long before expiry a token of this life is due for a
// refresh, and how long before that one starts in the background. Tokens that
// live shorter than the configured times must not be refreshed all the time.
func (c *Config) margins(life time.Duration) (margin, ahead time.Duration) {
	margin, ahead = orDefault(c.Margin, DefaultMargin), orDefault(c.Ahead, DefaultAhead)
	if life > 0 {
		margin, ahead = min(margin, life/4), min(ahead, life/2)
	}
	return margin, max(ahead, margin)
}

// scopeOf returns the scopes an answer names. One that names none granted what
// was asked for, which only the caller knows.
func scopeOf(t *oauth2.Token) string {
	scope, _ := t.Extra("scope").(string)
	return strings.Join(strings.Fields(scope), " ")
}
