package main

var (
	caddyStorageTests = []string{"./tokenstore/caddystorage"}
	redisTests        = []string{"./tokenstore/redis"}
	memoryTests       = []string{"./tokenstore/memory"}
)

// ofCaddyStorage break the locks and records in Caddy's storage.
var ofCaddyStorage = []regression{
	{
		name: "an update does not look at the version", file: "tokenstore/caddystorage/store.go", packages: caddyStorageTests,
		old: "case old.Version != rec.Version:", new: "case false:",
	}, {
		name: "a version is used again", file: "tokenstore/caddystorage/store.go", packages: caddyStorageTests,
		old: "next.Version = rand.Text()", new: "_ = rand.Text\n\tnext.Version = \"1\"",
	}, {
		name: "changes are not locked in the storage", file: "tokenstore/caddystorage/lock.go", packages: caddyStorageTests,
		old: "if _, err := b.lock(ctx, storage, name, false); err != nil {", new: "if err := ctx.Err(); err != nil {",
	}, {
		name: "giving a lock back is tried once", file: "tokenstore/caddystorage/lock.go", packages: caddyStorageTests,
		old: "case <-time.After(wait):\n\t\tcase <-ctx.Done():", new: "case <-time.After(0):\n\t\t\treturn err\n\t\tcase <-ctx.Done():",
	}, {
		name: "a lease is not renewed", file: "tokenstore/caddystorage/lease.go", packages: caddyStorageTests,
		old: "next.Reset(times.every)", new: "_ = times.every",
	}, {
		name: "one failed renewal costs the lease", file: "tokenstore/caddystorage/lease.go", packages: caddyStorageTests,
		old: "time.Since(renewed) >= times.life-times.every:", new: "time.Since(renewed) >= 0:",
	}, {
		name: "another holder's file is a failed renewal", file: "tokenstore/caddystorage/lease.go", packages: caddyStorageTests,
		old: "case errors.Is(err, errNotOurLock), time.Since", new: "case errors.Is(err, nil), time.Since",
	}, {
		name: "releasing a lost lease takes the lock", file: "tokenstore/caddystorage/lease.go", packages: caddyStorageTests,
		old: "case <-l.lost:\n\t\t\treturn nil // the", new: "case <-l.lost: // the",
	}, {
		name: "a release does not look whose file it is", file: "tokenstore/caddystorage/lease.go", packages: caddyStorageTests,
		old: "if l.file != nil && l.file.taken", new: "if false && l.file.taken",
	}, {
		name: "a killed holder's lease is free only when it goes stale", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "dead := renewed && lock.Created.Equal(before.Created)", new: "dead := false",
	}, {
		name: "a living holder is taken for dead", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "dead := renewed && lock.Created.Equal(before.Created)", new: "dead := renewed",
	}, {
		name: "a lock that is not renewed is for ever", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "if dead || time.Since(lock.Created) > orphanAge {", new: "if dead {",
	}, {
		name: "the heir of a dead holder is not told", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "\t\t\texpired = true\n", new: "",
	}, {
		name: "the heir of a stale lock is not told", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "return expired || stale, err", new: "_ = stale\n\t\t\treturn expired, err",
	}, {
		name: "a lock file that is gone is a failed renewal", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "case errors.Is(err, fs.ErrNotExist):\n\t\treturn errNotOurLock", new: "case errors.Is(err, fs.ErrNotExist):\n\t\treturn err",
	}, {
		name: "a renewal overwrites another holder's file", file: "tokenstore/caddystorage/filelock.go", packages: caddyStorageTests,
		old: "case !lock.Created.Equal(r.made):", new: "case false:",
	},
}

// ofRedis break the scripts and leases in Redis. Without a server its tests are
// skipped, and everything survives.
var ofRedis = []regression{
	{
		name: "an update does not look at the version", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if version ~= ARGV[1] then return 0 end\n", new: "",
	}, {
		name: "an update whose answer was lost is a conflict", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if version == ARGV[2] then return 1 end\n", new: "",
	}, {
		name: "an update brings a deleted record back", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if not version then return -1 end\nif version ==", new: "if not version then version = ARGV[1] end\nif version ==",
	}, {
		name: "a create overwrites", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n", new: "",
	}, {
		name: "a lease has no time to live", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "'NX', 'GET', 'PX', ARGV[2])", new: "'NX', 'GET')",
	}, {
		name: "a renewal takes another's lease", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nreturn redis.call('PEXPIRE'", new: "return redis.call('PEXPIRE'",
	}, {
		name: "a release takes another's lease", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nlocal last", new: "local last",
	}, {
		name: "fencing numbers fall back", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "math.max(time[1] * 1000000 + time[2], (last or 0) + 1)", new: "(last or 0) % 3 + 1",
	}, {
		name: "the heir of a dead holder is not told", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "last and state ~= ' released' and 1 or 0", new: "0",
	}, {
		name: "every heir waits for a late save", file: "tokenstore/redis/scripts.go", packages: redisTests,
		old: "last and state ~= ' released' and 1 or 0", new: "last and 1 or 0",
	}, {
		name: "a lease is not renewed", file: "tokenstore/redis/lease.go", packages: redisTests,
		old: "timer.Reset(time.Until(sent.Add(life / 3)))", new: "timer.Reset(2 * life)",
	}, {
		name: "an unreachable server keeps a lease for ever", file: "tokenstore/redis/lease.go", packages: redisTests,
		old: "case err == nil, !time.Now().Before(end):", new: "case err == nil:",
	}, {
		name: "what was acquired in vain is kept", file: "tokenstore/redis/lease.go", packages: redisTests,
		old: "\t\t\ts.abandon(ctx, key, token, err)\n", new: "",
	}, {
		name: "a client that hangs up keeps its lease", file: "tokenstore/redis/lease.go", packages: redisTests,
		old: "err = l.store.release(context.WithoutCancel(ctx), l.key, l.token)", new: "err = l.store.release(ctx, l.key, l.token)",
	},
}

// ofMemory break the store in memory.
var ofMemory = []regression{
	{
		name: "an update does not look at the version", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "if e.rec.Version != rec.Version {", new: "if false {",
	}, {
		name: "a record handed out is the one kept", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "\trec := e.rec\n\trec.Sealed = bytes.Clone(rec.Sealed)", new: "\trec := e.rec",
	}, {
		name: "a record given is the one kept", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "\te.rec.Sealed = bytes.Clone(rec.Sealed)\n", new: "",
	}, {
		name: "an expired record is loaded", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "e != nil && !s.expired(e) {", new: "e != nil {",
	}, {
		name: "the last to expire is evicted first", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "return h[i].rec.ExpiresAt.Before(h[j].rec.ExpiresAt)", new: "return h[j].rec.ExpiresAt.Before(h[i].rec.ExpiresAt)",
	}, {
		name: "an update does not move a record in the order", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "\theap.Fix(&s.byExpiry, e.index)\n", new: "",
	}, {
		name: "nobody learns of an eviction", file: "tokenstore/memory/memory.go", packages: memoryTests,
		old: "\t\ts.announce(evicted.key, nil)\n", new: "",
	}, {
		name: "a lease is not exclusive", file: "tokenstore/memory/lease.go", packages: memoryTests,
		old: "unlock, err := s.leases.Lock(ctx, key)", new: "unlock, err := func() {}, ctx.Err()",
	},
}
