package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// item is a record of which there may be something to tell.
type item struct {
	mark         string // the key of its mark
	entry        tokenstore.Entry
	source       Source // nil if only the mark was found
	begins, ends time.Time
}

// scan walks the store for records that are about to end, and for marks whose record has gone.
func (n *notifier) scan(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, walkTimeout)
	defer cancel()
	now := n.clock.Now()
	sources := make(map[string]Source, len(n.sources))
	for _, s := range n.sources {
		sources[s.Kind()] = s
	}
	prefix, turn := n.sitePrefix(), n.markKey("")
	marks := make(map[string]tokenstore.Meta)
	var found []item
	for entry, err := range n.store.Walk(ctx) {
		if err != nil {
			return fmt.Errorf("listing the token store: %w", err)
		}
		if entry.Kind == tokenstore.KindMark {
			if strings.HasPrefix(entry.Key, prefix) && entry.Key != turn {
				marks[entry.Key] = entry.Meta
			}
			continue
		}
		source := sources[entry.Kind]
		if source == nil {
			continue
		}
		if ends := source.Ends(entry.Meta); ends.Sub(now) <= before[0] {
			found = append(found, item{n.markKey(entry.Key), entry, source, entry.AuthorizedAt, ends})
		}
	}
	var due []item
	for _, it := range found {
		mark, marked := marks[it.mark]
		delete(marks, it.mark)
		if marked && about(mark, it.begins, it.ends) && stage(now, it.begins, it.ends) <= stage(mark.UsedAt, it.begins, it.ends) {
			continue
		}
		due = append(due, it)
	}
	n.pending = n.pending[:0]
	for key, mark := range marks {
		it := item{mark: key, begins: mark.AuthorizedAt, ends: mark.ExpiresAt.Add(-markLife)}
		if now.Before(it.ends) {
			// It has been ended, and its mark goes: first, since a webhook that is down must not
			// keep what is left of a person who has deleted everything.
			n.pending = append(n.pending, it)
		} else {
			due = append(due, it)
		}
	}
	n.pending = append(n.pending, due...)
	n.scanned = now
	return nil
}
