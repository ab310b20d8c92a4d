package main

var (
	upstreamTests = []string{"./internal/upstream"}
	linksTests    = []string{"./internal/links"}
	webapiTests   = []string{"./internal/webapi"}

	ratelimitTests = []string{"./internal/ratelimit"}
)

// ofUpstream are ways to break what Spotify gets and what of its responses passes.
var ofUpstream = []regression{
	{
		name: "the rules are not asked again about the path that is sent", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "if !webapi.Allowed(ex.Site.Allow, req.Method, req.URL.Path) {", new: "if false {",
	}, {
		name: "the policy is not asked", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "if p := ex.Policy.Permits(ex.Session, req); p != nil {", new: "if p := ex.Policy.Permits(ex.Session, req); false {",
	}, {
		name: "a token goes wherever reverse_proxy says", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "case !t.api.leadsTo(req, t.proxyProtocol):", new: "case false:",
	}, {
		name: "the address that is dialled is not looked at", file: "internal/upstream/apiorigin.go", packages: []string{"./internal/e2e/upstream"}, run: "ForeignUpstream",
		old: "if ok && !(strings.HasPrefix(upstream.Network, \"tcp\") && equalFold(upstream.Address, o.address)) {", new: "if ok && upstream.Network == \"none\" {",
	}, {
		name: "a path with encoded dots is sent", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "case !webapi.PlainPath(req.URL) || !strings.HasPrefix(req.URL.Path, webapi.Root):", new: "case !strings.HasPrefix(req.URL.Path, webapi.Root):",
	}, {
		name: "health checks are refused", file: "internal/upstream/roundtrip.go", packages: upstreamTests, run: "Health",
		old: "if !ok && isHealthCheck(ctx) {", new: "if false && isHealthCheck(ctx) {",
	}, {
		name: "a 401 is not replayed", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "res.StatusCode != http.StatusUnauthorized || t.rejected.has(token) {", new: "true {",
	}, {
		name: "a token that was refused twice is refreshed for ever", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "\t\tt.rejected.add(newer)\n", new: "",
	}, {
		name: "a refused token is kept", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "\tc.ex.Auth.Invalidate(token)\n", new: "",
	}, {
		name: "a call is replayed without its body", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "return c.out.Body == nil || c.out.Body == http.NoBody || c.out.GetBody != nil", new: "return true",
	}, {
		name: "the response before a replay is not closed", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "\tdiscard(res)\n\tout, err := c.attempt(newer)", new: "\tout, err := c.attempt(newer)",
	}, {
		name: "a discarded response is waited for", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "stop := clock.Get().AfterFunc(discardPatience, func() { _ = res.Body.Close() })", new: "stop := clock.Get().AfterFunc(discardPatience, func() {})",
	}, {
		name: "two attempts share their headers", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "out.Header = maps.Clone(c.out.Header)", new: "out.Header = c.out.Header; _ = maps.Clone[http.Header]",
	}, {
		name: "the response's request shows the token", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "\tc.res.Request = c.in\n", new: "",
	}, {
		name: "another protocol is switched to", file: "internal/upstream/roundtrip.go", packages: upstreamTests,
		old: "if res.StatusCode == http.StatusSwitchingProtocols {", new: "if false {",
	}, {
		name: "responses with a key and without are one to a cache", file: "internal/upstream/roundtrip.go", packages: []string{"./internal/e2e/keys"}, run: "AccessKey",
		old: "if vary := c.res.Header[\"Vary\"]; c.ex.Site.Keys &&", new: "if vary := c.res.Header[\"Vary\"]; false &&",
	}, {
		name: "a client's own headers pass", file: "internal/upstream/requestheaders.go", packages: upstreamTests,
		old: "if client == nil || neverPasses(name) {", new: "if client == nil {\n\t\t\tdst[name] = values\n\t\t}\n\t\tif client == nil || neverPasses(name) {",
	}, {
		name: "what the client sent passes along with what was added", file: "internal/upstream/requestheaders.go", packages: upstreamTests,
		old: "values = without(values, sent)", new: "",
	}, {
		name: "other spellings of a visitor's address pass", file: "internal/upstream/requestheaders.go", packages: upstreamTests,
		old: "if r == '_' || r == '.' {", new: "if r == ' ' {",
	}, {
		name: "a part is asked for although links are rewritten", file: "internal/upstream/requestheaders.go", packages: upstreamTests,
		old: "if !whole || !asksForPart(name) {", new: "if !asksForPart(\"\") {",
	}, {
		name: "the API sets cookies for the site", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "case \"Set-Cookie\", \"Set-Cookie2\",", new: "case \"Set-Cookie2\",",
	}, {
		name: "the API opens the site to other origins", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "return strings.HasPrefix(name, \"Access-Control-\") ||", new: "return false ||",
	}, {
		name: "a public response stays public", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "case \"public\", \"s-maxage\", \"proxy-revalidate\":", new: "case \"proxy-revalidate\":",
	}, {
		name: "private for some fields counts as private", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "return len(directive) > len(\"private\")", new: "return false",
	}, {
		name: "a quoted comma cuts a directive", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "if strings.Contains(v, `\"`) {", new: "if false {",
	}, {
		name: "responses with one cookie and another are one to a cache", file: "internal/upstream/responseheaders.go", packages: upstreamTests,
		old: "room[4] = \"Cookie\"", new: "room[4] = \"Accept\"",
	}, {
		name: "a POST is sent again by retry", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "t.retries == 0 || c.in.Method != http.MethodGet && c.in.Method != http.MethodHead ||", new: "t.retries == 0 ||",
	}, {
		name: "the waits of retry do not add up", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "\t\tpatience -= wait\n", new: "",
	}, {
		name: "retry does not wait as long as it is asked to", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "\t\t\twait = max(wait, asked)\n", new: "\t\t\t_ = asked\n",
	}, {
		name: "retry does not close what it drops", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "\t\tif res != nil {\n\t\t\tdiscard(res)\n\t\t}\n", new: "",
	}, {
		name: "the first response's reason sticks", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "\t\tc.reason = \"\"\n", new: "",
	}, {
		name: "requests are held back without limit", file: "internal/upstream/retry.go", packages: upstreamTests,
		old: "if heldBack.Add(1) > maxHeld {", new: "if heldBack.Add(1) < 0 {",
	}, {
		name: "bodies are kept without limit", file: "internal/upstream/replay.go", packages: upstreamTests,
		old: "if n == 0 || !c.memory.TryAcquire(n) {", new: "if n == 0 {",
	}, {
		name: "the memory for bodies is not given back", file: "internal/upstream/replay.go", packages: upstreamTests,
		old: "\t\tc.memory.Release(c.held)\n", new: "",
	}, {
		name: "a body that breaks off is sent as a whole", file: "internal/upstream/replay.go", packages: upstreamTests,
		old: "if err == io.EOF && int64(len(data)) < length {", new: "if false {",
	}, {
		name: "a stalled response holds its headers back", file: "internal/upstream/peek.go", packages: upstreamTests,
		old: "defer clock.Get().AfterFunc(peekPatience, func() { close(late) })()", new: "_ = clock.Get()",
	}, {
		name: "what broke a body off is lost", file: "internal/upstream/peek.go", packages: upstreamTests,
		old: "\t\treturn 0, b.err\n", new: "\t\treturn 0, io.EOF\n",
	}, {
		name: "validators stay strong over changed bytes", file: "internal/upstream/links.go", packages: []string{"./internal/upstream"}, run: "Validators",
		old: "h.Set(\"ETag\", \"W/\"+tag)", new: "_ = tag",
	}, {
		name: "a 429 closes the gate for every operation", file: "internal/upstream/gate.go", packages: []string{"./internal/e2e/upstream"}, run: "Limit|Gate|Bucket",
		old: "admission := s.Gate.Admit(account, operation, family)", new: "admission := s.Gate.Admit(account, \"GET /me\", \"users\")",
	}, {
		name: "Retry-After of zero is passed on", file: "internal/upstream/buckets.go", packages: []string{"./internal/e2e/upstream"}, run: "429",
		old: "ok && asked > 0 {", new: "ok && asked >= 0 {",
	}, {
		name: "a client's own words are in a message", file: "internal/upstream/buckets.go", packages: upstreamTests,
		old: "l.Scope == ratelimit.ScopeOperation && !webapi.IsOperation(l.Name)", new: "false && !webapi.IsOperation(l.Name)",
	}, {
		name: "a quota closes the app", file: "internal/ratelimit/refused.go", packages: ratelimitTests,
		old: "if f.left(now, wall) > 0 && f.why != reason.QuotaExceeded {", new: "if f.left(now, wall) > 0 && f.why != reason.Forbidden {",
	}, {
		name: "a family is closed though one of it was served", file: "internal/ratelimit/refused.go", packages: ratelimitTests,
		old: " || f.served >= other.refusedAt {", new: " {",
	}, {
		name: "a family is closed by two refusals however far apart", file: "internal/ratelimit/refused.go", packages: ratelimitTests,
		old: "now-other.refusedAt > familySpan ||", new: "now-other.refusedAt < 0 ||",
	}, {
		name: "a closed operation is not probed before its time", file: "internal/ratelimit/closure.go", packages: ratelimitTests,
		old: "next := min(wait, FirstProbe<<min(c.failed, 8), LastProbe)", new: "next := wait",
	}, {
		name: "probes do not become rarer", file: "internal/ratelimit/closure.go", packages: ratelimitTests,
		old: "FirstProbe<<min(c.failed, 8)", new: "FirstProbe<<min(c.failed, 0)",
	}, {
		name: "several probes go at once", file: "internal/ratelimit/closure.go", packages: ratelimitTests,
		old: "if c.probe != 0 && now-c.probeAt < probeBound {", new: "if false {",
	}, {
		name: "a family that is served stays closed", file: "internal/ratelimit/gate.go", packages: ratelimitTests,
		old: "\tif its {\n", new: "\tif its && false {\n",
	}, {
		name: "one operation keeps the app closed", file: "internal/ratelimit/gate.go", packages: ratelimitTests,
		old: "wait = max(wait, c.due(now, wall)+yield)", new: "wait = max(wait, 0)",
	}, {
		name: "the window does not close the app", file: "internal/ratelimit/refused.go", packages: ratelimitTests,
		old: "\tif !others {\n", new: "\tif true || !others {\n",
	}, {
		name: "a wait of hours is for the window", file: "internal/ratelimit/gate.go", packages: ratelimitTests,
		old: "r.wait <= shortWait", new: "r.wait >= 0",
	}, {
		name: "a response that breaks off is whole with its links rewritten", file: "internal/links/whole.go", packages: linksTests,
		old: "\t\terr = f.err\n", new: "\t\t_ = f.err\n",
	}, {
		name: "a text that looks like a link is rewritten", file: "internal/links/rewriter.go", packages: linksTests,
		old: " && isLink(text, at) {", new: " && (true || isLink(text, at)) {",
	}, {
		name: "a HEAD needs a rule of its own", file: "internal/webapi/rule.go", packages: webapiTests,
		old: "method == http.MethodHead && slices", new: "false && slices",
	}, {
		name: "a rule for below covers the path itself", file: "internal/webapi/rule.go", packages: webapiTests,
		old: "return path != \"\"", new: "return true",
	}, {
		name: "a path that is still encoded is allowed", file: "internal/webapi/rule.go", packages: webapiTests,
		old: "if strings.Contains(path, \"%\") {", new: "if false {",
	}, {
		name: "a method that is not listed is allowed", file: "internal/webapi/rule.go", packages: webapiTests,
		old: "if len(r.Methods) > 0 && !slices", new: "if len(r.Methods) > 1 && !slices",
	}, {
		name: "an encoded slash is plain", file: "internal/webapi/path.go", packages: webapiTests,
		old: "rawPath[i+2]|0x20 == 'f'", new: "rawPath[i+2] == 'f'",
	}, {
		name: "a dot segment with a parameter is plain", file: "internal/webapi/path.go", packages: webapiTests,
		old: "name, _, _ := strings.Cut(segment, \";\")", new: "name := segment",
	}, {
		name: "a backslash is plain", file: "internal/webapi/path.go", packages: webapiTests,
		old: "case c < ' ', c == '\\\\', c == 0x7f:", new: "case c < ' ', c == 0x7f:",
	}, {
		name: "a connection in advance sends a request over one that is there", file: "internal/upstream/connections.go", packages: []string{"./internal/upstream"}, run: "HandshakeSendsNoRequest",
		old: "\treq.Header.Set(\"Upgrade\", \"nothing\")\n", new: "",
	}, {
		name: "a connection in advance is opened although nobody comes", file: "internal/upstream/connections.go", packages: []string{"./internal/upstream"}, run: "NotKeptForNoVisitors",
		old: "if now-c.lastUse < stayWarm {", new: "if true || now-c.lastUse < stayWarm {",
	},
}
