// Package webapi knows Spotify's Web API: its operations, the scopes they
// need, and those that Spotify has taken away.
package webapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Operation is one operation of the Web API. What it refers to is shared and
// must not be modified.
type Operation struct {
	Method  string
	Pattern string // such as "/v1/playlists/{playlist_id}/items"
	// All are scopes that must all be granted; of Any, at least one must, and
	// it depends on the object which.
	All, Any []string
	// Change says when Spotify took the operation away; nil if it is current.
	Change *Change
	// Instead is the method and pattern of the operation that replaces one that
	// is gone; empty if there is none.
	Instead string

	name, family string // what Bucket returns
	// OldForm is set if Spotify may take it in a new form only; nil otherwise.
	OldForm *OldForm
	// NewForm says that it replaces one that is gone, and is sent by clients only that
	// know of it.
	NewForm bool
}

// Change is an occasion at which Spotify took operations away, from some apps
// or all.
type Change struct {
	Announced time.Time // the day, at midnight UTC
	Source    string    // URL of Spotify's announcement
}

// Deprecation returns the value of a Deprecation header (RFC 9745).
func (c *Change) Deprecation() string {
	return "@" + strconv.FormatInt(c.Announced.Unix(), 10)
}

// Link returns the value of a Link header that names the announcement (RFC
// 9745 section 3).
func (c *Change) Link() string {
	return "<" + c.Source + `>; rel="deprecation"; type="text/html"`
}

// Missing returns the scopes that may be the reason why Spotify refused the
// operation for want of scope, given those that the user has granted. If
// Spotify's documentation has every need met, these are the others of Any. The
// result is the caller's.
func (o *Operation) Missing(granted func(scope string) bool) []string {
	missing := slices.DeleteFunc(slices.Clone(o.All), granted)
	anyLeft := slices.DeleteFunc(slices.Clone(o.Any), granted)
	if len(anyLeft) == len(o.Any) || len(missing) == 0 {
		missing = append(missing, anyLeft...)
	}
	return missing
}

// Lookup returns the operation with that method and path, such as
// "/v1/me/player", and whether there is one. The path is decoded and has no
// query; one slash at its end is ignored, as Spotify does. HEAD is looked up
// as GET. Lookup allocates nothing and is safe for concurrent use.
func Lookup(method, path string) (*Operation, bool) {
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return none, false
	}
	path = strings.TrimSuffix(path, "/")
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if ops, ok := plain[path]; ok {
		return find(ops, method)
	}
	n := root
	for more := true; more; {
		var segment string
		segment, path, more = strings.Cut(path, "/")
		if n = n.child(segment); n == nil {
			return none, false
		}
	}
	return find(n.operations, method)
}

func find(operations []*Operation, method string) (*Operation, bool) {
	for _, op := range operations {
		if op.Method == method {
			return op, true
		}
	}
	return none, false
}

var none = new(Operation)

// plain has the operations whose paths have no parameters, by path without the
// slash that it begins with. They are most of what is asked for, and found
// sooner here. No parameter stands for one of their segments, so what is found
// here would be found in the tree as well.
var plain = plainPaths(operations)

func plainPaths(operations []Operation) map[string][]*Operation {
	paths := make(map[string][]*Operation)
	for i := range operations {
		if pattern := operations[i].Pattern[1:]; !strings.Contains(pattern, "{") {
			paths[pattern] = append(paths[pattern], &operations[i])
		}
	}
	return paths
}

// node is a place in the tree of paths.
type node struct {
	literal    map[string]*node
	parameter  *node
	operations []*Operation
}

var root = tree(operations)

// tree arranges operations by the segments of their patterns.
func tree(operations []Operation) *node {
	root := new(node)
	for i := range operations {
		n := root
		for segment := range strings.SplitSeq(operations[i].Pattern[1:], "/") {
			n = n.grow(segment)
		}
		n.operations = append(n.operations, &operations[i])
	}
	return root
}

// grow returns the child for a segment of a pattern, and makes it if need be.
func (n *node) grow(segment string) *node {
	if strings.HasPrefix(segment, "{") {
		if n.parameter == nil {
			n.parameter = new(node)
		}
		return n.parameter
	}
	if n.literal == nil {
		n.literal = make(map[string]*node)
	}
	if n.literal[segment] == nil {
		n.literal[segment] = new(node)
	}
	return n.literal[segment]
}

// child returns the child for a segment of a path, or nil.
func (n *node) child(segment string) *node {
	if c := n.literal[segment]; c != nil {
		return c
	}
	if segment == "" {
		return nil
	}
	return n.parameter
}
