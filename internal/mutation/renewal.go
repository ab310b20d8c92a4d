package main

var renewalTests = []string{"./internal/accesskeys"}

// ofRenewal are ways to give an access key a grant that it must not have, or to lose one.
var ofRenewal = []regression{
	{
		name: "an expired key works until it is renewed", file: "internal/session/manager.go", packages: renewalTests, run: "Renew",
		old: "if now >= s.ExpiresAt() {\n\t\tm.Cache.remove(id, kind)\n\t\treturn nil, ErrExpired", new: "if false {\n\t\treturn nil, ErrExpired",
	}, {
		name: "a renewal gives a key more scopes", file: "internal/session/renewal.go", packages: renewalTests, run: "Planted",
		old: "return !slices.ContainsFunc(of.Scopes(), func(scope string) bool { return !t.HasScope(scope) })", new: "return len(of.Scopes()) >= 0 || t == nil || slices.Contains(of.Scopes(), \"\")",
	}, {
		name: "an old grant is not tried before it is taken", file: "internal/session/renewal.go", packages: renewalTests, run: "Renew",
		old: "expiry.IsZero() || expiry.Sub(m.Clock.Now()) > 2*pkce.DefaultMargin", new: "true || expiry.IsZero()",
	}, {
		name: "a renewal that was refreshed is lost in an outage", file: "internal/session/renewal.go", packages: renewalTests, run: "Refreshed",
		old: "\t\tagain.Token = failed.token\n", new: "",
	}, {
		name: "a renewal that failed is not tried again", file: "internal/session/keylist.go", packages: renewalTests, run: "Renew",
		old: "(l.retry == 0 || now < l.retry) && ", new: "",
	}, {
		name: "a renewal that was taken goes on waiting", file: "internal/session/renewal.go", packages: renewalTests, run: "Renew",
		old: "\t\tm.settle(ctx, s, r, lists, true)\n\t\tm.countRenewal", new: "\t\tm.countRenewal",
	}, {
		name: "a grant is sealed for any key", file: "internal/accesskeys/grantseal.go", packages: renewalTests, run: "Stolen|Planted",
		old: "c.account, c.key} {", new: "c.account} {",
	}, {
		name: "a grant is sealed for any generation", file: "internal/accesskeys/grantseal.go", packages: renewalTests, run: "Stolen|Planted",
		old: "binary.BigEndian.AppendUint64(b, uint64(c.generation))", new: "binary.BigEndian.AppendUint64(b, 0)",
	}, {
		name: "the parts of what a grant is bound to run together", file: "internal/accesskeys/grantseal.go", packages: renewalTests, run: "Stolen",
		old: "\t\tb = binary.BigEndian.AppendUint32(b, uint32(len(part))) //nolint:gosec // a few hundred bytes\n", new: "",
	}, {
		name: "another account renews a key", file: "internal/accesskeys/renew.go", packages: keysTests, run: "NotRenewed",
		old: "if account != pending.Account {", new: "if account = pending.Account; false {",
	}, {
		name: "a key is renewed with more scopes", file: "internal/accesskeys/renewal.go", packages: keysTests, run: "NotRenewed",
		old: "return !slices.Contains(key.Scopes, s) }) {", new: "return false && !slices.Contains(key.Scopes, s) }) {",
	}, {
		name: "a key is renewed without a consent", file: "internal/accesskeys/renew.go", packages: keysTests, run: "NotRenewed",
		old: "ShowDialog: true, Purpose: k.renewing", new: "ShowDialog: false, Purpose: k.renewing",
	}, {
		name: "a link renews a key by itself", file: "internal/accesskeys/serve.go", packages: keysTests, run: "IsRenewed",
		old: "case rest == renewPath && r.Method == http.MethodPost:", new: "case rest == renewPath:",
	}, {
		name: "an expired key is forgotten at once", file: "internal/session/keyterms.go", packages: keysTests, run: "AfterItsEnd",
		old: "return min(life, maxGrace)", new: "return min(life, 0)",
	}, {
		name: "a key whose consent has ended by its age is deleted", file: "internal/session/renewal.go", packages: keysTests, run: "AfterTheConsent",
		old: "0)).Add(-consentEndMargin)) {", new: "0)).AddDate(0, 1, 0)) {",
	},
}
