package telemetry

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

// Observer is whom sessions tell of what happens to them: one site of one
// config. Its methods may be called on nil, for then nobody is to be told.
type Observer struct {
	Metrics *Site
	// Notice is how long before its end a consent is called due.
	Notice time.Duration
	// AccountLeft is called with an account of which a session or access key has
	// ended. nil if nobody has to know.
	AccountLeft func(account string)
	// ctx is the config's, as Caddy's events want it.
	ctx    caddy.Context
	events *caddyevents.App
	audit  *zap.Logger
}

// ended reports whether the observer's config is no longer in force.
func (o *Observer) ended() bool { return o.ctx.Err() != nil }

// Observers is the observers of sessions that outlive configs. What happens is
// told to one of them: to one of the config in force.
//
// While a config is loaded there are observers of two. The old one's stay in
// charge until it has ended, since the new one may fail to start, and its
// events app must not be used before it has.
type Observers struct {
	current atomic.Pointer[Observer]
	Queue   Queue

	mu  sync.Mutex
	all []*Observer
}

// Join adds the observer of a config that is being loaded.
func (a *Observers) Join(o *Observer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, o)
	if a.current.Load() == nil {
		a.current.Store(o)
	}
}

// Leave takes out the observer of a config that has ended, or that did not start.
func (a *Observers) Leave(o *Observer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, func(other *Observer) bool { return other == o })
	if a.current.Load() == o {
		a.choose()
	}
}

// Observer returns the one in charge, which is the last one there was when all
// are gone, or nil if there never was one.
func (a *Observers) Observer() *Observer {
	o := a.current.Load()
	if o == nil || !o.ended() {
		return o
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.choose()
	return a.current.Load()
}

// choose puts the first observer of the newest config in charge. a.mu is held.
func (a *Observers) choose() {
	if len(a.all) == 0 {
		return
	}
	newest := a.all[len(a.all)-1].events
	for _, o := range a.all {
		if o.events == newest {
			a.current.Store(o)
			return
		}
	}
}

// SessionEnded counts a session of an account that is over, and says so to whom it
// concerns.
func (o *Observer) SessionEnded(account, why string) {
	if o == nil {
		return
	}
	o.Metrics.sessionEnded(why)
	if o.AccountLeft != nil {
		o.AccountLeft(account)
	}
}
