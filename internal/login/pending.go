package login

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

const (
	// loginLife is how long a person may take at Spotify.
	loginLife = 10 * time.Minute
	// clockSkew is how far apart the clocks of two instances may be.
	clockSkew = 5 * time.Minute
	// maxDetails bounds, in bytes, what a login's purpose may add to its cookie.
	maxDetails = 2048
)

// processMark tells a login that began in this process, whose clock needs no
// allowance, from one that began on another instance.
var processMark = newSecret()[:4]

// pendingLogin is a login under way. It lives in a cookie, so the server keeps
// nothing for a visitor who may never return. State and verifier are derived
// from one secret: the state says nothing of the verifier, and both are of use
// only together with a code that Spotify hands to the same browser.
type pendingLogin struct {
	started time.Time
	mark    string // of the process where it began
	secret  string // 43 characters of base64url
	// returnTo is the path to go on to, or a reference to the browser's cookie that
	// has it (see longPath).
	returnTo string
	purpose  string // what it is for, if not for a session
	details  string // of the purpose
}

// newSecret returns 256 random bits in base64url.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewState returns a state that no login of ours has.
func NewState() string { return newSecret() }

// derive returns 256 bits, in base64url, that the secret leads to and that do
// not lead back.
func (p pendingLogin) derive(label string) string {
	b, err := hkdf.Expand(sha256.New, []byte(p.secret), "caddy-spotify login "+label+" v1", 32)
	if err != nil {
		panic(err) // it is not too long
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// nonce is the part of the login's state that nobody can guess.
func (p pendingLogin) nonce() string { return p.derive("state") }

// codes are the verifier, of 43 characters and 256 bits (RFC 7636 §4.1), and its
// challenge.
func (p pendingLogin) codes() (pkce.Codes, error) {
	return pkce.CodesFromVerifier(p.derive("verifier"))
}

// encode writes the login as the value of a cookie.
func (p pendingLogin) encode() string {
	value := strconv.FormatInt(p.started.Unix(), 36) + "-" + p.mark + "." + p.secret + "." + escapeCookie.Replace(p.returnTo)
	if p.purpose == "" {
		return value
	}
	value += "." + p.purpose
	if p.details != "" {
		value += "." + base64.RawURLEncoding.EncodeToString([]byte(p.details))
	}
	return value
}

// A return path is printable ASCII. What of it cannot stand in a cookie, or ends a
// part of ours, is escaped.
var (
	escapeCookie   = strings.NewReplacer("!", "!0", `"`, "!1", ",", "!2", ";", "!3", ".", "!4")
	unescapeCookie = strings.NewReplacer("!0", "!", "!1", `"`, "!2", ",", "!3", ";", "!4", ".")
)

// ErrBadPendingLogin says that the cookie of a pending login makes no sense.
var ErrBadPendingLogin = errors.New("malformed pending login")

// decodePendingLogin reads a cookie's value. The strings in it share no memory with
// the request.
func decodePendingLogin(value string) (pendingLogin, error) {
	parts := strings.Split(strings.Clone(value), ".")
	if len(parts) < 3 || len(parts) > 5 {
		return pendingLogin{}, ErrBadPendingLogin
	}
	started, mark, _ := strings.Cut(parts[0], "-")
	seconds, err := strconv.ParseInt(started, 36, 64)
	if err != nil || !isSecret(parts[1]) {
		return pendingLogin{}, ErrBadPendingLogin
	}
	p := pendingLogin{started: time.Unix(seconds, 0), mark: mark, secret: parts[1]}
	// The browser kept it; what it says is checked as if it came again.
	p.returnTo = unescapeCookie.Replace(parts[2])
	if !isPathReference(p.returnTo) {
		p.returnTo = browser.ReturnPath(p.returnTo)
	}
	if len(parts) > 3 {
		if p.purpose = parts[3]; !validPurpose(p.purpose) {
			return pendingLogin{}, ErrBadPendingLogin
		}
	}
	if len(parts) > 4 {
		details, err := base64.RawURLEncoding.DecodeString(parts[4])
		if err != nil || len(details) > maxDetails {
			return pendingLogin{}, ErrBadPendingLogin
		}
		p.details = string(details)
	}
	return p, nil
}

func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// validPurpose reports whether a purpose may be one, of this config or another.
func validPurpose(name string) bool {
	return name != "" && len(name) <= 16 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == ""
}

// expired reports whether the login has taken too long. The clock of the instance
// where it began may differ from ours.
func (p pendingLogin) expired(now time.Time) bool {
	age, most := now.Sub(p.started), loginLife
	if p.mark != processMark {
		most += clockSkew
	}
	return age < -clockSkew || age > most
}

// state is what Spotify hands back with the code. Only its nonce proves anything.
// The rest finds the login's cookie and, where there is none, says why.
type state struct {
	nonce   string
	slot    byte // names the cookie
	host    bool // the login began under another host name than the public one
	started time.Time
}

// String is how Spotify gets it: 43 characters, a dot, the slot, a hyphen if it
// began under another host, and the time in base 36.
func (s state) String() string {
	text := s.nonce + "." + string(s.slot)
	if s.host {
		text += "-"
	}
	return text + strconv.FormatInt(s.started.Unix(), 36)
}

// parseState tells a state that may be ours from what cannot be. One without
// slot and time has none of our cookies.
func parseState(text string) (s state, ok bool) {
	nonce, rest, found := strings.Cut(text, ".")
	if !isSecret(nonce) {
		return state{}, false
	}
	s.nonce = nonce
	if !found {
		return s, true
	}
	if rest == "" || !isSlot(rest[0]) {
		return state{}, false
	}
	s.slot = rest[0]
	started, host := strings.CutPrefix(rest[1:], "-")
	seconds, err := strconv.ParseInt(started, 36, 64)
	if err != nil {
		return state{}, false
	}
	s.host, s.started = host, time.Unix(seconds, 0)
	return s, s.String() == text
}
