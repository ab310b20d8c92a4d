package main

// ofLogin are ways to break the login through the browser.
var ofLogin = []regression{
	{
		name: "any cookie fits any state", file: "internal/login/callback.go", packages: loginTests,
		old: "if subtle.ConstantTimeCompare([]byte(pending.nonce()), []byte(st.nonce)) != 1 {", new: "if subtle.ConstantTimeCompare([]byte(pending.nonce()), []byte(st.nonce)) > 1 {",
	}, {
		name: "a login that took too long works", file: "internal/login/callback.go", packages: loginTests,
		old: "case pending.expired(f.site.Clock.Now()):", new: "case false:",
	}, {
		name: "an answer of another issuer counts", file: "internal/login/callback.go", packages: loginTests,
		old: "if a.issuer != \"\" && a.issuer != f.issuer {", new: "if false {",
	}, {
		name: "a parameter may be named twice", file: "internal/login/callback.go", packages: loginTests,
		old: "if len(query[name]) > 1 {", new: "if len(query[name]) > 2 {",
	}, {
		name: "a code is exchanged twice", file: "internal/login/callback.go", packages: loginTests,
		old: "case first:\n", new: "case true, first:\n",
	}, {
		name: "a browser that goes away loses its code", file: "internal/login/finish.go", packages: loginTests,
		old: "context.WithTimeout(context.WithoutCancel(r.Context()), 2*f.tokens.Timeout)", new: "context.WithTimeout(r.Context(), 2*f.tokens.Timeout)",
	}, {
		name: "the session before a login lives on", file: "internal/login/finish.go", packages: loginTests,
		old: "\tf.endReplaced(ctx, r, sess)\n", new: "",
	}, {
		name: "a cookie's return path is trusted", file: "internal/login/pending.go", packages: []string{"./internal/e2e/login", "./internal/login"},
		old: "\t\tp.returnTo = browser.ReturnPath(p.returnTo)\n", new: "\t\t_ = browser.ReturnPath\n",
	}, {
		name: "a login ahead of time is completed", file: "internal/login/callback.go", packages: loginTests,
		old: "if browser.AheadOfTime(r) {", new: "if false && browser.AheadOfTime(r) {",
	}, {
		name: "a HEAD completes a login", file: "internal/login/callback.go", packages: loginTests,
		old: "if r.Method == http.MethodHead {", new: "if false {",
	}, {
		name: "exchanges have no limit", file: "internal/login/exchanges.go", packages: loginTests,
		old: "waiting: make(chan struct{}, maxWaitingExchanges)", new: "waiting: make(chan struct{}, 1<<16)",
	}, {
		name: "a cookie of a login has any size", file: "internal/login/slots.go", packages: []string{"./internal/e2e/login", "./internal/login"},
		old: "if size(name, value) > room && p.returnTo != \"\" {", new: "if false {",
	},
}

var keysTests = []string{"./internal/e2e/keys", "./internal/accesskeys"}

// ofKeys are ways to break access keys.
var ofKeys = []regression{
	{
		name: "a key may do what its terms do not allow", file: "internal/accesskeys/keys.go", packages: keysTests, run: "Key",
		old: "webapi.Allowed(k.allow, method, path) && webapi.Allowed(s.Terms().Allow, method, path)", new: "webapi.Allowed(k.allow, method, path)",
	}, {
		name: "a key may do what the site does not allow keys", file: "internal/accesskeys/keys.go", packages: keysTests, run: "Key",
		old: "webapi.Allowed(k.allow, method, path) && webapi.Allowed(s.Terms().Allow, method, path)", new: "webapi.Allowed(s.Terms().Allow, method, path)",
	}, {
		name: "an account has any number of keys", file: "internal/accesskeys/index.go", packages: keysTests, run: "Key",
		old: "if k.active(index.Keys) >= k.max {", new: "if k.active(index.Keys) < 0 {",
	}, {
		name: "a key is usable before it is listed", file: "internal/accesskeys/index.go", packages: keysTests, run: "Key",
		old: "\tif err := k.enter(ctx, acct.ID, entry); err != nil {\n\t\treturn nil, err\n\t}\n\treturn s, k.site.Sessions.Keep(ctx, s, token)",
		new: "\tif err := k.site.Sessions.Keep(ctx, s, token); err != nil {\n\t\treturn nil, err\n\t}\n\treturn s, k.enter(ctx, acct.ID, entry)",
	}, {
		name: "a key that is only being created is forgotten", file: "internal/accesskeys/index.go", packages: keysTests, run: "Key",
		old: "\t\t\tsettling = append(settling, key)\n", new: "",
	}, {
		name: "a revoked key stays listed", file: "internal/accesskeys/index.go", packages: keysTests, run: "Key",
		old: "func(i indexedKey) bool { return i.Key == key }", new: "func(i indexedKey) bool { return false && i.Key == key }",
	}, {
		name: "the keys of another site are shown", file: "internal/accesskeys/index.go", packages: []string{"./internal/e2e/keys", "./internal/e2e/attack"}, run: "Key|Site",
		old: "return i.Site == \"\" || i.Site == k.site.Base()", new: "return true || i.Site == k.site.Base()",
	}, {
		name: "the list of an account's keys is not tried again", file: "internal/session/ownerlist.go", packages: keysTests, run: "Key",
		old: "maxListConflicts = 8", new: "maxListConflicts = 1",
	},
}

var shareTests = []string{"./internal/e2e/keys", "./internal/share"}

// ofShare are ways to break what is shown of one account.
var ofShare = []regression{
	{
		name: "a failure is fetched again by each visitor", file: "internal/share/get.go", packages: shareTests, run: "Share",
		old: "cache.Outcome{Err: p, FailFor: s.fresh}", new: "cache.Outcome{Err: p}",
	}, {
		name: "a previous owner's response is kept", file: "internal/share/get.go", packages: shareTests, run: "Share",
		old: "{ s.kept.Accounts().End(everybody) }", new: "{}",
	}, {
		name: "what is stale is shown for ever", file: "internal/share/get.go", packages: shareTests, run: "Share",
		old: "Fresh: s.fresh, Stale: s.stale}", new: "Fresh: s.fresh, Stale: 1000 * s.stale}",
	}, {
		name: "what the site's cache keeps is shown as new", file: "internal/upstream/cached.go", packages: shareTests, run: "Share",
		old: "if c.ex.KeptElsewhere {", new: "if false && c.ex.KeptElsewhere {",
	}, {
		name: "what is shown stays in memory after a reload", file: "internal/share/get.go", packages: shareTests, run: "Share",
		old: "\ts.kept.Close()\n", new: "",
	}, {
		name: "the owner who connected elsewhere is not found", file: "internal/share/fetch.go", packages: shareTests, run: "Share",
		old: "if err == nil && ended(rec) {", new: "if false && ended(rec) {",
	}, {
		name: "a refusal is shown as the response", file: "internal/share/fetch.go", packages: shareTests, run: "Share",
		old: "case rec.Status >= http.StatusBadRequest:", new: "case rec.Status > 599:",
	}, {
		name: "a failure of the API is shown as the response", file: "internal/share/fetch.go", packages: shareTests, run: "Share",
		old: "case rec.Status >= http.StatusInternalServerError:", new: "case rec.Status > 599:",
	}, {
		name: "a response of any length is recorded", file: "internal/site/recorder.go", packages: []string{"./internal/site"}, run: "Recorder",
		old: "if rec.max > 0 && rec.Body.Len()+len(b) > rec.max {", new: "if false {",
	}, {
		name: "every header of the API's is shown", file: "internal/share/fetch.go", packages: shareTests, run: "Share",
		old: "\theader := make(http.Header)\n", new: "\theader := rec.Header()\n",
	}, {
		name: "a * is shared", file: "internal/share/share.go", packages: []string{"."}, run: "Share|Option|Adapt",
		old: "case strings.Contains(u.Path, \"*\"):", new: "case false:",
	},
}
