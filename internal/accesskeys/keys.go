// Package accesskeys has the access keys of a site: checked, created and renewed through
// Spotify, listed and revoked.
package accesskeys

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/page"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/secret"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Keys are the access keys of a site. It is safe for concurrent use.
type Keys struct {
	site     *site.Site
	lists    *session.OwnerList[keyIndex]
	flow     *login.Flow
	purpose  *login.Purpose
	renewing *login.Purpose
	lifetime time.Duration
	max      int
	allow    []webapi.Rule
	key      *secret.Stored
	mark     atomic.Uint64 // what seal returns; 0 until it is known
}

// Options are what New makes access keys of.
type Options struct {
	Site     *site.Site
	Flow     *login.Flow
	Lifetime time.Duration  // the longest of a key
	Max      int            // of one account
	Allow    []webapi.Rule  // the most that any key may do; none is everything
	Secret   *secret.Stored // under which the lists of keys are sealed
}

// New returns the access keys of a site, and registers the logins that create and
// renew one.
func New(o Options) *Keys {
	k := &Keys{site: o.Site, flow: o.Flow, lifetime: o.Lifetime, max: o.Max, allow: o.Allow, key: o.Secret}
	k.lists = k.newLists()
	k.purpose = &login.Purpose{
		Name:      "key",
		RetryURL:  k.path(),
		Exclusive: true,
		Finish:    k.finishKey,
		Cancelled: func(p *problem.Problem) {
			p.Message = "You did not give this app access to your Spotify account once more, so no access key was created."
			p.Wording = page.WordingKeyCancelled
		},
	}
	k.renewing = k.renewPurpose()
	o.Flow.Register(k.purpose)
	o.Flow.Register(k.renewing)
	return k
}

func (k *Keys) path() string { return k.site.Prefix + "/keys" }

func (k *Keys) url() string { return k.site.Origin + k.path() }

// Labels keep what derives from the secret apart.
const (
	keyIndexLabel = "caddy-spotify key index v1\x00"
	keySealLabel  = "caddy-spotify key seal v1\x00"
)

// indexID is the id of the record that lists an account's keys.
func (k *Keys) indexID(ctx context.Context, account string) (tokenstore.SessionID, error) {
	sec, err := k.key.Load(ctx)
	if err != nil {
		return tokenstore.SessionID{}, err
	}
	return secret.DeriveID(sec, keyIndexLabel, k.site.ClientID, account)
}

// seal is the mark of the secret, which does not lead back to it.
func (k *Keys) seal(ctx context.Context) (uint64, error) {
	if mark := k.mark.Load(); mark != 0 {
		return mark, nil
	}
	secret, err := k.key.Load(ctx)
	if err != nil {
		return 0, err
	}
	b, err := hkdf.Key(sha256.New, secret, nil, keySealLabel, 8)
	if err != nil {
		return 0, fmt.Errorf("marking a key: %w", err)
	}
	mark := max(1, binary.BigEndian.Uint64(b))
	k.mark.Store(mark)
	return mark, nil
}

// Permits refuses what a key is not for. The path has passed PlainPath; what
// the site allows is another matter.
func (k *Keys) Permits(s *session.Session, out *http.Request) *problem.Problem {
	return k.permitsPath(s, out.Method, out.URL.Path)
}

func (k *Keys) permitsPath(s *session.Session, method, path string) *problem.Problem {
	if webapi.Allowed(k.allow, method, path) && webapi.Allowed(s.Terms().Allow, method, path) {
		return nil
	}
	return &problem.Problem{
		Status: http.StatusForbidden, Reason: reason.NotAllowed, ForCode: true,
		Message: "This access key is not for this part of the Web API. Create one that is.",
	}
}

// invalidKey says that there is no such key, or no longer (RFC 6750 §3.1).
func (k *Keys) invalidKey() *problem.Problem {
	return &problem.Problem{
		Status: http.StatusUnauthorized, Reason: reason.InvalidAccessKey, ForCode: true,
		Message:   "This access key is unknown, expired or revoked. Create another at " + k.url() + ".",
		Challenge: `Bearer realm="Spotify Web API", error="invalid_token"`,
	}
}

// expiredKey is invalidKey for one that can still be renewed.
func (k *Keys) expiredKey(ref string) *problem.Problem {
	p := k.invalidKey()
	p.Message = "This access key has expired. It works again, unchanged, once its owner has renewed it at " + k.RenewURL(ref) + "."
	return p
}

// Ended is invalidKey for one whose access Spotify has ended.
func (k *Keys) Ended(err error) *problem.Problem {
	p := k.invalidKey()
	p.Message = "Spotify has ended the access of this key. Its owner can renew it or create another at " + k.url() + "."
	p.Err = err
	return p
}

// warnOfSeal tells the operator why a key that is there does not count.
func (k *Keys) warnOfSeal(s *session.Session) {
	if suppressed, ok := k.site.Faults().Admit("access key seal"); ok {
		k.site.Logger.Warn("access key was created with a different secret; set the same access_keys key on all instances",
			zap.String("session", s.Ref()), zap.String("account", s.Account.ID), suppressed)
	}
}
