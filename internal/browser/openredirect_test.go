package browser

import (
	"net/url"
	"strings"
	"testing"
)

// spellings returns several hundred ways to write a path that leads elsewhere, to
// readers who decode, trim, drop or repair something of it.
func spellings() []string {
	const host = "evil.example"
	slashes := []string{
		"/", `\`, "%2f", "%2F", "%5c", "%5C", "%252f", "%255c", "%c0%af", "\u2215", "\uff0f", "\u29f8", "&#47;", "\\/", "/\\", ";/", "%00/", "%09/", "%0a/", "%0d/", "%20/", "%2e/", "%u2215",
	}
	starts := []string{"/", `\`, "", "/.", "/..", "/./", "/../", "/%2e", "/%2e%2e/", "/.%2e/", "/;/..", "/a/..", "/a/../..", "/%09", "/\t", "/\n", "/\r", "\t/", "\n/", " /", "/ ", "\x00/", "/\x00", "/\u00a0", "\ufeff/", "/\u200b", "/@", "/%40", "/:"}
	rests := []string{host, host + "/", "@" + host, "user@" + host + ":443/x", "evil%E3%80%82example", "evil\u3002example", "[::1]", "0x7f000001", "." + host}
	var all []string
	for _, start := range starts {
		for _, slash := range slashes {
			all = append(all, start+slash+rests[len(all)%len(rests)], start+slash+slash+host)
		}
	}
	for _, scheme := range []string{"https:", "http:", "HTTPS:", "javascript:", "JaVaScRiPt:", "data:text/html,", "vbscript:", "blob:", "filesystem:", "view-source:", "about:", "ftp:", "ws:", "intent:", "x-y+z.1:"} {
		for _, rest := range []string{"//" + host, host, "/" + host, `\\` + host, "///" + host, "/" + host + "@app.example.com", "alert(1)//app.example.com", "%0aalert(1)"} {
			for _, before := range []string{"", " ", "\t", "\x01", "/", "//app.example.com@", "\\"} {
				all = append(all, before+scheme+rest)
			}
			all = append(all, scheme[:2]+"\n"+scheme[2:]+rest, scheme[:len(scheme)-1]+"\t"+scheme[len(scheme)-1:]+rest)
		}
	}
	return all
}

// whatwg resolves a reference against a base as browsers do, as far as it matters
// for the origin, and returns the origin, or the scheme if there is none.
//
// https://url.spec.whatwg.org/#concept-basic-url-parser
func whatwg(ref, scheme, host string) string {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(ref)
	special := func(s string) bool {
		return s == "https" || s == "http" || s == "ws" || s == "wss" || s == "ftp"
	}
	if i := strings.IndexByte(ref, ':'); i > 0 && isScheme(ref[:i]) {
		named := strings.ToLower(ref[:i])
		rest := ref[i+1:]
		if !special(named) {
			return named + ":"
		}
		if named == scheme && !strings.HasPrefix(strings.ReplaceAll(rest, `\`, "/"), "//") {
			return scheme + "://" + host // a relative reference after all
		}
		return named + "://" + authority(strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/"))
	}
	ref = strings.ReplaceAll(ref, `\`, "/") // the base's scheme is special
	if rest, ok := strings.CutPrefix(ref, "//"); ok {
		return scheme + "://" + authority(strings.TrimLeft(rest, "/"))
	}
	return scheme + "://" + host
}

func authority(rest string) string {
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest[strings.LastIndexByte(rest, '@')+1:]
}

func isScheme(s string) bool {
	return strings.ContainsFunc(s[:1], isLetter) && !strings.ContainsFunc(s, func(r rune) bool {
		return !isLetter(r) && !strings.ContainsRune("0123456789+-.", r)
	})
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// L12: however a path is spelt, what is made of it stays on the site's origin in
// browsers, also if something in between decodes it, cleans it or writes it after
// the origin. Most spellings are not taken at all.
func TestNoSpellingLeadsElsewhere(t *testing.T) {
	for ref, want := range map[string]string{ // or the rest would prove nothing
		"/a": "https://app.example.com", "//evil.example/a": "https://evil.example", `/\evil.example`: "https://evil.example", "/\t/evil.example": "https://evil.example",
		"https:a": "https://app.example.com", "http:evil.example": "http://evil.example", "javascript:1": "javascript:", " //u@evil.example:1?x": "https://evil.example:1",
	} {
		if got := whatwg(ref, "https", "app.example.com"); got != want {
			t.Fatalf("%q resolves to %s, want %s", ref, got, want)
		}
	}
	all := spellings()
	if len(all) < 500 {
		t.Fatalf("only %d spellings", len(all))
	}
	elsewhere, taken := 0, 0
	for _, s := range all {
		if whatwg(s, "https", "app.example.com") != "https://app.example.com" {
			elsewhere++
		}
		got := ReturnPath(s)
		if got != "/" {
			taken++
		}
		for hop, read := range []func(string) string{
			func(s string) string { return s },
			unescaped,
			func(s string) string { return unescaped(unescaped(s)) },
			strings.TrimSpace,
			func(s string) string { return strings.ReplaceAll(s, "/./", "/") },
		} {
			if origin := whatwg(read(got), "https", "app.example.com"); origin != "https://app.example.com" {
				t.Errorf("%q became %q, which reading %d takes to %s", s, got, hop, origin)
			}
		}
		// As an absolute URL, by which the path must not change the host.
		u, err := url.Parse("https://app.example.com" + got)
		if err != nil || u.Host != "app.example.com" || u.User != nil {
			t.Errorf("%q after the origin: %v, %v", got, u, err)
		}
	}
	if elsewhere < 200 {
		t.Errorf("only %d of the spellings lead elsewhere by themselves", elsewhere)
	}
	if taken > len(all)/3 {
		t.Errorf("%d of %d spellings are taken", taken, len(all))
	}
}

// unescaped is what a reader makes of a path that decodes it where it can.
func unescaped(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}
