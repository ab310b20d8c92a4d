package webapi

import (
	"net/url"
	"strings"
)

// What members are called now, by the path to them in the old form.
var (
	itemsFields    = map[string]string{"items.track": "item"}
	playlistFields = map[string]string{"tracks": "items", "tracks.items.track": "item"}
)

// renameFields renames members in the parameter fields of a query, and reports whether
// there was one to rename. What is written otherwise than Spotify documents it stays
// as it is:
//
//	fields=items(added_by.id,track(name,href,album(name,href)))
func renameFields(query string, names map[string]string) (string, bool) {
	values, err := url.ParseQuery(query)
	if err != nil || len(values["fields"]) != 1 {
		return query, false
	}
	fields, ok := renameMembers(values["fields"][0], names)
	if !ok {
		return query, false
	}
	values.Set("fields", fields)
	return values.Encode(), true
}

// renameMembers renames members in a list of them.
func renameMembers(fields string, names map[string]string) (string, bool) {
	var out strings.Builder
	changed := false
	var outer []string   // what base was, for each parenthesis that is open
	base, path := "", "" // of what is in the innermost, and of what a dot leads to
	for rest := fields; rest != ""; {
		name, mark := rest, ""
		if n := strings.IndexAny(rest, ".,()"); n >= 0 {
			name, mark = rest[:n], rest[n:n+1]
		}
		rest = rest[len(name)+len(mark):]
		if name != "" {
			plain := strings.TrimLeft(name, "! ")
			path = strings.TrimPrefix(path+"."+strings.TrimSpace(plain), ".")
			if now, ok := names[path]; ok {
				changed = true
				name = name[:len(name)-len(plain)] + now
			}
		}
		out.WriteString(name)
		out.WriteString(mark)
		switch mark {
		case "(":
			outer = append(outer, base)
			base = path
		case ")":
			if len(outer) == 0 {
				return fields, false
			}
			base, outer = outer[len(outer)-1], outer[:len(outer)-1]
			path = base
		case ",":
			path = base
		}
	}
	return out.String(), changed
}
