package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Store keeps records in Redis. Besides tokenstore.Store it implements
// tokenstore.Watcher. It is made by Provider.Store, connects when it is first
// used, and is safe for concurrent use.
//
// All its methods but Watch and Close fail with an error that is none of
// tokenstore's when the server cannot be reached or does not answer within the
// timeout; whether a change was made is then unknown. A method may return before
// the server has answered when its ctx ends. The change may then be made later.
type Store struct {
	settings  *settings
	connector *connector
	hub       hub

	mu      sync.Mutex
	closed  bool
	closing chan struct{}  // closed by Close
	running sync.WaitGroup // all goroutines of the store
}

func newStore(s *settings) *Store {
	store := &Store{settings: s, closing: make(chan struct{})}
	store.connector = &connector{settings: s, invalidated: store.invalidated}
	return store
}

// Close ends the connections and every goroutine of the store. Leases that are
// still held are lost. It waits for calls under way, which is bounded by the
// timeouts. Everything fails afterwards; closing twice is no error.
func (s *Store) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.connector.close()
	s.running.Wait()
	return nil
}

// begin counts a goroutine that Close is to wait for. It returns false if the
// store is closed.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// A record's name has its key in braces, which makes Redis Cluster put all names
// of one session on one server.
func (s *Store) recordKey(key string) string { return s.settings.KeyPrefix + "{" + key + "}" }
func (s *Store) leaseKey(key string) string  { return s.recordKey(key) + ":lease" }
func (s *Store) fenceKey(key string) string  { return s.recordKey(key) + ":fence" }

// keyOf is the inverse of recordKey. It returns false for any other name, that
// of a lease for example.
func (s *Store) keyOf(name string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(name, s.settings.KeyPrefix+"{")
	if !ok {
		return "", false
	}
	key, ok = strings.CutSuffix(rest, "}")
	return key, ok && tokenstore.CheckKey(key) == nil
}

// call runs do with the client and the store's timeout. It returns when ctx
// ends, but do goes on: rueidis would let the end of one caller's ctx break the
// connecting on which others wait, and its own waiting does not always heed ctx.
func call[T any](ctx context.Context, s *Store, op string, do func(context.Context, rueidis.Client) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if !s.begin() {
		return none, errClosed
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.Timeout)
	answers := make(chan answer, 1)
	go func() {
		defer s.running.Done()
		defer cancel()
		var a answer
		var client rueidis.Client
		if client, a.err = s.connector.get(work); a.err == nil {
			a.value, a.err = do(work, client)
		}
		answers <- a
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-work.Done():
		// The goroutine answers before it cancels.
		select {
		case a = <-answers:
		default:
			a.err = work.Err()
		}
	}
	return a.value, s.settings.fault(op, a.err)
}

// Load implements tokenstore.Store. A record that is damaged is as good as gone.
func (s *Store) Load(ctx context.Context, key string) (*tokenstore.Record, error) {
	if err := tokenstore.CheckKey(key); err != nil {
		return nil, err
	}
	return call(ctx, s, "load", func(ctx context.Context, c rueidis.Client) (*tokenstore.Record, error) {
		fields, err := c.Do(ctx, c.B().Hmget().Key(s.recordKey(key)).Field(versionField, metaField, sealedField).Build()).ToArray()
		if err != nil {
			return nil, err
		}
		var text [3]string
		for i := range fields {
			if text[i], err = fields[i].ToString(); rueidis.IsRedisNil(err) {
				return nil, tokenstore.ErrNotFound
			} else if err != nil {
				return nil, err
			}
		}
		meta, ok := parseMeta(text[1])
		if !ok {
			return nil, tokenstore.ErrNotFound
		}
		return &tokenstore.Record{Meta: meta, Sealed: []byte(text[2]), Version: text[0]}, nil
	})
}

// Create implements tokenstore.Store.
func (s *Store) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	version, arguments, err := arguments(rec)
	if err != nil {
		return err
	}
	_, err = call(ctx, s, "create", func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		created, err := createScript.Exec(ctx, c, []string{s.recordKey(key)}, arguments).AsInt64()
		if err == nil && created == 0 {
			err = tokenstore.ErrExists
		}
		return struct{}{}, err
	})
	if err == nil {
		rec.Version = version
	}
	return err
}

// Update implements tokenstore.Store.
func (s *Store) Update(ctx context.Context, key string, rec *tokenstore.Record) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	version, arguments, err := arguments(rec)
	if err != nil {
		return err
	}
	arguments = append([]string{rec.Version}, arguments...)
	_, err = call(ctx, s, "update", func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		updated, err := updateScript.Exec(ctx, c, []string{s.recordKey(key)}, arguments).AsInt64()
		switch {
		case err != nil:
		case updated < 0:
			err = tokenstore.ErrNotFound
		case updated == 0:
			err = tokenstore.ErrConflict
		}
		return struct{}{}, err
	})
	if err == nil {
		rec.Version = version
	}
	return err
}

// Delete implements tokenstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	_, err := call(ctx, s, "delete", func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		return struct{}{}, c.Do(ctx, c.B().Del().Key(s.recordKey(key)).Build().ToRetryable()).Error()
	})
	return err
}

// arguments makes a new version and those arguments that createScript and
// updateScript share. Versions are random, so that none is ever used again.
func arguments(rec *tokenstore.Record) (version string, args []string, err error) {
	meta := rec.Meta
	meta.CreatedAt, meta.AuthorizedAt, meta.ExpiresAt = meta.CreatedAt.UTC(), meta.AuthorizedAt.UTC(), meta.ExpiresAt.UTC()
	meta.UsedAt = meta.UsedAt.UTC()
	text, err := json.Marshal(meta)
	if err != nil {
		return "", nil, errors.Join(errors.New("redis: metadata cannot be encoded"), err)
	}
	version = rand.Text()
	// Rounded up: a record must not go before its time. A time before 1970
	// means the same as 1970: gone at once.
	expiry := max(rec.ExpiresAt.Add(time.Millisecond-1).UnixMilli(), 1)
	return version, []string{version, string(text), string(rec.Sealed), strconv.FormatInt(expiry, 10)}, nil
}

// parseMeta returns false if the metadata is damaged or says that the record has
// expired.
func parseMeta(text string) (meta tokenstore.Meta, ok bool) {
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return meta, false
	}
	return meta, time.Now().Before(meta.ExpiresAt)
}

var (
	_ tokenstore.Store   = (*Store)(nil)
	_ tokenstore.Watcher = (*Store)(nil)
)
