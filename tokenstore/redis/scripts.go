package redis

import "github.com/redis/rueidis"

// Fields of a record's hash.
const (
	versionField = "version"
	metaField    = "meta"
	sealedField  = "sealed"
)

// The scripts are sent with every call: they are short, and a server that was
// restarted has forgotten those it was sent before.
//
// All but create may be repeated when an answer got lost, because they know
// their own work again by a value that was never used before. Repeating create
// could bring back a record that was deleted in between.
var (
	// createScript returns 0 if there is a record already, else 1.
	//
	// KEYS: record. ARGV: version, meta, sealed, expiry in ms since 1970.
	//
	// The read at the end is for client tracking: the write made the server
	// forget that this instance holds the record.
	createScript = rueidis.NewLuaScriptNoSha(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'meta', ARGV[2], 'sealed', ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
redis.call('HEXISTS', KEYS[1], 'version')
return 1`)

	// updateScript returns -1 if there is no record, 0 if its version is another
	// than expected, else 1.
	//
	// KEYS: record. ARGV: expected version, then as createScript.
	updateScript = rueidis.NewLuaScriptNoShaRetryable(`
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return -1 end
if version == ARGV[2] then return 1 end
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'meta', ARGV[3], 'sealed', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
redis.call('HEXISTS', KEYS[1], 'version')
return 1`)

	// acquireScript returns the fencing number, or 0 if another holds the lease,
	// and then 1 if the lease before was never released, else 0. The number is
	// greater than any before: at least the time in microseconds, so that it
	// may be forgotten in the end.
	//
	// KEYS: lease, fence. ARGV: token, time to live in ms, that of the fence.
	//
	// The fence is the number of the last lease, followed by "released" once
	// that is so. Who repeats the command cannot tell any more.
	acquireScript = rueidis.NewLuaScriptNoShaRetryable(`
local holder = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
if holder and holder ~= ARGV[1] then return {0, 0} end
local last, state = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+)(.*)$')
local time = redis.call('TIME')
local fence = math.max(time[1] * 1000000 + time[2], (last or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', ARGV[3])
return {fence, last and state ~= ' released' and 1 or 0}`)

	// renewScript returns 0 if the lease is not ours, else 1.
	//
	// KEYS: lease. ARGV: token, time to live in ms.
	renewScript = rueidis.NewLuaScriptNoShaRetryable(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

	// releaseScript returns 0 if the lease is not ours, else 1.
	//
	// KEYS: lease, fence. ARGV: token.
	releaseScript = rueidis.NewLuaScriptNoShaRetryable(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local last = string.match(redis.call('GET', KEYS[2]) or '', '^%d+')
if last then redis.call('SET', KEYS[2], last .. ' released', 'KEEPTTL') end
return redis.call('DEL', KEYS[1])`)
)
