package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// status is how far a login has come.
type status string

const (
	pending   status = ""          // nobody has decided
	claimed   status = "claimed"   // a person has agreed, and the key is being created
	approved  status = "approved"  // the device can have the key
	denied    status = "denied"    // a person has said no
	delivered status = "delivered" // the device has the key
)

// request is a login that a device has asked for. It is stored sealed under an ID that
// derives from the user code and the site's secret, so that every instance finds it by the
// code, and nobody by the store alone.
type request struct {
	Code string `json:"code"`
	// Site is where the device asked, and where alone it is told. A record of an earlier
	// version names none.
	Site      string   `json:"site,omitempty"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	Network   string   `json:"network"` // where the device is, as network says
	CreatedAt int64    `json:"created_at"`
	PublicKey []byte   `json:"public_key"` // of the device
	Status    status   `json:"status,omitempty"`
	// Given is what the device gets, sealed to its public key.
	Given []byte `json:"given,omitempty"`

	id      tokenstore.SessionID
	version string
}

// given is what a device gets.
type given struct {
	Key       string   `json:"key"`
	ExpiresAt int64    `json:"expires_at"`
	Scopes    []string `json:"scopes"`
}

// errGone says that there is no such login, or no longer.
var errGone = errors.New("no such device login")

const codeLabel = "caddy-spotify device code v1\x00"

// idOf returns the ID of the record that a user code leads to.
func (d *Devices) idOf(ctx context.Context, code string) (tokenstore.SessionID, error) {
	return d.keys.DeriveID(ctx, codeLabel, d.site.ClientID, d.site.Base(), code)
}

// namespace is where the IDs of logins mean something.
func (d *Devices) namespace() string { return d.site.ClientID + "\x00device login" }

// recordKey is the key of a login's record.
func (d *Devices) recordKey(q *request) string { return q.id.Key(d.namespace()) }

// expired reports whether a login is over, whatever the store says.
func (d *Devices) expired(q *request) bool {
	return d.site.Clock.Now().Sub(time.Unix(q.CreatedAt, 0)) >= codeLifetime
}

// load returns the login of an ID, or errGone.
func (d *Devices) load(ctx context.Context, id tokenstore.SessionID) (*request, error) {
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	rec, err := d.site.Store.Load(ctx, id.Key(d.namespace()))
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("loading a device login: %w", err)
	}
	plain, err := tokenstore.Open(id, d.namespace(), rec.Sealed)
	if errors.Is(err, tokenstore.ErrUnsealable) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("opening a device login: %w", err)
	}
	q := &request{id: id, version: rec.Version}
	if err := json.Unmarshal(plain, q); err != nil {
		return nil, fmt.Errorf("reading a device login: %w", err)
	}
	if q.Site != "" && q.Site != d.site.Base() {
		return nil, errGone
	}
	if d.expired(q) {
		return nil, errGone
	}
	return q, nil
}

// create stores a login that is new, or returns tokenstore.ErrExists.
func (d *Devices) create(ctx context.Context, q *request) error {
	return d.save(ctx, q, d.site.Store.Create)
}

// update stores a login that was loaded and changed. It returns errGone if another
// request has changed it since.
func (d *Devices) update(ctx context.Context, q *request) error {
	err := d.save(ctx, q, d.site.Store.Update)
	if errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrNotFound) {
		return errGone
	}
	return err
}

func (d *Devices) save(ctx context.Context, q *request, put func(context.Context, string, *tokenstore.Record) error) error {
	plain, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encoding a device login: %w", err)
	}
	sealed, err := tokenstore.Seal(q.id, d.namespace(), plain)
	if err != nil {
		return fmt.Errorf("sealing a device login: %w", err)
	}
	created := time.Unix(q.CreatedAt, 0).UTC()
	rec := &tokenstore.Record{
		// No account: until a person agrees it is nobody's, and then it is gone within minutes.
		Meta:   tokenstore.Meta{Kind: tokenstore.KindDevice, CreatedAt: created, AuthorizedAt: created, ExpiresAt: created.Add(codeLifetime)},
		Sealed: sealed, Version: q.version,
	}
	ctx, cancel := context.WithTimeout(ctx, session.StoreTimeout)
	defer cancel()
	if err := put(ctx, d.recordKey(q), rec); err != nil {
		return fmt.Errorf("saving a device login: %w", err)
	}
	q.version = rec.Version
	return nil
}
