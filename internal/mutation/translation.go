package main

var oldFormTests = []string{"./internal/oldform"}

// ofTranslation are ways to break what is made of withdrawn operations.
var ofTranslation = []regression{
	{
		name: "the new form is tried before the old was refused", file: "internal/upstream/translate.go", packages: upstreamTests, run: "Extended|Learned",
		old: "if !forms.withdrawn(form) {", new: "if false {",
	}, {
		name: "what was learned is forgotten", file: "internal/upstream/translate.go", packages: upstreamTests, run: "Learned",
		old: "if c.ex.Site.Forms.noteWithdrawn(form) {", new: "if false {",
	}, {
		name: "an app never gets a form back", file: "internal/upstream/forms.go", packages: upstreamTests, run: "Learned",
		old: "withdrawnFor = 24 * time.Hour", new: "withdrawnFor = 1 << 62",
	}, {
		name: "an app that has a form is asked in the new one, too", file: "internal/upstream/translate.go", packages: upstreamTests, run: "Extended",
		old: "case forms.current(form) || !mayBeWithdrawn(form, res):", new: "case !mayBeWithdrawn(form, res):",
	}, {
		name: "any 403 is taken for a withdrawal", file: "internal/upstream/translate.go", packages: upstreamTests, run: "FirstRefusal",
		old: "return !form.SamePath() && refusalReason(res) == reason.Forbidden && !strings.Contains(contentType, \"html\")", new: "return !form.SamePath()",
	}, {
		name: "the second refusal is passed on", file: "internal/upstream/translate.go", packages: upstreamTests, run: "FirstRefusal",
		old: "if err == nil && first != nil && isSameRefusal(res) {", new: "if false {",
	}, {
		name: "the rules do not hold for what is sent in the new form", file: "internal/upstream/translate.go", packages: upstreamTests, run: "KeepsToTheRules",
		old: "if !webapi.Allowed(c.ex.Site.Allow, in.Method, req.Path) ||", new: "if",
	}, {
		name: "an access key's rules do not hold for what is sent in the new form", file: "internal/upstream/translate.go", packages: []string{"./internal/e2e/upstream"}, run: "RulesAndScopes",
		old: "|| c.ex.Policy.Permits(c.ex.Session, in) != nil {", new: "{",
	}, {
		name: "a body that is gone is translated", file: "internal/upstream/translate.go", packages: upstreamTests, run: "NeedsTheBody",
		old: "if c.out.GetBody == nil || c.out.Header[\"Content-Encoding\"] != nil {\n\t\treturn nil, false", new: "if c.out.GetBody == nil || c.out.Header[\"Content-Encoding\"] != nil {\n\t\treturn []byte(`{\"ids\":[\"a\"]}`), true",
	}, {
		name: "paging leads to the new form", file: "internal/upstream/translate.go", packages: upstreamTests, run: "Learned",
		old: "inOldForm(c, n, form, res)", new: "inOldForm(n, n, form, res)",
	}, {
		name: "memory for members that are added is not given back", file: "internal/upstream/oldmembers.go", packages: upstreamTests, run: "OldPlaylists",
		old: "b.once.Do(func() { oldFormMemory.Release(b.held) })", new: "b.once.Do(func() {})",
	}, {
		name: "more URIs than one request takes", file: "internal/webapi/translate.go", packages: webapiTests, run: "Translate",
		old: "len(ids) > MaxURIs {", new: "len(ids) > 2*MaxURIs {",
	}, {
		name: "an ID may be anything", file: "internal/webapi/translate.go", packages: webapiTests, run: "Translate",
		old: "if !isID(id) && (kind != \"user\" || !isUserID(id)) {", new: "if false {",
	}, {
		name: "a playlist followed in private is followed openly", file: "internal/webapi/translate.go", packages: webapiTests, run: "Translate",
		old: "(terms.Public == nil || *terms.Public)", new: "true",
	}, {
		name: "somebody else's playlists are the user's own", file: "internal/webapi/translate.go", packages: webapiTests, run: "Translate",
		old: "return r, isCaller(segments[2])", new: "return r, true",
	}, {
		name: "a limit that was never allowed is made one", file: "internal/webapi/oldform.go", packages: webapiTests, run: "Translate",
		old: "limit > searchLimitNow && limit <= searchLimitThen", new: "limit > searchLimitNow",
	}, {
		name: "a member that is there is added again", file: "internal/oldform/oldform.go", packages: oldFormTests,
		old: "case tracks >= 0 && e.text[tracks] == '{':", new: "case false:",
	},
}
