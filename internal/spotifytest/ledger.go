package spotifytest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"sync"
	"time"
)

const (
	codeLife       = 10 * time.Minute
	refreshMonths  = 6
	accessLength   = 204
	refreshLength  = 131
	codeLength     = 246
	tokenAlphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	maxGrantEvents = 1000
)

// GrantEvent is something that happened to a grant.
type GrantEvent struct {
	At time.Time `json:"at"`
	// Kind is authorized, exchanged, refreshed, reuse, expired or revoked.
	Kind string `json:"kind"`
	// Rotated tells that a refresh answered with a new refresh token.
	Rotated bool `json:"rotated,omitempty"`
}

// Grant is one authorization of one app by one user: a code and all that came
// of it. It is a copy; it holds no secret.
type Grant struct {
	ID           int          `json:"id"`
	User         string       `json:"user"`
	ClientID     string       `json:"client_id"`
	Scopes       []string     `json:"scopes"`
	AuthorizedAt time.Time    `json:"authorized_at"`
	RefreshEnds  time.Time    `json:"refresh_ends"`
	Refreshes    int          `json:"refreshes"`
	Revoked      bool         `json:"revoked"`
	Events       []GrantEvent `json:"events"`
}

type grant struct {
	Grant
	redirectURI, challenge string
	codeUsed               bool
	refresh                string // the only one that is good; empty before the exchange
}

type access struct {
	grant   *grant
	expires time.Time
}

// ledger is the accounts service's memory: who was granted what, and every
// secret that ever left it or came to it.
type ledger struct {
	now func() time.Time

	mu       sync.Mutex
	life     time.Duration
	rotation Rotation
	grants   []*grant
	codes    map[string]*grant
	refresh  map[string]*grant // old ones too: their reuse must be recognised
	access   map[string]*access
	secrets  []string
	known    map[string]bool
	asked    map[string]int // token requests by grant_type
	renewed  int
	refused  int
}

func newLedger(life time.Duration, rotation Rotation, now func() time.Time) *ledger {
	return &ledger{
		now: now, life: life, rotation: rotation,
		codes:   make(map[string]*grant),
		refresh: make(map[string]*grant),
		access:  make(map[string]*access),
		known:   make(map[string]bool),
		asked:   make(map[string]int),
	}
}

// authorize opens a grant and returns its code.
func (l *ledger) authorize(user string, req *authorizeRequest) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	g := &grant{
		Grant: Grant{
			ID: len(l.grants) + 1, User: user, ClientID: req.clientID, Scopes: req.scopes,
			AuthorizedAt: now, RefreshEnds: now.AddDate(0, refreshMonths, 0),
		},
		redirectURI: req.redirectURI, challenge: req.challenge,
	}
	g.note(now, "authorized", false)
	l.grants = append(l.grants, g)
	code := newSecret("AQ", codeLength)
	l.codes[code] = g
	l.keep(code)
	return code
}

// issued is what a successful token request yields. refresh is nil where the
// answer leaves it out.
type issued struct {
	user    string
	access  string
	refresh *string
	life    time.Duration
	scopes  []string
}

// exchange redeems a code (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (l *ledger) exchange(clientID, redirectURI, code, verifier string) (*issued, *tokenError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if verifier != "" {
		l.keep(verifier)
	}
	now := l.now()
	g, found := l.codes[code]
	switch {
	case !found || g.ClientID != clientID:
		return nil, invalidGrant("Invalid authorization code")
	case g.codeUsed:
		// A second use means that the code leaked: everything that came of it ends (RFC 6749 §4.1.2).
		g.note(now, "reuse", false)
		l.revoke(g)
		return nil, invalidGrant("Invalid authorization code")
	case g.Revoked:
		return nil, invalidGrant("Invalid authorization code")
	case now.Sub(g.AuthorizedAt) >= codeLife:
		return nil, invalidGrant("Authorization code expired")
	}
	g.codeUsed = true // one attempt, right or wrong: a code cannot be tried against verifiers
	if g.redirectURI != redirectURI {
		return nil, invalidGrant("Invalid redirect URI")
	}
	sum := sha256.Sum256([]byte(verifier))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		return nil, invalidGrant("code_verifier was incorrect")
	}
	g.refresh = l.newRefresh(g)
	g.note(now, "exchanged", false)
	out := l.newAccess(g)
	refresh := g.refresh
	out.refresh = &refresh
	return out, nil
}

// renew redeems a refresh token (RFC 6749 §6).
func (l *ledger) renew(clientID, token string) (*issued, *tokenError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	out, terr := l.renewLocked(now, clientID, token)
	if terr != nil {
		l.refused++
	} else {
		l.renewed++
	}
	return out, terr
}

func (l *ledger) renewLocked(now time.Time, clientID, token string) (*issued, *tokenError) {
	g, found := l.refresh[token]
	switch {
	case !found || g.ClientID != clientID:
		return nil, invalidGrant("Invalid refresh token")
	case g.Revoked:
		return nil, invalidGrant("Refresh token revoked")
	case g.refresh != token:
		g.note(now, "reuse", false)
		if l.rotation == RotateRevoke {
			l.revoke(g)
		}
		return nil, invalidGrant("Refresh token revoked")
	case !now.Before(g.RefreshEnds):
		g.note(now, "expired", false)
		return nil, invalidGrant("Refresh token expired")
	}
	rotate := l.rotation == RotateNew || l.rotation == RotateRevoke
	if rotate {
		g.refresh = l.newRefresh(g)
	}
	g.Refreshes++
	g.note(now, "refreshed", rotate)
	out := l.newAccess(g)
	refresh := g.refresh
	switch l.rotation {
	case RotateOmit:
	case RotateEmpty:
		out.refresh = new(string)
	default:
		out.refresh = &refresh
	}
	return out, nil
}

func (l *ledger) newRefresh(g *grant) string {
	token := newSecret("AQ", refreshLength)
	l.refresh[token] = g
	l.keep(token)
	return token
}

func (l *ledger) newAccess(g *grant) *issued {
	token := newSecret("BQ", accessLength)
	l.access[token] = &access{grant: g, expires: l.now().Add(l.life)}
	l.keep(token)
	return &issued{user: g.User, access: token, life: l.life, scopes: g.Scopes}
}

// bearer is what an access token is good for.
type bearer struct {
	user, clientID string
	scopes         []string
	known, expired bool
}

func (l *ledger) lookup(token string) bearer {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, found := l.access[token]
	if !found || a.grant.Revoked {
		return bearer{}
	}
	return bearer{
		user: a.grant.User, clientID: a.grant.ClientID, scopes: a.grant.Scopes,
		known: true, expired: !l.now().Before(a.expires),
	}
}

func (l *ledger) revoke(g *grant) {
	if !g.Revoked {
		g.Revoked = true
		g.note(l.now(), "revoked", false)
	}
}

func (l *ledger) keep(secret string) {
	if !l.known[secret] {
		l.known[secret] = true
		l.secrets = append(l.secrets, secret)
	}
}

func (g *grant) note(at time.Time, kind string, rotated bool) {
	if len(g.Events) < maxGrantEvents {
		g.Events = append(g.Events, GrantEvent{At: at, Kind: kind, Rotated: rotated})
	}
}

// newSecret returns n random characters that begin as Spotify's do.
func newSecret(prefix string, n int) string {
	b := make([]byte, n-len(prefix))
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	for i := range b {
		b[i] = tokenAlphabet[b[i]%64]
	}
	return prefix + string(b)
}

// derivedID is a stable id of 22 base62 digits, as Spotify's are.
func derivedID(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	s := new(big.Int).SetBytes(sum[:17]).Text(62)
	for len(s) < 22 {
		s = "0" + s
	}
	return s[:22]
}

// Grants returns every grant so far, oldest first, with its history.
func (s *Server) Grants() []Grant {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Grant, len(l.grants))
	for i, g := range l.grants {
		out[i] = g.Grant
		out[i].Scopes = slices.Clone(g.Scopes)
		out[i].Events = slices.Clone(g.Events)
	}
	return out
}

// TokensIssued returns every secret that the simulator issued or was shown, in
// the order of their first appearance: codes, verifiers, access and refresh
// tokens. None of them may be found anywhere but in the proxy's memory.
func (s *Server) TokensIssued() []string {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.secrets)
}

// TokenRequests returns how many requests of that grant type the token endpoint
// was sent, answered well or not: authorization_code, refresh_token, or "" for all.
func (s *Server) TokenRequests(grantType string) int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	if grantType != "" {
		return s.ledger.asked[grantType]
	}
	total := 0
	for _, n := range s.ledger.asked {
		total += n
	}
	return total
}

// Refreshes returns how many refreshes succeeded.
func (s *Server) Refreshes() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.ledger.renewed
}

// RefreshesRefused returns how many refreshes the ledger refused, injected
// faults not counted.
func (s *Server) RefreshesRefused() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.ledger.refused
}

// RevokeUser ends every grant of that user, as removing the app on the user's
// account page does: access tokens stop working at once, refresh tokens give
// invalid_grant, and the next login shows the consent page again. It returns
// how many grants ended.
func (s *Server) RevokeUser(userID string) int {
	s.consents.forget(userID)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	n := 0
	for _, g := range s.ledger.grants {
		if g.User == userID && !g.Revoked {
			s.ledger.revoke(g)
			n++
		}
	}
	return n
}

// ExpireAccessTokens makes every access token issued so far expired. Refresh
// tokens stay good.
func (s *Server) ExpireAccessTokens() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	now := s.ledger.now()
	for _, a := range s.ledger.access {
		if a.expires.After(now) {
			a.expires = now
		}
	}
}

// SetTokenLife sets the life of access tokens issued from now on.
func (s *Server) SetTokenLife(d time.Duration) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.life = d
}

// SetRotation sets what refreshes do from now on.
func (s *Server) SetRotation(r Rotation) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.rotation = r
}
