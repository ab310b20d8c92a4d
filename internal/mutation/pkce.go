package main

var pkceTests = []string{"./pkce"}

// ofPKCE break the refresh of a token.
var ofPKCE = []regression{
	{
		name: "a token is judged by the wall clock alone", file: "pkce/authenticator.go", packages: pkceTests,
		old: "return min(time.Duration(h.expiry-wall), time.Duration(deadline)-mono)",
		new: "_, _ = deadline, mono\n\treturn time.Duration(h.expiry - wall)",
	}, {
		name: "a token is judged by the monotonic clock alone", file: "pkce/authenticator.go", packages: pkceTests,
		old: "return min(time.Duration(h.expiry-wall), time.Duration(deadline)-mono)",
		new: "_ = wall\n\treturn time.Duration(deadline) - mono",
	}, {
		name: "a clock set back prolongs a stored token", file: "pkce/authenticator.go", packages: pkceTests,
		old: "left = min(left, t.lifetime)", new: "",
	}, {
		name: "Invalidate refuses whatever is in use", file: "pkce/authenticator.go", packages: pkceTests,
		old: "h != nil && h.equal(t) {\n\t\th.deadline.Store(refused)", new: "h != nil {\n\t\th.deadline.Store(refused)",
	}, {
		name: "a valid token is not served while refreshing fails", file: "pkce/authenticator.go", packages: pkceTests,
		old: "h != nil && a.phaseOf(h) != expired {", new: "h != nil && a.phaseOf(h) == fresh {",
	}, {
		name: "an older token is adopted", file: "pkce/authenticator.go", packages: pkceTests,
		old: "h.equal(t) || t.expiry < h.expiry {", new: "h.equal(t) {",
	}, {
		name: "a token is adopted in the middle of a refresh", file: "pkce/authenticator.go", packages: pkceTests,
		old: "h == nil || a.work.busy() || h.equal(t)", new: "h == nil || h.equal(t)",
	}, {
		name: "adopting does not end the backing off", file: "pkce/authenticator.go", packages: pkceTests,
		old: "\t\ta.work.succeeded()\n\t\ta.settle()", new: "\t\ta.settle()",
	}, {
		name: "a logout leaves a pending save", file: "pkce/authenticator.go", packages: pkceTests,
		old: "\ta.dropPending()\n", new: "",
	}, {
		name: "a token refused at the tail of its refresh is handed out", file: "pkce/flight.go", packages: pkceTests,
		old: "force && looked || err == nil && h.deadline.Load() == refused", new: "force && looked",
	}, {
		name: "a forced refresh is content with a look", file: "pkce/flight.go", packages: pkceTests,
		old: "force && looked || err == nil", new: "looked && false || err == nil",
	}, {
		name: "nothing is looked up again after the lock", file: "pkce/flight.go", packages: pkceTests,
		old: "if p == fresh || p == ahead {", new: "if false {",
	}, {
		name: "a client that hangs up cancels the refresh", file: "pkce/flight.go", packages: pkceTests,
		old: "go a.run(context.WithoutCancel(ctx), f, f.early)", new: "go a.run(ctx, f, f.early)",
	}, {
		name: "a refresh that is waited for stays put off", file: "pkce/flight.go", packages: pkceTests,
		old: "\tf.waiters++\n\ta.hurry()\n", new: "\tf.waiters++\n",
	}, {
		name: "every refresh is put off", file: "pkce/flight.go", packages: pkceTests,
		old: "if f.background {\n", new: "if true {\n",
	}, {
		name: "the store is not read under the lease", file: "pkce/refresh.go", packages: pkceTests,
		old: "stored.equal(old) {\n\t\treturn old, false, err", new: "true {\n\t\treturn old, false, err",
	}, {
		name: "a late save is not awaited", file: "pkce/refresh.go", packages: pkceTests,
		old: "!adopted && afterExpiry(lease) {", new: "!adopted && false {",
	}, {
		name: "a lost lease does not stop a refresh", file: "pkce/refresh.go", packages: pkceTests,
		old: "return attempt{outcome: RefreshTemporary, err: errLeaseLost}", new: "",
	}, {
		name: "invalid_grant ends the session without another look", file: "pkce/refresh.go", packages: pkceTests,
		old: "if errors.Is(err, ErrReauthorize) {", new: "if false {",
	}, {
		name: "a newer refresh token in the store is not tried", file: "pkce/refresh.go", packages: pkceTests,
		old: "case !old.equal(refused):", new: "case false:",
	}, {
		name: "every failure ends the session", file: "pkce/refresh.go", packages: pkceTests,
		old: "case !errors.Is(err, ErrReauthorize):", new: "case false:",
	}, {
		name: "the record outlives the grant", file: "pkce/refresh.go", packages: pkceTests,
		old: "range a.mayBeStored(old) {", new: "range a.mayBeStored(old)[:0] {",
	}, {
		name: "scopes are forgotten by a refresh", file: "pkce/refresh.go", packages: pkceTests,
		old: "return next.withScope(old.scope.Value()), nil", new: "return next, nil",
	}, {
		name: "an expired token is adopted", file: "pkce/refresh.go", packages: pkceTests,
		old: "p != fresh && p != ahead {\n\t\treturn false", new: "p == -1 {\n\t\treturn false",
	}, {
		name: "the result of a refresh outlives a logout", file: "pkce/refresh.go", packages: pkceTests,
		old: "\tif a.token.Load() == nil {\n\t\treturn false\n\t}\n\ta.hold(t)\n\treturn true", new: "\ta.hold(t)\n\treturn true",
	}, {
		name: "an idle session stays pinned", file: "pkce/flight.go", packages: pkceTests,
		old: "\t\t\tp.Unpin()\n", new: "\t\t\t_ = p\n",
	}, {
		name: "a token is used before it is saved", file: "pkce/save.go", packages: pkceTests,
		old: "\tcurrent, err := a.trySave(ctx, old, next)\n\tswitch {", new: "\ta.use(next)\n\tcurrent, err := a.trySave(ctx, old, next)\n\tswitch {",
	}, {
		name: "a failed save is given up", file: "pkce/save.go", packages: pkceTests,
		old: "\tcase err != nil:\n\t\tagain = true", new: "\tcase err != nil:\n\t\tagain = false",
	}, {
		name: "a newer pending token is not saved", file: "pkce/save.go", packages: pkceTests,
		old: "case !p.next.equal(next):", new: "case false:",
	}, {
		name: "a save whose answer was lost is in the way of the next", file: "pkce/save.go", packages: pkceTests,
		old: "if err == nil && !current.equal(next) && slices.ContainsFunc(stored, current.equal) {", new: "if false {",
	}, {
		name: "a pending save does not keep the lease", file: "pkce/save.go", packages: pkceTests,
		old: "\ta.work.users++\n", new: "\ta.work.users += 0\n",
	}, {
		name: "a late release finds its work gone", file: "pkce/save.go", packages: pkceTests,
		old: "if a.work != nil && a.work.pending == p {\n\t\ta.work.pending = nil", new: "if a.work.pending == p {\n\t\ta.work.pending = nil",
	}, {
		name: "two tries of one save run at once", file: "pkce/save.go", packages: pkceTests,
		old: "if saving := p.saving; saving != nil {", new: "if saving := p.saving; saving != nil && false {",
	}, {
		name: "the wait for a late save goes on after the lease is lost", file: "pkce/lease.go", packages: pkceTests,
		old: "if !sleep(lease.Lost(), clock, lateSaveEvery) {", new: "if !sleep(nil, clock, lateSaveEvery) {",
	}, {
		name: "the wait for the lease has no end", file: "pkce/lease.go", packages: pkceTests,
		old: "context.WithTimeout(ctx, acquireTimes*a.cfg.timeout())", new: "context.WithTimeout(ctx, 1000*a.cfg.timeout())",
	}, {
		name: "the token endpoint's Retry-After is not heeded", file: "pkce/backoff.go", packages: pkceTests,
		old: "wait = max(wait, t.RetryAfter)", new: "_ = t",
	}, {
		name: "backing off has no jitter", file: "pkce/backoff.go", packages: pkceTests,
		old: "return wait + rand.N(min(wait, maxBackoff)/4+1)", new: "_ = rand.N(1)\n\treturn wait",
	}, {
		name: "backing off looks into the store at every request", file: "pkce/backoff.go", packages: pkceTests,
		old: "w.retryAt, w.lookAt = now+wait, now+lookEvery", new: "w.retryAt, w.lookAt = now+wait, now",
	}, {
		name: "a look that finds nothing is repeated at once", file: "pkce/look.go", packages: pkceTests,
		old: "w.lookAt = clock.Monotonic() + lookEvery", new: "",
	}, {
		name: "backing off does not look into the store", file: "pkce/look.go", packages: pkceTests,
		old: "case a.cfg.clock().Monotonic() < w.lookAt:", new: "case true:",
	}, {
		name: "a look falls back behind a pending save", file: "pkce/look.go", packages: pkceTests,
		old: "case a.persister == nil, w.pending != nil:", new: "case a.persister == nil:",
	}, {
		name: "a session without a store is looked for in one", file: "pkce/look.go", packages: pkceTests,
		old: "case a.persister == nil, w.pending != nil:", new: "case w.pending != nil:",
	}, {
		name: "a token endpoint's answer of 503 ends a grant", file: "pkce/tokenrequest.go", packages: pkceTests,
		old: `if tokenErr.Code != "" && (tokenErr.StatusCode == http.StatusBadRequest || tokenErr.StatusCode == http.StatusUnauthorized) {`, new: `if tokenErr.Code != "" {`,
	}, {
		name: "a redirect carries the refresh token away", file: "pkce/tokenrequest.go", packages: pkceTests,
		old: "return http.ErrUseLastResponse", new: "return nil",
	}, {
		name: "errors repeat secrets", file: "pkce/tokenrequest.go", packages: pkceTests,
		old: `s = strings.ReplaceAll(s, secret, "[redacted]")`, new: "",
	},
}
