package main

var cacheTests = []string{"./internal/cache", "./internal/upstream"}

// ofCache are ways to show somebody what is not theirs, or what is no longer so.
var ofCache = []regression{
	{
		name: "a request joins one that began before a write", file: "internal/cache/cache.go", packages: cacheTests, run: "Epochs|GetAfterPut",
		old: "f.key == key && f.epoch == acct.epoch &&", new: "f.key == key &&",
	}, {
		name: "what began before a write is kept", file: "internal/cache/flight.go", packages: cacheTests, run: "Epochs|GetAfterPut",
		old: "current := f.epoch == f.acct.epoch", new: "current := true || f.epoch == f.acct.epoch",
	}, {
		name: "the end of a write does not count", file: "internal/upstream/cached.go", packages: cacheTests, run: "GetAfterPut",
		old: "\t\tdefer site.Cache.Accounts().Write(account, family)\n", new: "",
	}, {
		name: "a write drops nothing", file: "internal/cache/accounts.go", packages: cacheTests, run: "Writes|GetAfterPut",
		old: "\t\tif drop(e) {", new: "\t\tif false && drop(e) {",
	}, {
		name: "a write drops its own family only", file: "internal/cache/accounts.go", packages: cacheTests, run: "Writes",
		old: "return shown != webapi.FamilyPlayer &&", new: "return false && shown != webapi.FamilyPlayer &&",
	}, {
		name: "a cache grows without bound", file: "internal/cache/cache.go", packages: cacheTests, run: "Size",
		old: "for c.used > c.size {", new: "for false {",
	}, {
		name: "old responses stay in memory", file: "internal/cache/cache.go", packages: cacheTests, run: "Swept",
		old: "now >= max(e.fresh, e.stale, e.failedUntil) {", new: "false && now >= max(e.fresh, e.stale, e.failedUntil) {",
	}, {
		name: "one caller that hangs up ends the request of all", file: "internal/cache/flight.go", packages: cacheTests, run: "LastCaller",
		old: "if f.callers == 0 || leader && f.finished {", new: "if f.callers >= 0 {",
	}, {
		name: "no-store is ignored", file: "internal/cache/freshness.go", packages: cacheTests, run: "Lifetime",
		old: "\tif said.noStore {\n\t\treturn 0, 0\n\t}\n", new: "",
	}, {
		name: "what Spotify has refused is not replaced by what was kept", file: "internal/upstream/cached.go", packages: []string{"./internal/e2e/upstream"}, run: "StaleWhileLimited",
		old: "if !limited || asks.NoCache {", new: "if true || !limited || asks.NoCache {",
	}, {
		name: "a logout drops nothing", file: "internal/telemetry/observers.go", packages: []string{"./internal/e2e/upstream"}, run: "ChangesDrop",
		old: "if o.AccountLeft != nil {", new: "if false && o.AccountLeft != nil {",
	}, {
		name: "a poll takes what is kept where header_up drops its Cache-Control", file: "internal/upstream/cached.go", packages: []string{"./internal/e2e/push"}, run: "PollsAreFresh",
		old: "asks.NoCache = asks.NoCache || c.ex.Fresh", new: "_ = c.ex.Fresh",
	}, {
		name: "a flight ends with its leader's client", file: "internal/upstream/cached.go", packages: []string{"./internal/e2e/upstream"}, run: "IdenticalGets",
		old: "\tc.ctx.detach()\n", new: "",
	}, {
		name: "what is derived of a flight's context outlives it", file: "internal/upstream/callcontext.go", packages: []string{"./internal/upstream"}, run: "DetachedContext",
		old: "\t\t\tgo f()\n\t\t}\n\t}\n}", new: "\t\t\t_ = f\n\t\t}\n\t}\n}",
	}, {
		name: "what was stopped is called at the end of a flight", file: "internal/upstream/callcontext.go", packages: []string{"./internal/upstream"}, run: "DetachedContext",
		old: "\t\tc.after[n] = nil\n", new: "",
	}, {
		name: "a client that hung up keeps its request under way", file: "internal/upstream/cached.go", packages: []string{"./internal/upstream"}, run: "LoneCaller",
		old: "context.AfterFunc(c.in.Context(), f.Leave)", new: "context.AfterFunc(c.in.Context(), func() {})",
	}, {
		name: "what breaks off is kept", file: "internal/upstream/collect.go", packages: []string{"./internal/e2e/upstream"}, run: "BrokenResponsesAre",
		old: "\t\tcase err != nil:\n\t\t\tfinish(nil, false)", new: "\t\tcase err != nil:\n\t\t\tfinish(t.data, true)",
	},
}
