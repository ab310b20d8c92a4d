package caddystorage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// renewal says how a lease is renewed. The lease is given up at the time of a
// renewal that fails when it would be over before the one after that.
type renewal struct {
	life    time.Duration // for how long a renewal keeps the storage's lock
	every   time.Duration // between two renewals
	retry   time.Duration // between a renewal that failed and the next
	timeout time.Duration // of one renewal
}

var (
	// storageRenewal is that of storages which renew locks themselves.
	storageRenewal = renewal{life: 30 * time.Second, every: 10 * time.Second, retry: 2 * time.Second, timeout: 5 * time.Second}
	// fileRenewal is that of files. It is short, so that those who wait for the
	// lease of a process that was killed do not have to wait for long.
	fileRenewal = renewal{life: deadAfter, every: deadAfter / 5, retry: deadAfter / 10, timeout: deadAfter}
)

// Lease implements tokenstore.Store. The waiting is done in the process first,
// so that of many requests for one session only one asks the storage.
//
// A storage that can renew locks (certmagic.LockLeaseRenewer) is asked to while
// the lease is held, and so are files. The others see to it themselves and have
// no way to tell that a lease was lost.
func (s *Store) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	unlock, err := s.leases.Lock(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	l := &lease{backend: s.backend, storage: s.storage(), name: s.lockName("refresh", key), unlockLocal: unlock}
	if l.expired, err = s.lock(ctx, l.storage, l.name, true); err != nil {
		unlock()
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	switch storage := l.storage.(type) {
	case certmagic.LockLeaseRenewer:
		l.keep(context.WithoutCancel(ctx), storage, storageRenewal)
	case *certmagic.FileStorage:
		l.file = &fileRenewer{files: storage}
		l.keep(context.WithoutCancel(ctx), l.file, fileRenewal)
	}
	return l, nil
}

// lease implements tokenstore.Lease.
type lease struct {
	backend     *backend
	storage     certmagic.Storage
	name        string
	unlockLocal func()
	expired     bool         // the lease before this one was not released
	file        *fileRenewer // of a lease in files; nil otherwise

	// Of a lease that is renewed:
	lost    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

// Lost implements tokenstore.Lease.
func (l *lease) Lost() <-chan struct{} { return l.lost }

// AfterExpiry reports whether the lease before this one was not released, so
// that its holder may have died in the middle of a refresh, or may have been cut
// off and come back yet. Only files tell.
func (l *lease) AfterExpiry() bool { return l.expired }

// Release implements tokenstore.Lease. It takes a few seconds at most, and they
// only if the storage fails.
func (l *lease) Release(ctx context.Context) error {
	defer l.unlockLocal()
	if l.stop != nil {
		l.stop()
		<-l.stopped
		select {
		case <-l.lost:
			return nil // the lock may be another's by now
		default:
		}
	}
	if l.file != nil && l.file.taken(context.WithoutCancel(ctx), l.name) {
		return nil // since the last renewal
	}
	if err := l.backend.unlock(ctx, l.storage, l.name); err != nil {
		return fmt.Errorf("releasing session: %w", err)
	}
	return nil
}

// keep renews the lease until it is released or lost.
func (l *lease) keep(ctx context.Context, renewer certmagic.LockLeaseRenewer, times renewal) {
	ctx, l.stop = context.WithCancel(ctx)
	l.lost, l.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.stopped)
		// Nobody says for how long Lock has locked, so renew at once.
		next := time.NewTimer(0)
		defer next.Stop()
		for renewed := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-next.C:
			}
			asked := time.Now()
			err := renew(ctx, renewer, l.name, times)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				renewed = asked
				next.Reset(times.every)
			case errors.Is(err, errNotOurLock), time.Since(renewed) >= times.life-times.every:
				close(l.lost)
				return
			default:
				next.Reset(times.retry)
			}
		}
	}()
}

func renew(ctx context.Context, renewer certmagic.LockLeaseRenewer, name string, times renewal) error {
	ctx, cancel := context.WithTimeout(ctx, times.timeout)
	defer cancel()
	return renewer.RenewLockLease(ctx, name, times.life)
}
