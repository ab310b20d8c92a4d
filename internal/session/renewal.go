package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/telemetry"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// An access key is renewed in two steps, because nobody but its holder can open or
// write its record. The owner obtains a new grant, which waits in the owner's list of
// keys, sealed for the key. The first request with the key, on whichever instance, takes
// it: the grant is tried, and then replaces the one in the key's record by a
// compare-and-swap. Whatever breaks off before leaves the record as it was, and
// whatever breaks off after finds the renewal taken.

// Renewal is a grant that waits to take the place of an access key's.
type Renewal struct {
	// Generation is later than those of the key's earlier renewals. A key does not take
	// one that is not later than its own.
	Generation int64
	Token      *pkce.Token
	// AuthorizedAt is when the owner consented, and ExpiresAt when the renewed key
	// ends, in Unix seconds.
	AuthorizedAt, ExpiresAt int64
}

// ErrExpired says that an access key has expired and can still be renewed.
var ErrExpired = errors.New("the access key has expired")

const (
	// renewalRetry is how soon a renewal that failed for now is tried again.
	renewalRetry = 30 * time.Second
	// maxRenewals bounds for how many keys a renewal that failed is remembered.
	maxRenewals = 4096
	// consentEndMargin is how long before six months after the consent a refusal counts as the
	// end of the consent and not as the user's.
	consentEndMargin = 7 * 24 * time.Hour
)

// errMoreScopes says that a renewal would let a key do more than before.
var errMoreScopes = errors.New("the renewal has scopes that the access key has not")

// renewals remembers what became of renewals that failed for now. It is safe for
// concurrent use.
type renewals struct {
	once   sync.Once
	failed *lru.Cache[[32]byte, failedRenewal]
}

// failedRenewal is a renewal that failed for now.
type failedRenewal struct {
	generation int64
	token      *pkce.Token // the latest of the grant, which may not be stored anywhere else
	err        error
	retryAt    time.Duration // monotonic
}

func (r *renewals) cache() *lru.Cache[[32]byte, failedRenewal] {
	r.once.Do(func() { r.failed, _ = lru.New[[32]byte, failedRenewal](maxRenewals) })
	return r.failed
}

// kept reports whether the record of an access key that has expired is kept for a
// renewal.
func (s *Session) kept(now int64) bool {
	terms := s.Terms()
	return terms != nil && terms.Life > 0 && now < terms.ExpiresAt+int64(terms.Grace()/time.Second)
}

// adoptTerms has an access key go by the terms in its record, if those are later than
// the ones in memory.
func (s *Session) adoptTerms(data *sealedSession) {
	terms, stored := s.Terms(), data.Key
	if terms == nil || stored == nil || stored.Generation < terms.Generation ||
		stored.Generation == terms.Generation && stored.ExpiresAt == terms.ExpiresAt {
		return
	}
	stored.listing.Store(terms.listing.Load())
	s.authorizedAt.Store(data.AuthorizedAt.Unix())
	s.terms.Store(stored)
	s.end(toldReauthorization)
}

// renewable reports whether the record of an access key is to be kept though Spotify has
// ended its grant: because the consent has reached its age, or because a renewal waits.
func (m *Manager) renewable(ctx context.Context, s *Session) bool {
	now := m.Clock.Now()
	if terms := s.Terms(); terms == nil || terms.Life == 0 {
		return false
	}
	if !now.Before(consentEnds(time.Unix(s.authorizedAt.Load(), 0)).Add(-consentEndMargin)) {
		return true
	}
	view, ok := m.store.(storeView)
	if !ok {
		return false
	}
	for _, lists := range view.pool.allLists() {
		if listed, waiting, err := lists.Listed(ctx, s); err == nil && listed && waiting != nil && waiting.Generation > s.Terms().Generation {
			return true
		}
	}
	return false
}

// expire ends an access key in its record, which stays. It does nothing once the record
// has another token than t.
func (s *Session) expire(ctx context.Context, t *pkce.Token) error {
	for range maxSaveConflicts {
		stored, err := s.fetch(ctx)
		switch {
		case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrUnsealable):
			return nil
		case err != nil:
			return err
		case !sameToken(stored, t):
			return nil
		}
		version, _ := s.known()
		terms := s.Terms()
		terms = terms.until(min(terms.ExpiresAt, s.owner.Clock.Now().Unix()))
		rec, err := s.recordWith(stored, terms, s.authorizedAt.Load())
		if err != nil {
			return err
		}
		rec.Version = version
		switch err := s.owner.update(ctx, s.Key(), rec); {
		case err == nil, errors.Is(err, tokenstore.ErrNotFound):
			return nil
		case !errors.Is(err, tokenstore.ErrConflict):
			return err
		}
	}
	return fmt.Errorf("ending the access key: %w", tokenstore.ErrConflict)
}

// renew has an access key take a renewal, and waits for that until ctx ends. An error
// says that the key goes on with the grant that it has: it will be tried again.
func (m *Manager) renew(ctx context.Context, s *Session, r *Renewal, lists KeyLists) error {
	if r.Generation <= s.Terms().Generation {
		// It was taken, and the instance that did so could not say so in the list.
		m.settle(ctx, s, r, lists, true)
		return nil
	}
	failed, known := m.renewals.cache().Peek(s.digest)
	if known = known && failed.generation == r.Generation; known {
		if m.Clock.Monotonic() < failed.retryAt {
			return failed.err
		}
		again := *r
		again.Token = failed.token
		r = &again
	}
	done := make(chan error, 1)
	// One caller's hanging up must not cut off a request that may have used up the
	// refresh token already.
	detached := context.WithoutCancel(ctx)
	if !m.Spawn(func() { done <- m.takeRenewal(detached, s, r, lists) }) {
		return context.Canceled
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeRenewal is renew for as long as it takes. An error says that it failed for now.
func (m *Manager) takeRenewal(ctx context.Context, s *Session, r *Renewal, lists KeyLists) error {
	latest, err := s.take(ctx, r)
	switch {
	case err == nil:
		m.renewals.cache().Remove(s.digest)
		m.settle(ctx, s, r, lists, true)
		m.countRenewal(telemetry.RenewalTaken)
		m.logger().Info("access key uses its renewed grant",
			zap.String("session", s.Ref()), zap.String("account", s.Account.ID),
			zap.Time("expires_at", time.Unix(s.ExpiresAt(), 0).UTC()))
		return nil
	case errors.Is(err, pkce.ErrGone):
		return nil // it has ended meanwhile, which the caller is about to see
	case errors.Is(err, pkce.ErrReauthorize), errors.Is(err, errMoreScopes):
		m.renewals.cache().Remove(s.digest)
		m.settle(ctx, s, r, lists, false)
		m.countRenewal(telemetry.RenewalFailed)
		m.logger().Warn("renewal of access key does not work; the key keeps the grant it has",
			zap.String("session", s.Ref()), zap.String("account", s.Account.ID), zap.Error(err))
		return nil
	}
	m.renewals.cache().Add(s.digest, failedRenewal{r.Generation, latest, err, m.Clock.Monotonic() + renewalRetry})
	if suppressed, ok := m.LogLimiter.Admit("key renewal"); ok {
		m.logger().Warn("renewal of access key failed; will retry",
			zap.String("session", s.Ref()), zap.String("account", s.Account.ID), zap.Error(err), suppressed)
	}
	return err
}

func (m *Manager) countRenewal(outcome string) {
	if o := m.Observers.Observer(); o != nil {
		o.Metrics.Renewal(outcome)
	}
}

// settle notes in its owner's list what became of a renewal. If that fails, the next
// reading of the list does it.
func (m *Manager) settle(ctx context.Context, s *Session, r *Renewal, lists KeyLists, taken bool) {
	if err := lists.Settle(ctx, s, r, taken); err != nil {
		m.logger().Warn("saving the list of access keys after a renewal failed; will retry",
			zap.String("session", s.Ref()), zap.Error(err))
	}
}

// take puts the grant of a renewal into the record of an access key, under the key's
// lease, once it is known to work. It returns the latest token of the grant, also with an
// error: a refresh may have replaced the one before.
func (s *Session) take(ctx context.Context, r *Renewal) (*pkce.Token, error) {
	m, latest := s.owner, r.Token
	waiting, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	lease, err := s.Acquire(waiting)
	if err != nil {
		return latest, err
	}
	defer func() { _ = lease.Release(ctx) }()
	tried := false
	for range maxSaveConflicts {
		current, err := s.fetchWithin(ctx)
		switch {
		case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrUnsealable):
			return latest, pkce.ErrGone
		case err != nil:
			return latest, err
		}
		version, _ := s.known()
		terms := s.Terms()
		if terms.Generation >= r.Generation {
			s.use(current) // another instance was first
			return latest, nil
		}
		if !hasScopes(current, latest) {
			return latest, errMoreScopes
		}
		if !tried {
			next, err := m.tryGrant(ctx, latest)
			if err != nil {
				return latest, err
			}
			latest, tried = next, true
			if !hasScopes(current, latest) {
				return latest, errMoreScopes
			}
		}
		select {
		case <-lease.Lost():
			return latest, errLeaseLost
		default:
		}
		terms = terms.renewedBy(r)
		rec, err := s.recordWith(latest, terms, r.AuthorizedAt)
		if err != nil {
			return latest, err
		}
		rec.Version = version
		switch err := m.update(ctx, s.Key(), rec); {
		case err == nil:
			s.adoptTerms(&sealedSession{Key: terms, AuthorizedAt: time.Unix(r.AuthorizedAt, 0)})
			s.know(rec.Version, latest)
			s.use(latest)
			return latest, nil
		case errors.Is(err, tokenstore.ErrNotFound):
			return latest, pkce.ErrGone
		case !errors.Is(err, tokenstore.ErrConflict):
			return latest, err
		}
	}
	return latest, fmt.Errorf("saving the renewed access key: %w", tokenstore.ErrConflict)
}

// errLeaseLost says that another instance may be refreshing the key's token by now.
var errLeaseLost = errors.New("lost the lease of the access key")

// fetchWithin is fetch, bounded.
func (s *Session) fetchWithin(ctx context.Context) (*pkce.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, StoreTimeout)
	defer cancel()
	return s.fetch(ctx)
}

// use puts the token of a renewal to use. One that is about to be refreshed, or of which
// the token in use lives longer, is found in the store by the next refresh.
func (s *Session) use(t *pkce.Token) { s.Auth.Adopt(t) }

// tryGrant returns a token of a grant that is known to work. The access token of one that
// was obtained within the hour has shown whose it is, and so has worked already. Of an
// older one the refresh token is tried.
func (m *Manager) tryGrant(ctx context.Context, t *pkce.Token) (*pkce.Token, error) {
	if expiry := t.Expiry(); expiry.IsZero() || expiry.Sub(m.Clock.Now()) > 2*pkce.DefaultMargin {
		return t, nil
	}
	next, err := m.tokens.Refresh(ctx, t.RefreshToken())
	if err != nil {
		return nil, err
	}
	fields := next.Fields()
	if fields.RefreshToken == "" {
		fields.RefreshToken = t.RefreshToken()
	}
	if fields.Scope == "" {
		fields.Scope = t.Fields().Scope
	}
	return pkce.NewToken(fields), nil
}

// hasScopes reports whether a token has the scopes of another one.
func hasScopes(t, of *pkce.Token) bool {
	return !slices.ContainsFunc(of.Scopes(), func(scope string) bool { return !t.HasScope(scope) })
}
