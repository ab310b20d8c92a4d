package device

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

func wantedKey(result login.Result, acct session.Account, q *request, life time.Duration, readOnly bool) accesskeys.DeviceKey {
	return accesskeys.DeviceKey{Token: result.Token, Account: acct, Name: q.Name, Lifetime: life, ReadOnly: readOnly}
}

// approve creates the key of a login and leaves it for the device. Of several that agree at
// once, on whichever instance, one creates a key.
func (d *Devices) approve(ctx context.Context, q *request, wanted accesskeys.DeviceKey) (*session.Session, *problem.Problem) {
	q.Status = claimed
	switch err := d.update(ctx, q); {
	case errors.Is(err, errGone):
		return nil, d.gone()
	case err != nil:
		return nil, storeProblem(err, d.activatePath())
	}
	key, sess, err := d.keys.CreateForDevice(ctx, wanted)
	if err != nil {
		d.unclaim(ctx, q)
		return nil, d.keys.CreationProblem(err, d.activatePath())
	}
	if err := d.leave(ctx, q, key, sess, wanted.Token.Scopes()); err != nil {
		// A key that nobody can have is not to stay in its owner's list.
		if err := d.keys.Discard(ctx, sess); err != nil {
			d.site.Logger.Warn("revoking undelivered access key failed; its owner can revoke it", zap.String("session", sess.Ref()), zap.Error(err))
		}
		if errors.Is(err, errGone) {
			return nil, d.gone()
		}
		d.unclaim(ctx, q)
		return nil, storeProblem(err, d.activatePath())
	}
	return sess, nil
}

// leave leaves a key where the device, and nobody else, finds it.
func (d *Devices) leave(ctx context.Context, q *request, key string, sess *session.Session, scopes []string) error {
	plain, err := json.Marshal(given{Key: key, ExpiresAt: sess.Terms().ExpiresAt, Scopes: scopes})
	if err != nil {
		return err
	}
	sealed, err := sealTo(q.PublicKey, d.recordKey(q), plain)
	if err != nil {
		return err
	}
	q.Status, q.Given = approved, sealed
	return d.update(ctx, q)
}

// unclaim lets a person try again with the same code. If that fails as well, the code
// expires.
func (d *Devices) unclaim(ctx context.Context, q *request) {
	q.Status, q.Given = pending, nil
	if err := d.update(ctx, q); err != nil {
		d.site.Logger.Warn("reopening device login failed; the device has to ask for a new code", zap.String("device", q.Name), zap.Error(err))
	}
}

// announce tells operators of a key that was created.
func (d *Devices) announce(r *http.Request, sess *session.Session, q *request, wanted accesskeys.DeviceKey) {
	site.Identify(r, sess)
	expires := time.Unix(sess.Terms().ExpiresAt, 0).UTC()
	d.site.Logger.Info("access key created",
		zap.String("session", sess.Ref()),
		zap.String("account", wanted.Account.ID),
		zap.Strings("scopes", wanted.Token.Scopes()),
		zap.Time("expires_at", expires),
		zap.String("device", q.Name),
		telemetry.ClientIP(r))
	d.site.Observer.Audit(telemetry.AuditDeviceAgreed, sess, zap.String("device", q.Name), telemetry.ClientIP(r))
	d.site.Observer.Audit(telemetry.AuditKeyCreated, sess, zap.Strings("scopes", wanted.Token.Scopes()), zap.Time("expires_at", expires), telemetry.ClientIP(r))
	d.site.Observer.Emit(telemetry.EventKeyCreated, sess, telemetry.Payload{
		"scopes": wanted.Token.Scopes(), "expires_at": telemetry.Timestamp(expires), "device": q.Name,
	})
}
