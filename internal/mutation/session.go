package main

var sessionTests = []string{"./internal/session"}

// ofSession are ways to break the sessions: caching, confirming, ending, saving.
var ofSession = []regression{
	{
		name: "a record of one kind opens as another", file: "internal/session/kind.go", packages: sessionTests,
		old: "\treturn data.Kind == stored[kind].sealed || data.Kind == \"\" && kind != Shared", new: "\treturn true",
	}, {
		name: "another site's session counts", file: "internal/session/record.go", packages: sessionTests,
		old: "if data.Site != \"\" && data.Site != m.site {", new: "if false {",
	}, {
		name: "a session of before is bound to no site", file: "internal/session/manager.go", packages: sessionTests,
		old: "if data.Site == \"\" {\n\t\tm.saveInBackground(s)\n\t}\n", new: "",
	}, {
		name: "a key in no list counts", file: "internal/session/keylist.go", packages: []string{"./internal/accesskeys"},
		old: "if !listed {", new: "if false && !listed {",
	}, {
		name: "a change of the list is not noticed", file: "internal/session/keylist.go", packages: []string{"./internal/accesskeys"},
		old: " && !m.Cache.changed(l.list, l.since)", new: "",
	}, {
		name: "a person's deletion leaves the lists", file: "internal/session/endall.go", packages: []string{"./internal/e2e/session"}, run: "Delete",
		old: "for _, other := range others {", new: "for _, other := range others[:0] {",
	}, {
		name: "a key that is created as its owner goes stays", file: "internal/session/endall.go", packages: []string{"./internal/accesskeys"}, run: "OwnerGoes",
		old: "late, err := m.endOwn(ctx, about, match)", new: "late, err := 0, error(nil)",
	}, {
		name: "a key is created for who has logged out meanwhile", file: "internal/accesskeys/create.go", packages: []string{"./internal/e2e/session"}, run: "Delete",
		old: "if p := k.stillLoggedIn(r, key.Account); p != nil {\n\t\tif err := k.Discard", new: "if p := k.stillLoggedIn(r, key.Account); p != nil && false {\n\t\tif err := k.Discard",
	}, {
		name: "a name may be blank", file: "internal/accesskeys/create.go", packages: []string{"./internal/accesskeys"}, run: "Names",
		old: "unicode.Other_Default_Ignorable_Code_Point, ", new: "",
	}, {
		name: "anybody's sessions end", file: "internal/session/endall.go", packages: []string{"./internal/e2e/session"}, run: "Account|Delete",
		old: "return e.AccountID == a.ID ||", new: "return e.AccountID != \"\" ||",
	}, {
		name: "another site's page ends sessions", file: "internal/account/serve.go", packages: []string{"./internal/e2e/session"}, run: "Account",
		old: "if !pg {", new: "if false && !pg {",
	}, {
		name: "the account page tells what a browser sent", file: "internal/account/agent.go", packages: []string{"./internal/e2e/session"}, run: "Account",
		old: "ua = ua[:min(len(ua), maxUserAgent)]", new: "browser = ua",
	}, {
		name: "files of counts name accounts", file: "internal/quota/file.go", packages: []string{"./internal/quota"}, run: "FilesName",
		old: "l.aliases.ofRow(kind, name, r)", new: "name",
	}, {
		name: "what begins while an account is ended goes on", file: "internal/session/endall.go", packages: []string{"./internal/accesskeys"},
		old: "if err != nil || found == 0 {", new: "if err != nil || found >= 0 {",
	}, {
		name: "a session past its time is served from memory", file: "internal/session/manager.go", packages: sessionTests,
		old: "if !ok || now >= s.ExpiresAt() {\n\t\t// Another", new: "if !ok {\n\t\t// Another",
	}, {
		name: "a stored session past its time is loaded", file: "internal/session/manager.go", packages: sessionTests,
		old: "if now >= s.ExpiresAt() && (lists == nil || !s.kept(now)) {", new: "if false {",
	}, {
		name: "an ended session is found in memory", file: "internal/session/manager.go", packages: sessionTests,
		old: "if s.Auth.Ended() {\n\t\treturn nil, ErrNone\n\t}", new: "",
	}, {
		name: "a session to be confirmed is used before that", file: "internal/session/manager.go", packages: sessionTests,
		old: "case trustNot:\n\t\treturn m.confirm(ctx, s, now, lists)", new: "case trustNot:",
	}, {
		name: "a session that is gone from the store lives on", file: "internal/session/manager.go", packages: sessionTests,
		old: "\t\ts.Auth.End()\n\t\tm.Cache.remove(s.ID, s.kind)\n\t\tm.ended(s, endElsewhere)\n\t\treturn nil, ErrNone", new: "\t\treturn s, nil",
	}, {
		name: "an outage of the store logs out", file: "internal/session/manager.go", packages: sessionTests,
		old: "case s.Auth.Current() != nil:\n\t\t// The store", new: "case false:\n\t\t// The store",
	}, {
		name: "an outage of the store counts as a confirmation", file: "internal/session/manager.go", packages: sessionTests,
		old: "m.Cache.checkedUnlessChanged(s, since, -now, mono)", new: "m.Cache.checkedUnlessChanged(s, since, now, mono)",
	}, {
		name: "a change during a confirmation is lost", file: "internal/session/cache.go", packages: sessionTests,
		old: "\tif changes.changed(s.digest, since) {\n\t\ts.checked.Store(0)\n\t\treturn false\n\t}\n", new: "",
	}, {
		name: "a change during a reading is lost", file: "internal/session/manager.go", packages: sessionTests,
		old: "m.Cache.addUnlessChanged(s, since)", new: "m.Cache.add(s)",
	}, {
		name: "a reading from before a change is joined", file: "internal/session/reading.go", packages: sessionTests,
		old: "r == nil || m.Cache.changed(of.digest, r.since)", new: "r == nil",
	}, {
		name: "readings are not shared", file: "internal/session/reading.go", packages: sessionTests,
		old: "r == nil || m.Cache.changed(of.digest, r.since)", new: "true",
	}, {
		name: "one caller's hanging up ends the reading for all", file: "internal/session/reading.go", packages: sessionTests,
		old: "go m.perform(context.WithoutCancel(ctx), of, r, read)", new: "go m.perform(ctx, of, r, read)",
	}, {
		name: "changes that are forgotten count as none", file: "internal/session/cache.go", packages: sessionTests,
		old: "func(_ [32]byte, at cacheEpoch) { changes.dropped = max(changes.dropped, at) }", new: "func(_ [32]byte, at cacheEpoch) { _ = max(changes.dropped, at) }",
	}, {
		name: "a lost watch leaves sessions trusted", file: "internal/session/cache.go", packages: sessionTests,
		old: "\t\tfor _, s := range c.shards[i].all() {\n\t\t\ts.checked.Store(0)\n\t\t}", new: "\t\t_ = i",
	}, {
		name: "a failed watch is not resumed", file: "internal/session/watch.go", packages: sessionTests,
		old: "for m.Ctx.Err() == nil {", new: "for range 1 {",
	}, {
		name: "a busy session is loaded twice", file: "internal/session/manager.go", packages: sessionTests,
		old: "if s := m.busy(digest); s != nil &&", new: "if s := m.busy(digest); false &&",
	}, {
		name: "a busy session is used unconfirmed", file: "internal/session/manager.go", packages: sessionTests,
		old: "\t\ts.checked.Store(0)\n\t\tm.Cache.add(s)\n\t\treturn m.confirm(ctx, s, now, lists)", new: "\t\tm.Cache.add(s)\n\t\treturn s, nil",
	}, {
		name: "an id of one kind opens another", file: "internal/session/record.go", packages: sessionTests,
		old: "if !data.is(kind) {", new: "if false {",
	}, {
		name: "a logout ends here although the store failed", file: "internal/session/end.go", packages: sessionTests,
		old: "\tif err := m.store.Delete(ctx, s.Key()); err != nil {\n\t\tif tell {", new: "\tm.forget(s)\n\tif err := m.store.Delete(ctx, s.Key()); err != nil {\n\t\tif tell {",
	}, {
		name: "a logout ends with its client", file: "internal/session/end.go", packages: sessionTests,
		old: "context.WithTimeout(context.WithoutCancel(ctx), StoreTimeout)\n\tdefer cancel()\n\t// A refresh", new: "context.WithTimeout(ctx, StoreTimeout)\n\tdefer cancel()\n\t// A refresh",
	}, {
		name: "a logout that failed is told of", file: "internal/session/end.go", packages: sessionTests,
		old: "\t\tif tell {\n\t\t\ts.end(toldEnd)\n\t\t}\n\t\treturn false, fmt.Errorf(\"deleting the session: %w\", err)", new: "\t\treturn false, fmt.Errorf(\"deleting the session: %w\", err)",
	}, {
		name: "a logout is undone by a reading under way", file: "internal/session/end.go", packages: sessionTests,
		old: "\tm.Cache.invalidate(s.digest)\n\tm.Cache.remove(s.ID, s.kind)\n}", new: "\tm.Cache.remove(s.ID, s.kind)\n}",
	}, {
		name: "other sets of sessions hear nothing of a change", file: "internal/session/store.go", packages: sessionTests,
		old: "if m != by && (by == nil || m.Namespace == by.Namespace) {", new: "if false {",
	}, {
		name: "the monotonic clock does not count", file: "internal/session/revalidate.go", packages: sessionTests,
		old: "age = max(age, int64(mono/time.Second))", new: "_ = mono",
	}, {
		name: "an unconfirmed session is trusted for ever", file: "internal/session/revalidate.go", packages: sessionTests,
		old: "\tcase age < 2*int64(revalidateAfter/time.Second):\n\t\treturn trustForNow\n\t}\n\treturn trustNot", new: "\t}\n\treturn trustForNow",
	}, {
		name: "a save overwrites a newer token", file: "internal/session/session.go", packages: sessionTests,
		old: "case !sameToken(stored, old):\n\t\t\t\treturn stored, nil\n", new: "",
	}, {
		name: "a conflict ends the save", file: "internal/session/session.go", packages: sessionTests,
		old: "case !errors.Is(err, tokenstore.ErrConflict):", new: "default:",
	}, {
		name: "a record that holds a newer token is deleted", file: "internal/session/session.go", packages: sessionTests,
		old: "case err == nil && !sameToken(stored, t):", new: "case err == nil && false && sameToken(stored, t):",
	}, {
		name: "a refresh keeps its slot", file: "internal/session/limits.go", packages: sessionTests,
		old: "\tdefer l.owner.endRefresh()\n", new: "",
	}, {
		name: "a lease that is not given keeps its slot", file: "internal/session/session.go", packages: sessionTests,
		old: "\t\ts.owner.endRefresh()\n\t\treturn nil, err", new: "\t\treturn nil, err",
	}, {
		name: "a save that worked counts as pending", file: "internal/session/session.go", packages: sessionTests,
		old: "\t\ts.owner.PendingSaves.Add(-1)", new: "",
	}, {
		name: "refreshes go on although none can be saved", file: "internal/session/limits.go", packages: sessionTests,
		old: "if m.PendingSaves.Load() >= maxPendingSaves {", new: "if false {",
	}, {
		name: "readings have no limit", file: "internal/session/limits.go", packages: sessionTests,
		old: "if m.waitingLoads.Add(1) > maxWaitingLoads {", new: "if m.waitingLoads.Add(1); false {",
	}, {
		name: "the last use is never saved", file: "internal/session/background.go", packages: sessionTests,
		old: "if now-s.savedSeen.Load() < every {", new: "if _ = every; true {",
	}, {
		name: "the last use elsewhere is not heard of", file: "internal/session/session.go", packages: sessionTests,
		old: "\traise(&s.LastSeen, data.LastSeen.Unix())\n\traise(&s.savedSeen", new: "\traise(&s.savedSeen",
	}, {
		name: "work begins after the end", file: "internal/session/background.go", packages: sessionTests,
		old: "\tif m.closed {\n\t\treturn false\n\t}\n", new: "",
	}, {
		name: "stopping waits for an event handler for ever", file: "internal/session/manager.go", packages: sessionTests,
		old: "case <-time.After(stopTimeout):", new: "case <-make(chan time.Time):",
	}, {
		name: "an operator's end is undone by a reading under way", file: "internal/session/registry.go", packages: sessionTests,
		old: "\t\tm.Cache.invalidate(digest)\n\t\tm.followers.tell(digest)\n", new: "\t\tm.followers.tell(digest)\n",
	},
}
