package quota

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/internal/trace"
)

const (
	// writeEvery is how often an hour's counts are written at most. The first are
	// written at once.
	writeEvery = time.Second
	// readEvery is how often the counts of others are read.
	readEvery = time.Minute
	// storageTimeout bounds one synchronization with the storage.
	storageTimeout = 5 * time.Second
	// firstReadTimeout is how long a request waits for the counts of before a restart.
	firstReadTimeout = 2 * time.Second
)

// synchronizer keeps a ledger's counts in a storage, and reads those of other
// instances there.
//
// Each instance has a file for each hour, which it writes as a whole while the hour
// lasts and leaves alone afterwards. A request is counted in memory before it goes
// out, and its file is written at once, or a second after it was last written. So a
// process that is killed forgets at most what it sent in its last second and while the
// last write took. A clean stop writes everything.
type synchronizer struct {
	ledger *Ledger
	folder string

	dirty   [hours]atomic.Bool // hours to write, by the hour modulo hours
	pending atomic.Bool        // a write is due
	storage atomic.Pointer[certmagic.Storage]
	began   sync.Once
	read    chan struct{} // closed once the storage has been read

	mu                    sync.Mutex       // for one synchronization at a time, and for what follows
	files                 map[string]*file // of other instances, by name
	wroteAt               time.Time
	stopped               bool
	readFails, writeFails bool
	timers                sync.Mutex
	stops                 []func() bool // of the timers for writing and reading
}

func (s *synchronizer) init(l *Ledger, storage certmagic.Storage) {
	id := sha256.Sum256([]byte(l.clientID))
	s.ledger, s.folder = l, "spotify/quota/"+hex.EncodeToString(id[:16])
	s.storage.Store(&storage)
	l.aliases.use(storage)
	s.files = make(map[string]*file)
	s.read = make(chan struct{})
	s.stops = make([]func() bool, 2)
}

// begin starts to read the storage, once.
func (s *synchronizer) begin() {
	s.began.Do(func() { go s.refresh() })
}

// refresh reads the counts of others, writes what could not be written before, and does so again in a while.
func (s *synchronizer) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.reportWrite(s.writeOwn(ctx))
	s.reportRead(s.readOthers(ctx))
	select {
	case <-s.read:
	default:
		close(s.read)
	}
	s.after(1, readEvery, s.refresh)
}

// after runs f later, unless the synchronizer is stopped. A slot has one timer.
func (s *synchronizer) after(slot int, d time.Duration, f func()) {
	s.timers.Lock()
	defer s.timers.Unlock()
	s.stops[slot] = s.ledger.clock.AfterFunc(d, f)
}

// changed has the hour of a minute written soon.
func (s *synchronizer) changed(minute int64) {
	s.begin()
	if dirty := &s.dirty[minute/60%hours]; !dirty.Load() {
		dirty.Store(true)
	}
	if s.pending.Load() || !s.pending.CompareAndSwap(false, true) {
		return
	}
	s.after(0, 0, s.write)
}

// write writes what has changed, if the last time is long enough ago.
func (s *synchronizer) write() {
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.ledger.clock.Now()
	if wait := writeEvery - now.Sub(s.wroteAt); wait > 0 && wait <= writeEvery {
		s.after(0, wait, s.write)
		return
	}
	s.wroteAt = now
	s.pending.Store(false)
	s.reportWrite(s.writeOwn(ctx))
}

// writeOwn writes the hours that have changed. It must be called with the lock held.
func (s *synchronizer) writeOwn(ctx context.Context) error {
	if s.stopped {
		return nil
	}
	if err := s.ledger.aliases.load(ctx); err != nil {
		return err
	}
	storage := *s.storage.Load()
	this := minuteOf(s.ledger.clock.Now()) / 60
	var errs []error
	for hour := this - hours + 1; hour <= this; hour++ {
		dirty := &s.dirty[hour%hours]
		if !dirty.Swap(false) {
			continue
		}
		data, err := s.ledger.encode(hour)
		if err == nil {
			err = storage.Store(ctx, path.Join(s.folder, fileName(hour, s.ledger.instance)), data)
		}
		if err != nil {
			dirty.Store(true)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// readOthers reads the counts of other instances, and removes those of before the
// day. It must be called with the lock held.
func (s *synchronizer) readOthers(ctx context.Context) error {
	if err := s.ledger.aliases.load(ctx); err != nil {
		return err
	}
	storage := *s.storage.Load()
	names, err := storage.List(ctx, s.folder, false)
	if errors.Is(err, fs.ErrNotExist) {
		names, err = nil, nil
	}
	if err != nil {
		return err
	}
	this := minuteOf(s.ledger.clock.Now()) / 60
	var errs []error
	found := make(map[string]*file, len(names))
	others := newTables()
	for _, key := range names {
		name := path.Base(key)
		hour, instance, ok := parseFileName(name)
		if !ok || instance == s.ledger.instance {
			continue
		}
		if hour < this-hours {
			if err := storage.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		f := s.files[name]
		if f == nil || hour >= this-1 {
			// It may have changed since.
			read, err := s.load(ctx, key)
			if err != nil {
				errs = append(errs, err)
			} else {
				f = read
			}
		}
		if f == nil {
			continue
		}
		found[name] = f
		others.take(f, hour)
		for _, o := range f.Observed {
			s.ledger.seen.add(o)
		}
	}
	s.files = found
	s.ledger.others.Store(&others)
	return errors.Join(errs...)
}

func (s *synchronizer) load(ctx context.Context, key string) (*file, error) {
	data, err := (*s.storage.Load()).Load(ctx, key)
	if err != nil {
		return nil, err
	}
	f, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return f, nil
}

// reportRead logs that others' counts could not be read, once until they can be. It
// must be called with the lock held.
func (s *synchronizer) reportRead(err error) {
	if err != nil && !s.readFails {
		s.ledger.logger.Warn("reading the counts of requests in Caddy's storage failed; counting goes on in memory", zap.Error(err))
	}
	s.readFails = err != nil
}

// reportWrite is reportRead for writing.
func (s *synchronizer) reportWrite(err error) {
	if err != nil && !s.writeFails {
		s.ledger.logger.Warn("writing the counts of requests in Caddy's storage failed; counting goes on in memory", zap.Error(err))
	}
	s.writeFails = err != nil
}

// use has the counts kept in a storage from now on. That of a config that a reload
// has ended may not work any more.
func (s *synchronizer) use(storage certmagic.Storage) {
	if *s.storage.Swap(&storage) == storage {
		return
	}
	s.ledger.aliases.use(storage)
	for i := range s.dirty {
		s.dirty[i].Store(true)
	}
}

// Sync writes what was counted here, and reads what was elsewhere.
func (l *Ledger) Sync(ctx context.Context) error {
	s := &l.sync
	s.begin()
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.writeOwn(ctx), s.readOthers(ctx))
}

// Ready waits for the counts of before a restart, for a while.
func (l *Ledger) Ready(ctx context.Context) {
	s := &l.sync
	s.begin()
	select {
	case <-s.read:
		return
	default:
	}
	ctx, span := trace.Start(ctx, trace.QuotaWait)
	ctx, cancel := context.WithTimeout(ctx, firstReadTimeout)
	defer cancel()
	defer func() { span.End(ctx.Err()) }()
	select {
	case <-s.read:
	case <-ctx.Done():
	}
}

// Stop writes what was counted and ends all work of the ledger.
func (l *Ledger) Stop() error {
	s := &l.sync
	s.timers.Lock()
	for _, stop := range s.stops {
		if stop != nil {
			stop()
		}
	}
	s.timers.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.writeOwn(ctx)
	s.stopped = true
	return err
}
