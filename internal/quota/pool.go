package quota

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ledgers keeps one ledger for each client ID, also while a config is reloaded.
var ledgers = caddy.NewUsagePool()

// pooled is a ledger in the pool.
type pooled struct{ *Ledger }

// Destruct implements caddy.Destructor.
func (p pooled) Destruct() error { return p.Stop() }

// Use is a ledger as one site uses it.
type Use struct {
	*Ledger
	// Budget is that of the site, or nil.
	Budget *Budget
}

// Acquire returns the ledger of a client ID, which keeps its counts in the storage
// from now on, and what lets go of it. A budget may be nil. Acquire does not touch the
// storage.
func Acquire(clientID string, storage certmagic.Storage, budget *Budget, clock Clock, logger *zap.Logger) (*Use, func() error) {
	value, _, _ := ledgers.LoadOrNew(clientID, func() (caddy.Destructor, error) {
		return pooled{New(clientID, strings.ToLower(rand.Text()[:12]), storage, clock, logger)}, nil
	})
	l := value.(pooled).Ledger
	l.sync.use(storage)
	use := &Use{l, budget}
	l.users.mu.Lock()
	l.users.all = append(l.users.all, use)
	l.users.mu.Unlock()
	return use, func() error {
		l.users.mu.Lock()
		l.users.all = slices.DeleteFunc(l.users.all, func(u *Use) bool { return u == use })
		l.users.mu.Unlock()
		_, err := ledgers.Delete(clientID)
		return err
	}
}

// InUse returns the ledgers of every config in force, in the order of the client IDs.
func InUse() []*Ledger {
	var all []*Ledger
	ledgers.Range(func(_, value any) bool {
		if p, ok := value.(pooled); ok {
			all = append(all, p.Ledger)
		}
		return true
	})
	slices.SortFunc(all, func(a, b *Ledger) int { return strings.Compare(a.clientID, b.clientID) })
	return all
}
