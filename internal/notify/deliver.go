package notify

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// deliver tells the webhook what is pending, one notice after the other, while no other instance does.
// What the webhook has not accepted stays pending.
func (n *notifier) deliver(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, leasePatience)
	defer cancel()
	lease, err := n.store.Lease(patient, n.markKey(""))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		_ = lease.Release(ctx)
	}()
	var kept []item
	var failed error
	for i := range n.pending {
		select {
		case <-lease.Lost():
			failed = errors.New("another instance may be sending by now")
		default:
		}
		if ctx.Err() != nil {
			failed = ctx.Err()
		}
		if refused, ok := errors.AsType[*refusedError](failed); failed != nil && (!ok || !refused.onlyThis()) {
			kept = append(kept, n.pending[i:]...)
			break
		}
		if err := n.settle(ctx, &n.pending[i]); err != nil {
			failed = err
			kept = append(kept, n.pending[i])
		}
	}
	n.pending = kept
	return failed
}

// settle sends what there is to tell of an item now, which may be nothing any more, and marks it
// as told. A process that dies in between tells it again.
func (n *notifier) settle(ctx context.Context, it *item) error {
	// A notice that is being sent is sent to the end. Its target has a timeout.
	ctx = context.WithoutCancel(ctx)
	mark, err := n.load(ctx, it.mark)
	if err != nil {
		return err
	}
	if it.source == nil {
		return n.settleGone(ctx, it, mark)
	}
	rec, err := n.load(ctx, it.entry.Key)
	if err != nil || rec == nil || !rec.AuthorizedAt.Equal(it.begins) || !it.source.Ends(rec.Meta).Equal(it.ends) {
		return err // it has ended, or was renewed
	}
	subject, err := it.source.Describe(ctx, it.entry)
	if err != nil || subject == nil {
		return err
	}
	var told time.Time
	if mark != nil && about(mark.Meta, it.begins, it.ends) {
		told = mark.UsedAt
	}
	now := n.clock.Now()
	switch due := stage(now, it.begins, it.ends); {
	case due > stage(told, it.begins, it.ends):
		if err := n.send(ctx, *subject, it.ends); err != nil {
			return err
		}
		told = now.UTC()
	case mark != nil && about(mark.Meta, it.begins, it.ends):
		return nil
	}
	return n.save(ctx, it, content{it.entry.Key, *subject}, told, mark)
}

// settleGone does so for a mark that was found without its record. If that is gone at its time, its
// end is told. If it went before, somebody has ended it, who knows.
func (n *notifier) settleGone(ctx context.Context, it *item, mark *tokenstore.Record) error {
	if mark == nil || !about(mark.Meta, it.begins, it.ends) {
		return nil
	}
	c, source, err := n.open(ctx, it.mark, mark)
	if err != nil || c == nil {
		return err
	}
	rec, err := n.load(ctx, c.Record)
	if err != nil {
		return err
	}
	if rec != nil && about(mark.Meta, rec.AuthorizedAt, source.Ends(rec.Meta)) {
		return nil // the walk has missed it
	}
	if now := n.clock.Now(); rec == nil && !now.Before(it.ends) && mark.UsedAt.Before(it.ends) {
		if err := n.send(ctx, c.Subject, it.ends); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return n.store.Delete(ctx, it.mark)
}

// send sends a notice and logs that it was accepted.
func (n *notifier) send(ctx context.Context, s Subject, ends time.Time) error {
	notice := newNotice(s, n.site, n.clock.Now(), ends)
	if err := n.target.send(ctx, n.clock.Now(), notice); err != nil {
		return err
	}
	n.logger.Info("notice sent", zap.String("event", notice.Event), zap.String("session", s.Session), zap.String("account", s.Account),
		zap.String("kind", s.Kind), zap.Int("days_left", notice.DaysLeft), zap.String("to", n.target.host))
	return nil
}
