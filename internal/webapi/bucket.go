package webapi

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// Families of operations. Spotify does not publish which operations share a
// limit; those of one family are the likeliest to.
const (
	FamilyPlayer    = "player"
	FamilyLibrary   = "library"
	FamilyPlaylists = "playlists"
	FamilyCatalogue = "catalogue"
	FamilySearch    = "search"
	FamilyUsers     = "users"
	// FamilyOther is that of paths that the Web API is not known to have.
	FamilyOther = "other"
)

// Families returns every family.
func Families() []string {
	return []string{FamilyPlayer, FamilyLibrary, FamilyPlaylists, FamilyCatalogue, FamilySearch, FamilyUsers, FamilyOther}
}

// maxSegment bounds a segment in the name of an unknown operation, in bytes.
const maxSegment = 32

// Bucket returns the name of the operation that a request is for, such as "GET
// /playlists/{playlist_id}/items", and the family that it belongs to. The path is
// as for Lookup. An unknown operation is named after its method and the first two
// segments below /v1, each cut at 32 bytes, and /* after the name of a known one: it has words of the
// client's in it, as IsOperation tells. HEAD counts as GET. For a known operation Bucket
// allocates nothing. It is safe for concurrent use.
func Bucket(method, path string) (operation, family string) {
	if op, known := Lookup(method, path); known {
		return op.Bucket()
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path = strings.Trim(strings.TrimPrefix(path, Root), "/")
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ := strings.Cut(rest, "/")
	family = familyOf(path)
	operation = method + " /" + cut(first)
	if second != "" {
		operation += "/" + cut(second)
	}
	if IsOperation(operation) { // such as GET /me/player, of something unknown below it
		operation += "/*"
	}
	return operation, family
}

// Bucket returns what Bucket returns of a request for the operation, and "" if that is not
// one that the Web API is known to have.
func (o *Operation) Bucket() (operation, family string) { return o.name, o.family }

// IsOperation reports whether a name that Bucket returned is that of a known
// operation, so that nothing of a client's is in it.
func IsOperation(name string) bool {
	_, ok := names[name]
	return ok
}

// cut bounds a segment, between two characters.
func cut(segment string) string {
	if len(segment) <= maxSegment {
		return segment
	}
	end := maxSegment
	for end > 0 && !utf8.RuneStart(segment[end]) {
		end--
	}
	return segment[:end]
}

// familyOf returns the family of a path or pattern, given from its first segment
// below /v1 on.
func familyOf(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	second, rest, _ := strings.Cut(rest, "/")
	switch first {
	case "me":
		switch second {
		case "player":
			return FamilyPlayer
		case "playlists":
			return FamilyPlaylists
		case "", "top":
			return FamilyUsers
		}
		return FamilyLibrary
	case "playlists":
		return FamilyPlaylists
	case "search":
		return FamilySearch
	case "users":
		if third, _, _ := strings.Cut(rest, "/"); third == "playlists" {
			return FamilyPlaylists
		}
		return FamilyUsers
	case "albums", "artists", "audio-analysis", "audio-features", "audiobooks", "browse", "chapters", "episodes",
		"markets", "recommendations", "shows", "tracks":
		return FamilyCatalogue
	}
	return FamilyOther
}

// named gives operations their names and families.
func named(operations []Operation) []Operation {
	for i := range operations {
		op := &operations[i]
		below := strings.TrimPrefix(op.Pattern, Root)
		op.name, op.family = op.Method+" /"+below, familyOf(below)
	}
	return operations
}

// names are the names of all operations.
var names = nameSet(operations)

func nameSet(operations []Operation) map[string]struct{} {
	set := make(map[string]struct{}, len(operations))
	for i := range operations {
		set[operations[i].name] = struct{}{}
	}
	return set
}
