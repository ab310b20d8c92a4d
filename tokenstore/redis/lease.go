package redis

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// Bounds of the pause between two attempts to get a lease.
	minPoll = 20 * time.Millisecond
	maxPoll = 200 * time.Millisecond

	// fenceLife is how long the last fencing number outlives a lease, and with
	// it the knowledge that the lease was not released. It covers a server
	// whose clock was set back a little.
	fenceLife = time.Hour
)

// Lease is the right to refresh one session, as Store.Lease returns it. It
// implements tokenstore.Lease.
//
// The right is a key with a time to live and a random token as its value. A
// goroutine renews it until Release. What makes a late save harmless is not the
// lease but the record's version; the lease keeps refreshes from colliding.
type Lease struct {
	store *Store
	key   string
	token string
	fence int64
	// expired: the lease before this one was not released
	expired bool

	stop context.CancelFunc // ends the renewing
	done chan struct{}      // closed when the renewing has ended
	lost chan struct{}
	once sync.Once
}

// Fence returns the fencing number: greater than that of any earlier holder of
// the same session's lease.
func (l *Lease) Fence() int64 { return l.fence }

// AfterExpiry reports whether the lease before this one was not released, so
// that its holder may have died in the middle of a refresh, or may have been cut
// off and come back yet. It may also report so without cause.
func (l *Lease) AfterExpiry() bool { return l.expired }

// Lost implements tokenstore.Lease.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release implements tokenstore.Lease. It tries for the store's timeout even if
// ctx has ended: a client that hung up must not keep the session locked. If it
// returns an error the lease expires by itself.
func (l *Lease) Release(ctx context.Context) (err error) {
	l.once.Do(func() {
		l.stop()
		<-l.done
		select {
		case <-l.lost:
		default:
			err = l.store.release(context.WithoutCancel(ctx), l.key, l.token)
		}
	})
	return err
}

// Lease implements tokenstore.Store. While another holds the lease it asks again
// every 20 to 200 ms. It returns an error at once if the server cannot be reached.
func (s *Store) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := tokenstore.CheckKey(key); err != nil {
		return nil, err
	}
	token := rand.Text()
	for pause := minPoll; ; pause = min(2*pause, maxPoll) {
		sent := time.Now()
		fence, expired, err := s.acquire(ctx, key, token)
		if err != nil {
			s.abandon(ctx, key, token, err)
			return nil, err
		}
		if fence != 0 {
			return s.hold(ctx, &Lease{store: s, key: key, token: token, fence: fence, expired: expired}, sent)
		}
		timer := time.NewTimer(minPoll + mathrand.N(pause))
		select {
		case <-timer.C:
		case <-s.closing:
			timer.Stop()
			return nil, errClosed
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// hold starts the renewing of a lease that was acquired by a command sent then.
func (s *Store) hold(ctx context.Context, l *Lease, sent time.Time) (tokenstore.Lease, error) {
	if !s.begin() {
		return nil, errClosed
	}
	// The lease outlives the call that acquired it.
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.done, l.lost = make(chan struct{}), make(chan struct{})
	go func() {
		defer s.running.Done()
		defer close(l.done)
		defer l.stop()
		l.renew(ctx, sent)
	}()
	return l, nil
}

// renew keeps the lease until ctx ends or the lease is lost. It counts the time
// to live from before a command was sent, so that it never believes in a lease
// for longer than the server does.
func (l *Lease) renew(ctx context.Context, sent time.Time) {
	life := l.store.settings.Lease
	end := sent.Add(life)
	timer := time.NewTimer(time.Until(sent.Add(life / 3)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.store.closing:
			close(l.lost)
			return
		case <-timer.C:
		}
		sent := time.Now()
		bounded, cancel := context.WithDeadline(ctx, end)
		renewed, err := l.store.extend(bounded, l.key, l.token)
		cancel()
		switch {
		case ctx.Err() != nil:
			return // by Release, whose business it is now
		case err == nil && renewed:
			end = sent.Add(life)
			timer.Reset(time.Until(sent.Add(life / 3)))
		case err == nil, !time.Now().Before(end):
			close(l.lost)
			return
		default:
			timer.Reset(min(life/12, time.Until(end)))
		}
	}
}

// abandon gives back what a failed attempt may have acquired all the same, so
// that nobody has to wait until it expires.
func (s *Store) abandon(ctx context.Context, key, token string, cause error) {
	if errors.Is(cause, errClosed) || !s.begin() {
		return
	}
	go func() {
		defer s.running.Done()
		_ = s.release(context.WithoutCancel(ctx), key, token) // else it expires
	}()
}

// acquire returns the fencing number, or 0 if another holds the lease, and
// whether the lease before was not released.
func (s *Store) acquire(ctx context.Context, key, token string) (fence int64, expired bool, err error) {
	answer, err := call(ctx, s, "lease", func(ctx context.Context, c rueidis.Client) ([]int64, error) {
		return acquireScript.Exec(ctx, c, []string{s.leaseKey(key), s.fenceKey(key)},
			[]string{token, milliseconds(s.settings.Lease), milliseconds(s.settings.Lease + fenceLife)}).AsIntSlice()
	})
	if err != nil {
		return 0, false, err
	}
	return answer[0], answer[1] != 0, nil
}

// extend returns false if the lease is not ours any more.
func (s *Store) extend(ctx context.Context, key, token string) (bool, error) {
	n, err := call(ctx, s, "renew lease", func(ctx context.Context, c rueidis.Client) (int64, error) {
		return renewScript.Exec(ctx, c, []string{s.leaseKey(key)}, []string{token, milliseconds(s.settings.Lease)}).AsInt64()
	})
	return n == 1, err
}

func (s *Store) release(ctx context.Context, key, token string) error {
	_, err := call(ctx, s, "release lease", func(ctx context.Context, c rueidis.Client) (int64, error) {
		return releaseScript.Exec(ctx, c, []string{s.leaseKey(key), s.fenceKey(key)}, []string{token}).AsInt64()
	})
	return err
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
