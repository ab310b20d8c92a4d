package main

import "slices"

var browserTests = []string{"./internal/browser"}

// ofBrowser are ways to trust a request that must not be trusted.
var ofBrowser = []regression{
	{
		name: "a page of ours is executed as a template", file: "internal/page/keys.go", packages: []string{"./internal/page"},
		old: "inert(buf.Bytes())", new: "buf.Bytes()",
	}, {
		name: "a path that is no text passes", file: "internal/webapi/path.go", packages: []string{"./internal/webapi"},
		old: "|| !utf8.ValidString(u.Path)", new: "|| !utf8.ValidString(\"\")",
	}, {
		name: "another origin may change things", file: "internal/browser/guard.go", packages: attackTests, run: "Origin|CSRF|CrossSite|Foreign",
		old: "\t\t\treturn crossSite(err)\n", new: "\t\t\treturn nil\n",
	}, {
		name: "a page of the same site counts as the site's own", file: "internal/browser/guard.go", packages: attackTests, run: "Origin|CSRF|CrossSite|Foreign",
		old: "case \"same-origin\":", new: "case \"same-origin\", \"same-site\":",
	}, {
		name: "what is loaded ahead of time counts as a person's doing", file: "internal/browser/guard.go", packages: attackTests, run: "FetchMetadata",
		old: " && r.Header[\"Sec-Purpose\"] == nil && !AheadOfTime(r) {", new: " && (true || AheadOfTime(r)) {",
	}, {
		name: "an Origin counts for nothing without Fetch Metadata", file: "internal/browser/guard.go", packages: attackTests, run: "Origin|CSRF|CrossSite|Foreign",
		old: "if origin == \"\" || origin == s.Origin {", new: "if true || origin == s.Origin {",
	}, {
		name: "any page may use allow_origin's leave", file: "internal/browser/cors.go", packages: attackTests, run: "Origin|CORS|AllowOrigin",
		old: "return len(origin) == 1 && slices.Contains(s.allowedOrigins, origin[0])", new: "return len(origin) == 1 && (slices.Contains(s.allowedOrigins, origin[0]) || len(s.allowedOrigins) > 0)",
	}, {
		name: "the session's cookie goes over plain http", file: "internal/browser/guard.go", packages: attackTests, run: "HTTPS|Plain|Forwarded|Transport|Proto",
		old: "if !s.Secure || r.TLS != nil || forwardedHTTPS(r) {", new: "if true || r.TLS != nil || forwardedHTTPS(r) {",
	}, {
		name: "anybody's X-Forwarded-Proto counts", file: "internal/browser/guard.go", packages: []string{"./internal/e2e/session", "./internal/e2e/login"}, run: "HTTPS|Https|Secure|Plain",
		old: "return trusted && len(proto) == 1", new: "return (true || trusted) && len(proto) == 1",
	}, {
		name: "two cookies of one name are one", file: "internal/browser/cookie.go", packages: slices.Concat(attackTests, browserTests), run: "Cookie",
		old: "if counted++; counted > 1 {", new: "if counted = 1; false {",
	}, {
		name: "the cookie has no host prefix", file: "internal/browser/cookie.go", packages: []string{"./internal/e2e/session"}, run: "Cookie",
		old: "c.sessionName = HostPrefix + c.sessionName", new: "_ = HostPrefix",
	}, {
		name: "script reads the cookie", file: "internal/browser/cookie.go", packages: []string{"./internal/e2e/session"}, run: "Cookie",
		old: "HttpOnly: true,", new: "HttpOnly: false,",
	}, {
		name: "same_site strict is ignored", file: "internal/browser/cookie.go", packages: slices.Concat(loginTests, []string{"./internal/e2e/session"}), run: "SameSite|Strict|Cookie",
		old: "c.SameSite = http.SameSiteStrictMode", new: "_ = http.SameSiteStrictMode",
	}, {
		name: "a return path leads to another host", file: "internal/browser/returnpath.go", packages: browserTests,
		old: "strings.HasPrefix(s, \"//\") {\n\t\treturn \"/\"", new: "false {\n\t\treturn \"/\"",
	}, {
		name: "a return path is decoded once", file: "internal/browser/returnpath.go", packages: browserTests,
		old: "for range 3 {", new: "for range 1 {",
	}, {
		name: "dot segments in a return path are let through", file: "internal/browser/returnpath.go", packages: browserTests,
		old: "|| hasDotSegment(path) {", new: "{",
	}, {
		name: "the side door to the prefix is open", file: "internal/browser/prefix.go", packages: browserTests,
		old: "len(path) >= n && strings.EqualFold(path[:n], s.Prefix)", new: "len(path) >= n && path[:n] == s.Prefix",
	}, {
		name: "a sibling below a public suffix is the same site", file: "internal/browser/samesite.go", packages: browserTests,
		old: "errA == nil && errB == nil && domainA == domainB", new: "errA == nil && errB == nil && (domainA == domainB || strings.HasSuffix(a, \".github.io\"))",
	},
}

var (
	attackTests = []string{"./internal/e2e/attack"}
	loginTests  = []string{"./internal/e2e/login"}
)
