package attack_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// leakPatterns are the texts that give a secret away. They are searched for all at
// once: looking for each alone takes half a minute where there are many of them.
type leakPatterns struct {
	byHead map[[headLen]byte][]leakPattern
}

// headLen is how much of a pattern is looked up at each place of a text. All
// patterns are at least as long.
const headLen = 8

// leakPattern is a form of a secret.
type leakPattern struct {
	text       string
	what, form string
}

// add adds all forms of a secret.
func (ps *leakPatterns) add(secret, what string) error {
	if ps.byHead == nil {
		ps.byHead = make(map[[headLen]byte][]leakPattern)
	}
	for text, form := range leakForms(secret) {
		if len(text) < headLen {
			return fmt.Errorf("a %s of %d bytes, %s, is too short to be looked for", what, len(secret), form)
		}
		head := [headLen]byte([]byte(text))
		ps.byHead[head] = append(ps.byHead[head], leakPattern{text, what, form})
	}
	return nil
}

// search returns the patterns that a text contains, with their first places.
func (ps *leakPatterns) search(text string) map[leakPattern]int {
	found := make(map[leakPattern]int)
	for i, b := 0, []byte(text); i+headLen <= len(b); i++ {
		for _, p := range ps.byHead[[headLen]byte(b[i:])] {
			if _, known := found[p]; !known && strings.HasPrefix(text[i:], p.text) {
				found[p] = i
			}
		}
	}
	return found
}

// What TestNothingLeaks looks for is found in every form, wherever it is.
func TestLeaksAreFound(t *testing.T) {
	var patterns leakPatterns
	secrets := []string{"BQaaaaaaaaaaaaaaaaaaaaaa-1", "BQaaaaaaaaaaaaaaaaaaaaaa-2", "\x00\xff\x80quite another one"}
	for _, secret := range secrets {
		if err := patterns.add(secret, secret); err != nil {
			t.Fatal(err)
		}
	}
	// Some forms of a secret are the same text.
	places := func(where, text, secret string) (at []int) {
		for p, i := range patterns.search(where) {
			if p.text == text && p.what == secret {
				at = append(at, i)
			}
		}
		return at
	}
	for _, secret := range secrets {
		for text, form := range leakForms(secret) {
			for where, at := range map[string]int{text: 0, "before " + text: 7, "before " + text + " after": 7} {
				if !slices.Contains(places(where, text, secret), at) {
					t.Errorf("%q, %s, is not found in %q", secret, form, where)
				}
			}
			if len(places(text[:len(text)-1], text, secret)) > 0 {
				t.Errorf("%q, %s, is found where it is not", secret, form)
			}
		}
	}
	if patterns.add("short", "word") == nil {
		t.Error("what is too short to be found was added")
	}
}

// leakForms returns what a secret may look like, and what to call that. Half of
// one is enough to find it where it was cut short.
func leakForms(secret string) map[string]string {
	b := []byte(secret)
	decimals := strings.Trim(fmt.Sprint(b), "[]")
	var percent strings.Builder
	for _, c := range b {
		fmt.Fprintf(&percent, "%%%02X", c)
	}
	forms := map[string]string{
		secret[:len(secret)/2]:                   "its first half",
		secret[len(secret)/2:]:                   "its second half",
		hex.EncodeToString(b):                    "in hex",
		strings.ToUpper(hex.EncodeToString(b)):   "in upper-case hex",
		strings.Trim(strconv.Quote(secret), `"`): "quoted",
		url.QueryEscape(secret):                  "URL-escaped",
		percent.String():                         "all escaped",
		decimals:                                 "as bytes",
		strings.ReplaceAll(decimals, " ", ","):   "as an array",
		strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte"), "{}"): "as Go",
	}
	for offset := range 3 {
		// As part of something longer it begins at any of three places.
		padded := append(make([]byte, offset), b...)
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			forms[text[(offset*8+5)/6:len(text)-2]] = "in " + name
		}
	}
	return forms
}
