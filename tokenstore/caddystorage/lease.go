package caddystorage

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

const (
	// leaseTime is for how long a renewal keeps the storage's lock.
	leaseTime = 30 * time.Second
	// renewEvery is the time between two renewals.
	renewEvery = leaseTime / 3
	// renewRetry is the time between a renewal that failed and the next.
	renewRetry = 2 * time.Second
	// renewTimeout bounds one renewal.
	renewTimeout = 5 * time.Second
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
	if err := s.lock(ctx, l.storage, l.name); err != nil {
		unlock()
		return nil, fmt.Errorf("leasing session: %w", err)
	}
	if renewer := renewerOf(l.storage); renewer != nil {
		l.keep(context.WithoutCancel(ctx), renewer)
	}
	return l, nil
}

// lease implements tokenstore.Lease.
type lease struct {
	backend     *backend
	storage     certmagic.Storage
	name        string
	unlockLocal func()

	// Of a lease that is renewed:
	lost    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

// Lost implements tokenstore.Lease.
func (l *lease) Lost() <-chan struct{} { return l.lost }

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
	if err := l.backend.unlock(ctx, l.storage, l.name); err != nil {
		return fmt.Errorf("releasing session: %w", err)
	}
	return nil
}

// keep renews the lease until it is released or lost.
func (l *lease) keep(ctx context.Context, renewer certmagic.LockLeaseRenewer) {
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
			err := renew(ctx, renewer, l.name)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				renewed = asked
				next.Reset(renewEvery)
			case time.Since(renewed) >= leaseTime-renewEvery:
				close(l.lost)
				return
			default:
				next.Reset(renewRetry)
			}
		}
	}()
}

func renew(ctx context.Context, renewer certmagic.LockLeaseRenewer, name string) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	return renewer.RenewLockLease(ctx, name, leaseTime)
}
