package accesskeys

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// KindDevice is the kind of a key that was made for a device, in an account's list.
const KindDevice = "device"

// DeviceKey is a key that a device is to be given.
type DeviceKey struct {
	Token    *pkce.Token // its grant
	Account  session.Account
	Name     string        // of the device; ValidName
	Lifetime time.Duration // shortened to what keys of the site may last
	ReadOnly bool          // everything that the site allows, if not
}

// CreateForDevice creates an access key, lists it as its account's and returns it. It is
// kept nowhere but sealed under itself. The error is one that CreationProblem words.
func (k *Keys) CreateForDevice(ctx context.Context, d DeviceKey) (key string, s *session.Session, err error) {
	wanted := pendingKey{Account: d.Account.ID, Name: d.Name, Life: int64(d.Lifetime / time.Second)}
	if d.ReadOnly {
		wanted.Allow = readOnly
	}
	terms, err := k.terms(wanted)
	if err != nil {
		return "", nil, err
	}
	terms.Device = true
	s, err = k.create(ctx, d.Token, d.Account, terms)
	if err != nil {
		return "", nil, err
	}
	return formatKey(s.ID), s, nil
}

// CreationProblem words an error of CreateForDevice. The URL is where to try again.
func (k *Keys) CreationProblem(err error, again string) *problem.Problem {
	if errors.Is(err, errTooManyKeys) {
		return k.tooMany()
	}
	return problem.StoreUnavailable(err, again)
}

// Discard revokes a key that was created a moment ago and that nobody has.
func (k *Keys) Discard(ctx context.Context, s *session.Session) error {
	_, err := k.revoke(ctx, s.Account.ID, s.Ref())
	return err
}

// Lifetimes returns the times that a key may be given, the shortest first. The one
// named, if there is one, is chosen.
func (k *Keys) Lifetimes(chosen string) []page.Lifetime {
	var lifetimes []page.Lifetime
	for _, life := range k.lives() {
		lifetimes = append(lifetimes, page.Lifetime{Name: life.name, Life: life.d, Chosen: life.name == chosen})
	}
	return lifetimes
}

// Lifetime returns the time of a name that Lifetimes has.
func (k *Keys) Lifetime(name string) (d time.Duration, ok bool) {
	lives := k.lives()
	i := slices.IndexFunc(lives, func(l keyLife) bool { return l.name == name })
	if i < 0 {
		return 0, false
	}
	return lives[i].d, true
}

// DeriveID returns the ID of a record that derives from the secret of the keys and
// the names, of which the first is a label that nothing else has.
func (k *Keys) DeriveID(ctx context.Context, names ...string) (tokenstore.SessionID, error) {
	sec, err := k.key.Load(ctx)
	if err != nil {
		return tokenstore.SessionID{}, err
	}
	return secret.DeriveID(sec, names...)
}

// ValidName reports whether a key may have a name.
func ValidName(name string) bool {
	return name != "" && len([]rune(name)) <= maxKeyName && isPlainText(name)
}
