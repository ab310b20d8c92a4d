package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"rsc.io/qr"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// maxForm bounds the parameters of a request, in bytes.
const maxForm = 8 << 10

// maxConflicts bounds how many user codes are tried until one is free.
const maxConflicts = 4

// authorization is the response to a device (RFC 8628 §3.2). There is no
// verification_uri_complete: with it a link alone would do, and what an attacker sends is a
// link. A person types the code.
type authorization struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
	// QR is an SVG image of the verification URI.
	QR string `json:"qr,omitempty"`
}

// serveRequest begins the login of a device (RFC 8628 §3.1).
func (d *Devices) serveRequest(w http.ResponseWriter, r *http.Request) error {
	params, ok, err := d.parameters(w, r)
	if !ok {
		return err
	}
	name := strings.TrimSpace(params.Get("client_name"))
	if name == "" {
		name = strings.TrimSpace(params.Get("client_id"))
	}
	if !accesskeys.ValidName(name) {
		return d.refuse(w, r, http.StatusBadRequest, "invalid_request",
			"Give the device a client_name of at most 60 letters, digits and other plain characters, which its owner is shown.", 0)
	}
	scopes := strings.Fields(params.Get("scope"))
	if !d.flow.MayAskFor(scopes) {
		return d.refuse(w, r, http.StatusBadRequest, "invalid_scope", "A scope that is asked for is not among those of the site. Its operator can add it to optional_scopes.", 0)
	}
	if len(scopes) == 0 {
		scopes = slices.Clone(d.flow.Scopes())
	}
	slices.Sort(scopes)
	addr := clientAddress(r)
	if wait, ok := d.limits.issue(network(addr)); !ok {
		d.site.Metrics.DeviceLogin(telemetry.DeviceRefused)
		if suppressed, ok := d.site.Faults().Admit("device logins"); ok {
			d.site.Logger.Warn("too many device logins are pending; refusing more", telemetry.ClientIP(r), suppressed)
		}
		return d.refuse(w, r, http.StatusTooManyRequests, "temporarily_unavailable", "As many devices wait for a code to be entered as may. Try again later.", wait)
	}
	q := &request{Site: d.site.Base(), Name: name, Scopes: slices.Compact(scopes), Network: nearby(addr), CreatedAt: d.site.Clock.Now().Unix()}
	code, err := d.begin(r, q)
	if err != nil {
		return d.site.Fail(w, r, storeProblem(err, ""))
	}
	d.site.Metrics.DeviceLogin(telemetry.DeviceAsked)
	d.site.Logger.Info("device login started", zap.String("device", name), zap.Strings("scopes", q.Scopes), telemetry.ClientIP(r))
	uri := d.site.Origin + d.activatePath()
	problem.SetJSONHeaders(w.Header())
	return json.NewEncoder(w).Encode(authorization{
		DeviceCode: code.String(), UserCode: shown(q.Code), VerificationURI: uri,
		ExpiresIn: int(codeLifetime / time.Second), Interval: int(pollInterval / time.Second), QR: drawQR(uri),
	})
}

// begin stores a login under a user code that no other has, and returns the device's code.
func (d *Devices) begin(r *http.Request, q *request) (code deviceCode, err error) {
	for range maxConflicts {
		q.Code = newUserCode()
		if q.id, err = d.idOf(r.Context(), q.Code); err != nil {
			return code, err
		}
		code = newDeviceCode(q.id)
		pair, err := code.keyPair()
		if err != nil {
			return code, fmt.Errorf("deriving a device's key: %w", err)
		}
		q.PublicKey = pair.PublicKey().Bytes()
		if err = d.create(r.Context(), q); !errors.Is(err, tokenstore.ErrExists) {
			return code, err
		}
	}
	return code, tokenstore.ErrExists
}

// drawQR returns a QR code as an SVG image, dark on white with the margin of four modules
// that readers need. It is empty for a text that is too long for one.
func drawQR(text string) string {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return ""
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) { // which none outside is
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%[3]dz", x+4, y+4, run)
				x += run
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%s"/></svg>`, code.Size+8, path.String())
}

// parameters returns those of a device's request, which is a form or JSON. If it cannot be
// read, it has been responded to.
func (d *Devices) parameters(w http.ResponseWriter, r *http.Request) (params url.Values, ok bool, err error) {
	if p := d.site.CheckOriginOrAllowed(r); p != nil {
		return nil, false, d.site.Fail(w, r, p)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	params = make(url.Values)
	if mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		var members map[string]string
		err = json.NewDecoder(r.Body).Decode(&members)
		for name, value := range members {
			params.Set(name, value)
		}
	} else if err = r.ParseForm(); err == nil {
		params = r.PostForm
	}
	for _, values := range params {
		if len(values) > 1 {
			err = errors.New("a parameter is given more than once")
		}
	}
	if err != nil {
		return nil, false, d.refuse(w, r, http.StatusBadRequest, "invalid_request", "The parameters cannot be read. Send each once, as a form or as a JSON object of strings.", 0)
	}
	return params, true, nil
}

// refuse responds with an error as RFC 6749 §5.2 has it, which is what device clients and
// those of Spotify's own token endpoint read.
func (d *Devices) refuse(w http.ResponseWriter, r *http.Request, status int, code, description string, wait time.Duration) error {
	problem.SetJSONHeaders(w.Header())
	if wait > 0 {
		w.Header().Set("Retry-After", problem.RetryAfterSeconds(wait))
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set(reason.Header, string(reason.TooManyCodes))
	}
	body, err := json.Marshal(map[string]string{"error": code, "error_description": description})
	if err != nil {
		return err
	}
	return problem.Write(w, r, status, append(body, '\n'))
}

// storeProblem is StoreUnavailable for what has to do with a device.
func storeProblem(err error, again string) *problem.Problem {
	p := problem.StoreUnavailable(err, again)
	p.Message = "Codes of devices cannot be looked up just now. Try again in a moment."
	return p
}
