package pkce

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrReauthorize says that the grant is over: the user has to log in again.
	ErrReauthorize = errors.New("the authorization has ended; the user must log in again")
	// ErrTemporary says that no token could be had just now and that trying
	// again helps. A TemporaryError says when.
	ErrTemporary = errors.New("no token can be had just now")
	// ErrPersister is why no token could be had, or none could be saved, if it
	// was the Persister that failed and not the authorization server.
	ErrPersister = errors.New("the session's record could not be reached")
	// ErrGone is what a Persister returns when the session was deleted.
	ErrGone = errors.New("the session was deleted")
)

// TemporaryError is an ErrTemporary with a time to wait.
type TemporaryError struct {
	// RetryAfter is how long to wait before another try; 0 if that is not known.
	RetryAfter time.Duration
	// Err is the cause. It holds no secret.
	Err error
}

// Error implements error.
func (e *TemporaryError) Error() string {
	if e.Err == nil {
		return ErrTemporary.Error()
	}
	return ErrTemporary.Error() + ": " + e.Err.Error()
}

// Is reports that e is an ErrTemporary.
func (e *TemporaryError) Is(target error) bool { return target == ErrTemporary }

// Unwrap returns the cause.
func (e *TemporaryError) Unwrap() error { return e.Err }

// TokenError is an error answer of the token endpoint (RFC 6749 §5.2).
type TokenError struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the OAuth error code, such as invalid_grant; empty if the answer
	// had none.
	Code string
	// Description is the server's explanation, cut and cleaned for a log.
	Description string
}

// Error implements error.
func (e *TokenError) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("token endpoint answered with status %d", e.StatusCode)
	case e.Description == "":
		return fmt.Sprintf("token endpoint answered %d %s", e.StatusCode, e.Code)
	}
	return fmt.Sprintf("token endpoint answered %d %s: %s", e.StatusCode, e.Code, e.Description)
}

// Is reports whether e ends the grant: invalid_grant does, nothing else.
func (e *TokenError) Is(target error) bool {
	return target == ErrReauthorize && e.Code == "invalid_grant"
}

// Bounds of what a server's words may take up in a log.
const (
	maxErrorCode        = 64
	maxErrorDescription = 256
)

// printable makes a server's words fit for one log line. RFC 6749 §5.2 allows
// printable ASCII without quotes and backslashes; others are dropped.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

func cut(s string, limit int) string { return s[:min(len(s), limit)] }
