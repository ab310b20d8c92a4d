package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Account is the Spotify account a session belongs to.
type Account struct {
	// ID is Spotify's immutable account_id where the API gives one, else the
	// user's id.
	ID string `json:"id"`
	// DisplayName may be empty.
	DisplayName string `json:"display_name,omitempty"`
	// UserID is the user's id where ID is another, for operators who know that one
	// only. It is "" if it is not known.
	UserID string `json:"-"`
}

// Session is one person's login in one browser, or one access key of theirs. There
// is one for each session id in a process, shared by all its requests, and it is the Persister of its
// own Authenticator. Times are Unix seconds to keep a cached session small.
type Session struct {
	// What every request looks at comes first and lies together: with a million
	// sessions, what a lookup costs is how many pieces of memory it has to fetch.
	ID        tokenstore.SessionID
	LastSeen  atomic.Int64 // last use
	checked   atomic.Int64 // see trust
	CreatedAt int64
	used      atomic.Bool // lately, for shard
	kind      Kind
	slot      int32 // in shard
	Auth      pkce.Authenticator
	terms     atomic.Pointer[KeyTerms] // of an access key; nil for a session
	owner     *Manager
	Account   Account

	// checkedMono is checked by the monotonic clock, in nanoseconds, and without a sign.
	checkedMono  atomic.Int64
	authorizedAt atomic.Int64
	savedSeen    atomic.Int64 // last use as the store knows it
	working      atomic.Int32 // bits of what runs in the background, and of what was told
	pins         atomic.Int32
	digest       [32]byte // SessionID.Digest

	mu      sync.Mutex
	version string // of the stored record, as last seen
	stored  uint64 // fingerprint of the token in that version; 0 if it is not known
}

// Background work of which one at a time is enough.
const (
	workTouch int32 = 1 << iota
	workRevalidate
	workSave // a save that has failed so far
)

// What is told of a session once.
const (
	toldReauthorization int32 = 1 << (iota + 8)
	toldEnd
	toldUse
	// These are not told of anybody, but seen once as well.
	seenOldForm
	seenNewForm
)

// begin sets a bit and reports whether it was unset; end unsets it and reports
// whether it was set.
func (s *Session) begin(work int32) bool { return s.working.Or(work)&work == 0 }

func (s *Session) end(work int32) bool { return s.working.And(^work)&work != 0 }

// FirstUse reports whether an access key has not been used before, as far as the process
// knows, and reports it once.
func (s *Session) FirstUse() bool { return s.LastSeen.Load() == 0 && s.begin(toldUse) }

// NoteForm remembers, as long as the session is in memory, that its client uses forms
// of the Web API that Spotify withdrew, or those that replace them.
func (s *Session) NoteForm(old bool) {
	seen := seenNewForm
	if old {
		seen = seenOldForm
	}
	if s.working.Load()&seen == 0 {
		s.begin(seen)
	}
}

// Forms reports what NoteForm was called for.
func (s *Session) Forms() (old, current bool) {
	seen := s.working.Load()
	return seen&seenOldForm != 0, seen&seenNewForm != 0
}

// namespace is where the session's id means something. Those of one kind mean
// nothing among those of another.
func (s *Session) namespace() string { return s.owner.namespaces[s.kind] }

// IsShared reports whether it is that of a shared account.
func (s *Session) IsShared() bool { return s.kind == Shared }

// Terms are those of an access key, and nil for what is none. A renewal replaces them
// and does not change those that were returned before.
func (s *Session) Terms() *KeyTerms { return s.terms.Load() }

// IsKey reports whether it is an access key's.
func (s *Session) IsKey() bool { return s.kind == Key }

// Key is that of the session's record in the store: SessionID.Key.
func (s *Session) Key() string { return hex.EncodeToString(s.digest[:]) }

// Ref names the session in logs; it says nothing about the id.
func (s *Session) Ref() string { return tokenstore.Ref(s.Key()) }

// ExpiresAt is when the session ends unless it is used before.
func (s *Session) ExpiresAt() int64 {
	if terms := s.Terms(); terms != nil {
		return terms.ExpiresAt
	}
	return min(s.LastSeen.Load()+s.owner.idleSeconds, s.endsAt())
}

// endsAt is when the session ends however much it is used.
func (s *Session) endsAt() int64 {
	if terms := s.Terms(); terms != nil {
		return terms.ExpiresAt
	}
	return s.CreatedAt + s.owner.lifetimeSeconds
}

// EndsAt is when the session ends however much it is used.
func (s *Session) EndsAt() time.Time { return time.Unix(s.endsAt(), 0).UTC() }

// ReauthorizeBy is when the user has to consent again: Spotify ends refresh
// tokens six months after consent, and refreshing does not extend that.
func (s *Session) ReauthorizeBy() time.Time {
	return earlier(consentEnds(time.Unix(s.authorizedAt.Load(), 0).UTC()), s.EndsAt())
}

// ReauthorizeDue reports whether the user has to consent again within notice, or
// within half of the session's life if that is less: what is said from the
// first request on is no announcement.
func (s *Session) ReauthorizeDue(now time.Time, notice time.Duration) bool {
	// Six months have 181 days at least, so most sessions need no calendar.
	soonest := min(s.authorizedAt.Load()+181*24*3600, s.endsAt())
	from := now.Unix() + min(int64(notice/time.Second), (soonest-s.CreatedAt)/2)
	return from >= soonest && from >= s.ReauthorizeBy().Unix()
}

// fetch loads the record and returns the token in it.
func (s *Session) fetch(ctx context.Context) (*pkce.Token, error) {
	rec, err := s.owner.store.Load(ctx, s.Key())
	if err != nil {
		return nil, err
	}
	data, err := s.owner.open(s.ID, s.kind, rec)
	if err != nil {
		return nil, err
	}
	if data.CreatedAt.Unix() != s.CreatedAt {
		// Another login has taken the record's place, which happens to a shared
		// account's. This session is over.
		return nil, tokenstore.ErrNotFound
	}
	token := pkce.NewToken(data.Token)
	s.adoptTerms(data)
	s.know(rec.Version, token)
	raise(&s.LastSeen, data.LastSeen.Unix())
	raise(&s.savedSeen, data.LastSeen.Unix())
	return token, nil
}

// raise sets v to at least n.
func raise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if old >= n || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// maxSaveConflicts bounds how often a save starts over because someone else
// wrote the record; each time somebody else got on, so a few always do.
const maxSaveConflicts = 8

// replace writes the session with next as its token, if the stored token is
// old. If it is not, somebody newer was first, and their token is returned. It
// starts over when the record changed underneath in other ways.
func (s *Session) replace(ctx context.Context, old, next *pkce.Token) (*pkce.Token, error) {
	for range maxSaveConflicts {
		version, stored := s.known()
		if stored != fingerprint(old) {
			// A version alone says nothing of the token under it: another
			// save in this process may have moved on from old.
			stored, err := s.fetch(ctx)
			switch {
			case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrUnsealable):
				return nil, pkce.ErrGone
			case err != nil:
				return nil, err
			case sameToken(stored, next):
				return next, nil
			case !sameToken(stored, old):
				return stored, nil
			}
			continue
		}

		seen := s.LastSeen.Load()
		rec, err := s.record(next)
		if err != nil {
			return nil, err
		}
		rec.Version = version
		switch err := s.owner.update(ctx, s.Key(), rec); {
		case err == nil:
			s.know(rec.Version, next)
			raise(&s.savedSeen, seen)
			return next, nil
		case errors.Is(err, tokenstore.ErrNotFound):
			return nil, pkce.ErrGone
		case !errors.Is(err, tokenstore.ErrConflict):
			return nil, err
		}
		s.forgetStored()
	}
	return nil, fmt.Errorf("saving the session: %w", tokenstore.ErrConflict)
}

// known returns the version of the stored record and the fingerprint of the
// token in it, as this process saw them last.
func (s *Session) known() (version string, stored uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, s.stored
}

func (s *Session) know(version string, token *pkce.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.stored = version, fingerprint(token)
}

func (s *Session) forgetStored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = 0
}

var fingerprintSeed = maphash.MakeSeed()

// fingerprint tells tokens apart within a process. It spares a session a second
// copy of its token.
func fingerprint(t *pkce.Token) uint64 {
	var h maphash.Hash
	h.SetSeed(fingerprintSeed)
	_, _ = h.WriteString(t.AccessToken())
	_ = h.WriteByte(0)
	_, _ = h.WriteString(t.RefreshToken())
	return max(1, h.Sum64())
}

// sameToken reports whether two tokens came from the same answer of the token
// endpoint. They are compared by content, since a stored one is read again.
func sameToken(a, b *pkce.Token) bool {
	return a.AccessToken() == b.AccessToken() && a.RefreshToken() == b.RefreshToken()
}

// Acquire implements pkce.Persister.
func (s *Session) Acquire(ctx context.Context) (pkce.Lease, error) {
	if err := s.owner.beginRefresh(ctx); err != nil {
		return nil, err
	}
	lease, err := s.owner.store.Lease(ctx, s.Key())
	if err != nil {
		s.owner.endRefresh()
		return nil, err
	}
	return countedLease{lease, s.owner}, nil
}

// Load implements pkce.Persister.
func (s *Session) Load(ctx context.Context) (*pkce.Token, error) {
	token, err := s.fetch(ctx)
	if errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrUnsealable) {
		return nil, pkce.ErrGone
	}
	return token, err
}

// Save implements pkce.Persister.
func (s *Session) Save(ctx context.Context, old, next *pkce.Token) (*pkce.Token, error) {
	current, err := s.replace(ctx, old, next)
	switch {
	case err == nil || errors.Is(err, pkce.ErrGone):
		s.saved()
	case s.begin(workSave):
		s.owner.PendingSaves.Add(1)
	}
	return current, err
}

// saved notes that no save of the session is pending.
func (s *Session) saved() {
	if s.end(workSave) {
		s.owner.PendingSaves.Add(-1)
	}
}

// Delete implements pkce.Persister.
func (s *Session) Delete(ctx context.Context, t *pkce.Token) error {
	stored, err := s.fetch(ctx)
	switch {
	case errors.Is(err, tokenstore.ErrNotFound):
		return nil
	case err == nil && !sameToken(stored, t):
		return nil
	case err != nil && !errors.Is(err, tokenstore.ErrUnsealable):
		return err
	case err == nil && s.owner.renewable(ctx, s):
		return s.expire(ctx, t)
	}
	return s.owner.store.Delete(ctx, s.Key())
}

// Pace implements pkce.Pacer.
func (s *Session) Pace(within time.Duration) time.Duration { return s.owner.pace(within) }

// Pin implements pkce.Pinner.
func (s *Session) Pin() {
	if s.pins.Add(1) == 1 {
		s.owner.pin(s)
	}
}

// Unpin implements pkce.Pinner.
func (s *Session) Unpin() {
	if s.pins.Add(-1) == 0 {
		// A save that was pending is over or was given up.
		s.saved()
		s.owner.unpin(s)
	}
}

var (
	_ pkce.Persister = (*Session)(nil)
	_ pkce.Pinner    = (*Session)(nil)
	_ pkce.Pacer     = (*Session)(nil)
)

// Format implements fmt.Formatter, for the same reason.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session "+s.Ref()) }
