package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

var (
	// errClosed says that the store was used after Close.
	errClosed = errors.New("redis store is closed")
	// errNoAnswer takes the place of context.DeadlineExceeded where the time that
	// ran out is the store's own: it must not look like that of the caller.
	errNoAnswer = errors.New("no answer from the server in time")
	// errTooOld says that the server lacks what this store needs.
	errTooOld = errors.New("the server lacks client tracking; use Redis 7 or later, or Valkey, and let the ACL user call hello and client|tracking")
)

// serverError is an error reply. It keeps the text of rueidis.RedisError and not
// the error itself, because servers quote the arguments of commands they do not
// like, and HELLO has the password among them.
type serverError struct{ text string }

func (e *serverError) Error() string { return e.text }

// fault makes of what went wrong during op an error that is one line and holds
// no secret.
func (s *settings) fault(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrExists), errors.Is(err, tokenstore.ErrConflict),
		errors.Is(err, errClosed):
		return err
	case errors.Is(err, rueidis.ErrClosing):
		err = errClosed
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%w: %v", errNoAnswer, err) // %v: it may say which address
	case errors.Is(err, rueidis.ErrNoCache):
		err = errTooOld
	}
	if reply, ok := rueidis.IsRedisErr(err); ok {
		text := reply.Error()
		for _, secret := range s.secrets() {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "[redacted]")
			}
		}
		// "WRONGPASS invalid username-password pair": the first word is the code.
		switch code, _, _ := strings.Cut(text, " "); code {
		case "NOAUTH", "WRONGPASS":
			text += "; check username and password"
		case "NOPERM":
			text += "; the README lists what the ACL user must be allowed"
		case "MOVED", "CROSSSLOT", "CLUSTERDOWN":
			text += "; check the state of the cluster"
		}
		err = &serverError{text: text}
	}
	return fmt.Errorf("redis: %s: %w", op, err)
}
