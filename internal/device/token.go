package device

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
)

// GrantType is that of a device's request for its key (RFC 8628 §3.4).
const GrantType = "urn:ietf:params:oauth:grant-type:device_code"

// deviceToken is a device's key (RFC 6749 §5.1).
type deviceToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// serveToken gives a device its key, once, or tells it how its login goes (RFC 8628 §3.5).
func (d *Devices) serveToken(w http.ResponseWriter, r *http.Request) error {
	params, ok, err := d.parameters(w, r)
	if !ok {
		return err
	}
	if params.Get("grant_type") != GrantType {
		return d.refuse(w, r, http.StatusBadRequest, "unsupported_grant_type", "The grant_type is "+GrantType+".", 0)
	}
	code, err := parseDeviceCode(params.Get("device_code"))
	if err != nil {
		return d.refuse(w, r, http.StatusBadRequest, "invalid_grant", "The device_code is none of this site. Ask for one first.", 0)
	}
	digest := sha256.Sum256([]byte(code.String()))
	if interval, ok := d.limits.poll(string(digest[:])); !ok {
		return d.refuse(w, r, http.StatusBadRequest, "slow_down", "Ask every "+strconv.Itoa(int(interval/time.Second))+" seconds from now on.", interval)
	}
	unknown := bound{"poll " + network(clientAddress(r)), maxUnknown}
	if wait, ok := d.limits.attempt(unknown); !ok {
		return d.refuse(w, r, http.StatusTooManyRequests, "slow_down", "Too many unknown device codes came from this network. Ask for a new code later.", wait)
	}
	q, err := d.load(r.Context(), code.record)
	if err == nil {
		// Who knows a user code's record, and not the device's secret, is not the device.
		var pair interface{ Bytes() []byte }
		if key, keyErr := code.keyPair(); keyErr != nil {
			return keyErr
		} else if pair = key.PublicKey(); !bytes.Equal(pair.Bytes(), q.PublicKey) {
			err = errGone
		}
	}
	if errors.Is(err, errGone) {
		return d.refuse(w, r, http.StatusBadRequest, "expired_token", "The device_code has expired, or there never was one. Ask for a new one.", 0)
	}
	d.limits.right(unknown)
	if err != nil {
		return d.site.Fail(w, r, storeProblem(err, ""))
	}
	switch q.Status {
	case pending, claimed:
		return d.refuse(w, r, http.StatusBadRequest, "authorization_pending", "Nobody has entered the user_code and agreed yet. Ask again.", 0)
	case denied:
		return d.refuse(w, r, http.StatusBadRequest, "access_denied", "The request was denied.", 0)
	case approved:
		return d.deliver(w, r, code, q)
	}
	return d.refuse(w, r, http.StatusBadRequest, "invalid_grant", "The device_code has been used.", 0)
}

// deliver gives a device its key. Before it does, the store forgets it.
func (d *Devices) deliver(w http.ResponseWriter, r *http.Request, code deviceCode, q *request) error {
	plain, err := code.open(d.recordKey(q), q.Given)
	if err != nil {
		return err // it was sealed to the same key
	}
	var g given
	if err := json.Unmarshal(plain, &g); err != nil {
		return err
	}
	q.Status, q.Given = delivered, nil
	switch err := d.update(r.Context(), q); {
	case errors.Is(err, errGone):
		return d.refuse(w, r, http.StatusBadRequest, "invalid_grant", "The device_code has been used.", 0)
	case err != nil:
		return d.site.Fail(w, r, storeProblem(err, ""))
	}
	d.site.Metrics.DeviceLogin(telemetry.DeviceDelivered)
	d.site.Logger.Info("access key delivered to device", zap.String("device", q.Name), telemetry.ClientIP(r))
	problem.SetJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(deviceToken{
		AccessToken: g.Key, TokenType: "Bearer", Scope: strings.Join(g.Scopes, " "),
		ExpiresIn: max(0, g.ExpiresAt-d.site.Clock.Now().Unix()),
	})
}
