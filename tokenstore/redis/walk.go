package redis

import (
	"context"
	"encoding/hex"
	"iter"
	"strings"

	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// scanCount is how many names a server looks at for one page of a walk.
const scanCount = 256

// Walk implements tokenstore.Store. It scans the names with the store's prefix,
// in a cluster on every master. It remembers the keys it has seen, 32 bytes each,
// because a scan may come across a name twice. What it reads is not watched.
func (s *Store) Walk(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		nodes, err := s.masters(ctx)
		if err != nil {
			yield(tokenstore.Entry{}, err)
			return
		}
		seen := make(map[[32]byte]bool)
		for _, node := range nodes {
			for cursor, first := uint64(0), true; first || cursor != 0; first = false {
				var page []tokenstore.Entry
				page, cursor, err = s.page(ctx, node, cursor, seen)
				if err != nil {
					yield(tokenstore.Entry{}, err)
					return
				}
				for _, entry := range page {
					if !yield(entry, nil) {
						return
					}
				}
			}
		}
	}
}

// masters returns a client for each server that holds records.
func (s *Store) masters(ctx context.Context) ([]rueidis.Client, error) {
	return call(ctx, s, "walk", func(ctx context.Context, c rueidis.Client) ([]rueidis.Client, error) {
		var masters []rueidis.Client
		for _, node := range c.Nodes() {
			if c.Mode() == rueidis.ClientModeCluster {
				role, err := node.Do(ctx, node.B().Role().Build()).ToArray()
				if err != nil {
					return nil, err
				}
				if len(role) == 0 {
					continue
				}
				if name, err := role[0].ToString(); err != nil || name != "master" {
					continue
				}
			}
			masters = append(masters, node)
		}
		return masters, nil
	})
}

// page returns the records on one page of a scan that were not seen before, and
// the cursor of the next page, which is 0 after the last.
func (s *Store) page(ctx context.Context, node rueidis.Client, cursor uint64, seen map[[32]byte]bool) ([]tokenstore.Entry, uint64, error) {
	type found struct {
		entries []tokenstore.Entry
		cursor  uint64
	}
	f, err := call(ctx, s, "walk", func(ctx context.Context, c rueidis.Client) (found, error) {
		scan, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(s.pattern()).Count(scanCount).Type("hash").Build()).AsScanEntry()
		if err != nil {
			return found{}, err
		}
		var keys []string
		var commands rueidis.Commands
		for _, name := range scan.Elements {
			key, ok := s.keyOf(name)
			if !ok {
				continue
			}
			keys = append(keys, key)
			commands = append(commands,
				// Else the server would watch every session there is for us.
				node.B().ClientCaching().No().Build(),
				node.B().Hmget().Key(name).Field(metaField).Build())
		}
		replies := node.DoMulti(ctx, commands...)
		f := found{cursor: scan.Cursor}
		for i, key := range keys {
			entry, ok, err := s.entry(ctx, c, key, replies[2*i+1])
			if err != nil {
				return found{}, err
			}
			if ok {
				f.entries = append(f.entries, entry)
			}
		}
		return f, nil
	})
	// Not in the call, which may go on after ctx has ended.
	fresh := f.entries[:0]
	for _, entry := range f.entries {
		var id [32]byte
		_, _ = hex.Decode(id[:], []byte(entry.Key)) // keyOf saw to the form
		if !seen[id] {
			seen[id] = true
			fresh = append(fresh, entry)
		}
	}
	return fresh, f.cursor, err
}

// entry makes an entry of a reply. It returns false if the record is gone.
func (s *Store) entry(ctx context.Context, c rueidis.Client, key string, reply rueidis.RedisResult) (entry tokenstore.Entry, ok bool, err error) {
	if e, isReply := rueidis.IsRedisErr(reply.Error()); isReply {
		// The record moved to another server of the cluster after the scan.
		_, moved := e.IsMoved()
		_, asked := e.IsAsk()
		if moved || asked {
			reply = c.Do(ctx, c.B().Hmget().Key(s.recordKey(key)).Field(metaField).Build())
		}
	}
	fields, err := reply.ToArray()
	if err != nil {
		return entry, false, err
	}
	text, err := fields[0].ToString()
	if rueidis.IsRedisNil(err) {
		return entry, false, nil
	} else if err != nil {
		return entry, false, err
	}
	meta, ok := parseMeta(text)
	return tokenstore.Entry{Key: key, Meta: meta}, ok, nil
}

// pattern matches the names of all records, and not those of leases.
func (s *Store) pattern() string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s.settings.KeyPrefix) + "{*}"
}
