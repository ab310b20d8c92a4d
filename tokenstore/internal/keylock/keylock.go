// Package keylock locks single keys within a process.
package keylock

import (
	"context"
	"sync"
)

// Locks is a set of locks, one for each key, kept only while someone holds or
// waits for it. The zero value is ready for use. It is safe for concurrent use.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

// lock is the lock of one key.
type lock struct {
	free  chan struct{} // holds a value while nobody holds the lock
	users int           // how many hold it or wait for it
}

// Lock waits until it holds the lock of key or ctx ends; the error is ctx's.
// The function returned gives the lock back and must be called exactly once.
func (l *Locks) Lock(ctx context.Context, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := l.join(key)
	select {
	case <-k.free:
		return func() {
			k.free <- struct{}{}
			l.leave(key, k)
		}, nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, ctx.Err()
	}
}

func (l *Locks) join(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key]
	if k == nil {
		if l.held == nil {
			l.held = make(map[string]*lock)
		}
		k = &lock{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		l.held[key] = k
	}
	k.users++
	return k
}

func (l *Locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}

// Len returns how many keys are held or waited for.
func (l *Locks) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}
