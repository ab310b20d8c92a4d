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
	n.pending = n.pending[:0]
	for _, it := range found {
		mark, marked := marks[it.mark]
		delete(marks, it.mark)
		if marked && about(mark, it.begins, it.ends) && stage(now, it.begins, it.ends) <= stage(mark.UsedAt, it.begins, it.ends) {
			continue
		}
		n.pending = append(n.pending, it)
	}
	for key, mark := range marks {
		n.pending = append(n.pending, item{mark: key, begins: mark.AuthorizedAt, ends: mark.ExpiresAt.Add(-markLife)})
	}
	n.scanned = now
	return nil
}
