package upstream

import (
	"github.com/caddyserver/caddy/v2"
)

// perClient keeps one T for each client ID: Spotify knows an app by that, whichever
// site or configuration its requests are for. Reloading the config forgets nothing.
type perClient[T any] struct {
	pool  *caddy.UsagePool
	fresh func() *T
}

func newPerClient[T any](fresh func() *T) *perClient[T] {
	return &perClient[T]{caddy.NewUsagePool(), fresh}
}

// pooled is a value in a pool.
type pooled[T any] struct{ value *T }

// Destruct implements caddy.Destructor.
func (pooled[T]) Destruct() error { return nil }

// acquire returns what is kept for a client ID, and what lets go of it.
func (p *perClient[T]) acquire(clientID string) (*T, func() error) {
	v, _ := p.pool.LoadOrStore(clientID, pooled[T]{p.fresh()})
	return v.(pooled[T]).value, func() error {
		_, err := p.pool.Delete(clientID)
		return err
	}
}

// each calls a function with everything that is kept.
func (p *perClient[T]) each(f func(clientID string, value *T)) {
	p.pool.Range(func(key, value any) bool {
		f(key.(string), value.(pooled[T]).value)
		return true
	})
}
