package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// A note is a string: when it ends by the server's clock, in ms since 1970, a
// space, and the text.
var (
	// postScript sets a note unless the one that is there lasts longer.
	//
	// KEYS: note. ARGV: text, time to live in ms.
	postScript = rueidis.NewLuaScriptNoShaRetryable(`
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
local old = redis.call('GET', KEYS[1])
if old and tonumber(string.match(old, '^%d+')) >= ends then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', ends) .. ' ' .. ARGV[1], 'PX', ARGV[2])
return 1`)

	// readScript returns how much longer the note lasts, in ms, and its text.
	//
	// KEYS: note.
	readScript = rueidis.NewLuaScriptNoShaRetryable(`
local note = redis.call('GET', KEYS[1])
if not note then return {'0', ''} end
local time = redis.call('TIME')
local left = string.match(note, '^%d+') - time[1] * 1000 - math.floor(time[2] / 1000)
return {string.format('%.0f', left), string.match(note, '^%d+ (.*)$')}`)
)

func (s *Store) noteKey(key string) string { return s.recordKey(key) + ":note" }

// Post implements tokenstore.Bulletin.
func (s *Store) Post(ctx context.Context, key string, note []byte, life time.Duration) error {
	if err := tokenstore.CheckKey(key); err != nil {
		return err
	}
	ms := max(1, life.Milliseconds())
	_, err := call(ctx, s, "post", func(ctx context.Context, c rueidis.Client) (struct{}, error) {
		return struct{}{}, postScript.Exec(ctx, c, []string{s.noteKey(key)}, []string{string(note), strconv.FormatInt(ms, 10)}).Error()
	})
	return err
}

// Read implements tokenstore.Bulletin.
func (s *Store) Read(ctx context.Context, key string) (note []byte, left time.Duration, err error) {
	if err := tokenstore.CheckKey(key); err != nil {
		return nil, 0, err
	}
	answer, err := call(ctx, s, "read", func(ctx context.Context, c rueidis.Client) ([]string, error) {
		return readScript.Exec(ctx, c, []string{s.noteKey(key)}, nil).AsStrSlice()
	})
	if err != nil || len(answer) != 2 {
		return nil, 0, err
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(answer[0]), 10, 64)
	if err != nil || ms <= 0 {
		return nil, 0, nil
	}
	return []byte(answer[1]), time.Duration(ms) * time.Millisecond, nil
}

var _ tokenstore.Bulletin = (*Store)(nil)
