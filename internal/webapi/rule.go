package webapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Rule names requests for the Web API, by their methods and paths. The zero value
// covers none.
type Rule struct {
	// Methods are those it covers. None stands for all. GET includes HEAD.
	Methods []string `json:"methods,omitempty"`

	// Paths are those it covers, decoded. In place of a segment, * stands for any
	// one. As the last segment it stands for everything below, but not for the
	// path itself.
	Paths []string `json:"paths,omitempty"`
}

// apiMethods are those that the Web API has.
var apiMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// NewRule makes a rule of its words, methods first, as they are written.
func NewRule(words []string) Rule {
	paths := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "/") })
	if paths < 0 {
		paths = len(words)
	}
	return Rule{Methods: words[:paths], Paths: words[paths:]}
}

// String is how the rule is written.
func (r Rule) String() string {
	return strings.Join(append(slices.Clone(r.Methods), r.Paths...), " ")
}

// RuleError says what is wrong with a rule.
type RuleError struct {
	what    string // is wrong: "the path", or "" for a word that could be anything
	word    string // as it was written
	problem string // and what to do
}

// Error implements error. It quotes what was written.
func (e *RuleError) Error() string {
	if e.word == "" {
		return "allow: " + e.what + " " + e.problem
	}
	return "allow: " + strings.TrimPrefix(fmt.Sprintf("%s %q %s", e.what, e.word, e.problem), " ")
}

// Unquoted says the same without what was written.
func (e *RuleError) Unquoted() string { return cmp.Or(e.what, "a word") + " " + e.problem }

// Check says what is wrong with a rule, if anything is. The error is a *RuleError.
func (r Rule) Check() error {
	for _, method := range r.Methods {
		if !slices.Contains(apiMethods, method) {
			return &RuleError{"", method, fmt.Sprintf("is neither a method of the Web API nor a path: use %s, and begin paths with %s",
				strings.Join(apiMethods, ", "), Root)}
		}
	}
	if len(r.Paths) == 0 {
		return &RuleError{"a rule", "", "names no path: give one such as " + Root + "me"}
	}
	for _, path := range r.Paths {
		switch {
		case !strings.HasPrefix(path, Root):
			return &RuleError{"the path", path, "is not the Web API's: begin with " + Root + ", without the prefix of redirect_uri"}
		case strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) || strings.ContainsAny(path, `%?#{}\`) ||
			!PlainPath(&url.URL{Path: path}):
			return &RuleError{"the path", path, "is not plain: write it decoded, without a query and with single slashes"}
		}
		for segment := range strings.SplitSeq(path, "/") {
			if len(segment) > 1 && strings.Contains(segment, "*") {
				return &RuleError{"the path", path, "has a * in a segment: use * for whole segments only, and list other paths one by one"}
			}
		}
	}
	return nil
}

// Allowed reports whether rules let a request pass. The path is decoded, and
// has passed PlainPath. No rules let everything pass.
func Allowed(rules []Rule, method, path string) bool {
	if len(rules) == 0 {
		return true
	}
	// Decoding it again would make another path of it. The Web API is not known
	// to do that, but what it names is not ours to guess.
	if strings.Contains(path, "%") {
		return false
	}
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.permits(method, path) })
}

func (r Rule) permits(method, path string) bool {
	if len(r.Methods) > 0 && !slices.Contains(r.Methods, method) &&
		!(method == http.MethodHead && slices.Contains(r.Methods, http.MethodGet)) {
		return false
	}
	return slices.ContainsFunc(r.Paths, func(pattern string) bool { return covers(pattern, path) })
}

// covers reports whether a path is one of those that a pattern stands for.
func covers(pattern, path string) bool {
	for {
		want, patternRest, more := strings.Cut(pattern, "/")
		got, rest, deeper := strings.Cut(path, "/")
		switch {
		case want == "*" && !more:
			return path != ""
		case want == "*" && got == "", want != "*" && want != got, more != deeper:
			return false
		case !more:
			return true
		}
		pattern, path = patternRest, rest
	}
}

// LineError says in which line of several a rule is wrong.
type LineError struct {
	Line int // from 1
	Err  *RuleError
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Err) }

// Unwrap returns the error of the rule.
func (e *LineError) Unwrap() error { return e.Err }

// ParseRules reads rules, one a line. The error is a *LineError.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	n := 0
	for line := range strings.Lines(text) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		r := NewRule(words)
		if err, ok := errors.AsType[*RuleError](r.Check()); ok {
			return nil, &LineError{n, err}
		}
		rules = append(rules, r)
	}
	return rules, nil
}
