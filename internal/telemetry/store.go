package telemetry

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyspotify/caddy-spotify/internal/trace"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// StoreMeter measures what is done with a store.
type StoreMeter struct {
	durations prometheus.ObserverVec
	Clock     pkce.Clock
	// answered is when the store last answered, by the monotonic clock, plus one.
	answered atomic.Int64
	// written is when it last took a record, likewise.
	written atomic.Int64
}

// NewStoreMeter returns a meter for the store of a name.
func NewStoreMeter(store string, clock pkce.Clock) *StoreMeter {
	return &StoreMeter{
		durations: metrics.storeOperations.MustCurryWith(prometheus.Labels{"store": store}),
		Clock:     clock,
	}
}

// operation is one under way.
type operation struct {
	meter *StoreMeter
	name  string
	began time.Duration // monotonic
	span  trace.Span
}

// begin begins an operation, which is a span as well if there is a trace.
func (m *StoreMeter) begin(ctx context.Context, name string) (context.Context, operation) {
	ctx, span := trace.Start(ctx, trace.Store)
	span.Set(trace.Operation, name)
	return ctx, operation{m, name, m.Clock.Monotonic(), span}
}

func (o operation) end(err error) {
	o.meter.done(o.name, o.began, err)
	if errors.Is(err, tokenstore.ErrNotFound) || errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrExists) {
		err = nil // the store has answered
	}
	o.span.End(err)
}

// done notes an operation that began at the given monotonic time.
func (m *StoreMeter) done(operation string, began time.Duration, err error) {
	now := m.Clock.Monotonic()
	outcome := storeOutcome(err)
	m.durations.WithLabelValues(operation, outcome).Observe((now - began).Seconds())
	if outcome != "error" && outcome != "canceled" {
		m.answered.Store(int64(now) + 1)
	}
	if err == nil && (operation == "create" || operation == "update") {
		m.written.Store(int64(now) + 1)
	}
}

// storeOutcome tells the answers of a store from its not answering.
func storeOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, tokenstore.ErrNotFound):
		return "not_found"
	case errors.Is(err, tokenstore.ErrConflict), errors.Is(err, tokenstore.ErrExists):
		return "conflict"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "error"
}

// AnsweredWithin reports whether the store answered during the last d.
func (m *StoreMeter) AnsweredWithin(d time.Duration) bool {
	return m.within(&m.answered, d)
}

// WrittenWithin reports whether the store took a record during the last d.
func (m *StoreMeter) WrittenWithin(d time.Duration) bool {
	return m.within(&m.written, d)
}

func (m *StoreMeter) within(event *atomic.Int64, d time.Duration) bool {
	at := event.Load()
	return at != 0 && m.Clock.Monotonic()-time.Duration(at-1) < d
}

// Measured returns the store with its operations measured. It can do what the
// store can: watch, sweep, both or neither.
func Measured(store tokenstore.Store, meter *StoreMeter) tokenstore.Store {
	m := measuredStore{store, meter}
	watcher, watches := store.(tokenstore.Watcher)
	sweeper, sweeps := store.(tokenstore.Sweeper)
	switch {
	case watches && sweeps:
		return struct {
			measuredStore
			tokenstore.Watcher
			measuredSweeper
		}{m, watcher, measuredSweeper{sweeper, meter}}
	case watches:
		return struct {
			measuredStore
			tokenstore.Watcher
		}{m, watcher}
	case sweeps:
		return struct {
			measuredStore
			measuredSweeper
		}{m, measuredSweeper{sweeper, meter}}
	}
	return m
}

type measuredStore struct {
	store tokenstore.Store
	meter *StoreMeter
}

func (s measuredStore) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	ctx, op := s.meter.begin(ctx, "load")
	rec, err := s.store.Load(ctx, key)
	op.end(err)
	return rec, err
}

func (s measuredStore) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	ctx, op := s.meter.begin(ctx, "create")
	err := s.store.Create(ctx, key, rec)
	op.end(err)
	return err
}

func (s measuredStore) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	ctx, op := s.meter.begin(ctx, "update")
	err := s.store.Update(ctx, key, rec)
	op.end(err)
	return err
}

func (s measuredStore) Delete(ctx context.Context, key string) error {
	ctx, op := s.meter.begin(ctx, "delete")
	err := s.store.Delete(ctx, key)
	op.end(err)
	return err
}

// Lease takes as long as another instance holds the lease.
func (s measuredStore) Lease(ctx context.Context, key string) (tokenstore.Lease, error) {
	ctx, op := s.meter.begin(ctx, "lease")
	lease, err := s.store.Lease(ctx, key)
	op.end(err)
	return lease, err
}

// Walk counts from beginning to end, its caller's work included.
func (s measuredStore) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		began := s.meter.Clock.Monotonic()
		var failed error
		s.store.Walk(ctx)(func(e tokenstore.Entry, err error) bool {
			failed = err
			return yield(e, err)
		})
		s.meter.done("walk", began, failed)
	}
}

type measuredSweeper struct {
	sweeper tokenstore.Sweeper
	meter   *StoreMeter
}

func (s measuredSweeper) Sweep(ctx context.Context) (removed int, err error) {
	began := s.meter.Clock.Monotonic()
	removed, err = s.sweeper.Sweep(ctx)
	s.meter.done("sweep", began, err)
	return removed, err
}
