package webapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// MaxURIs is how many URIs one request for /me/library takes.
	MaxURIs = 40

	searchLimitNow  = 10 // the largest limit of a search in development mode
	searchLimitThen = 50 // and otherwise
)

// Request is what a translation changes of a request.
type Request struct {
	Path  string // decoded
	Query string // encoded
	Body  []byte // nil if there is none, or if it is not known
}

// Translate returns the request that asks in the new form for what r asks in the
// old, and whether there is one. isCaller reports whether a user's id is that of
// the user whose request it is. The method stays the same.
//
// There is none if the new form cannot say the same: for more ids than it takes,
// somebody else's playlists, the time at which a track was saved, or a playlist that
// is followed in private.
func (f *OldForm) Translate(r Request, isCaller func(id string) bool) (Request, bool) {
	segments := strings.Split(strings.Trim(r.Path, "/"), "/") // v1, playlists, {id}, …
	switch f.kind {
	case sameForm:
		r.Query, _ = renameFields(r.Query, playlistFields)
		return r, true
	case searchLimit:
		start, end, _, _ := findLimit(r.Query)
		if !f.Applies(r.Query) {
			return r, false
		}
		r.Query = r.Query[:start] + strconv.Itoa(searchLimitNow) + r.Query[end:]
		return r, true
	case tracksToItem:
		return f.translateItems(r, segments[2])
	case ownPlaylists:
		r.Path = "/v1/me/playlists"
		return r, isCaller(segments[2])
	}
	return f.translateLibrary(r, segments[2], isCaller)
}

func (f *OldForm) translateItems(r Request, playlist string) (Request, bool) {
	if !isID(playlist) {
		return r, false
	}
	r.Path = "/v1/playlists/" + playlist + "/items"
	switch f.New.Method {
	case http.MethodGet:
		r.Query, _ = renameFields(r.Query, itemsFields)
	case http.MethodDelete:
		var body map[string]json.RawMessage
		if err := json.Unmarshal(r.Body, &body); err != nil || body["tracks"] == nil || body["items"] != nil {
			return r, false
		}
		body["items"] = body["tracks"]
		delete(body, "tracks")
		changed, err := json.Marshal(body)
		if err != nil {
			return r, false
		}
		r.Body = changed
	}
	return r, true
}

func (f *OldForm) translateLibrary(r Request, of string, isCaller func(id string) bool) (Request, bool) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return r, false
	}
	kind := f.uri
	var ids []string
	var ok bool
	if f.kind == followersOf {
		ids, ok = []string{of}, followsOpenly(r.Body)
		// The old form was asked about several users.
		if users := query.Get("ids"); users != "" && (len(query["ids"]) > 1 || !isCaller(users)) {
			return r, false
		}
	} else {
		ids, ok = idsOf(query, r.Body)
	}
	if kind == "" {
		kind = query.Get("type")
		ok = ok && (kind == "artist" || kind == "user")
	}
	if !ok || len(ids) == 0 || len(ids) > MaxURIs {
		return r, false
	}
	var uris strings.Builder
	uris.WriteString("uris=")
	for i, id := range ids {
		if !isID(id) && (kind != "user" || !isUserID(id)) {
			return r, false
		}
		if i > 0 {
			uris.WriteString("%2C")
		}
		uris.WriteString("spotify%3A" + kind + "%3A" + url.QueryEscape(id))
	}
	return Request{Path: f.New.Pattern, Query: uris.String()}, true
}

// idsOf returns the ids that a request names: in the query, or else in a body that is
// an array of them or an object with such an array as its only member.
func idsOf(query url.Values, body []byte) ([]string, bool) {
	if values := query["ids"]; values != nil {
		return strings.Split(values[0], ","), len(values) == 1
	}
	body = bytes.TrimSpace(body)
	var ids []string
	if bytes.HasPrefix(body, []byte("[")) {
		err := json.Unmarshal(body, &ids)
		return ids, err == nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || len(members) != 1 || members["ids"] == nil {
		return nil, false
	}
	err := json.Unmarshal(members["ids"], &ids)
	return ids, err == nil
}

// followsOpenly reports whether the body of a request that follows a playlist does not
// ask to do so in private, which the new form cannot say.
func followsOpenly(body []byte) bool {
	if len(bytes.TrimSpace(body)) == 0 {
		return true
	}
	var public bool
	if json.Unmarshal(body, &public) == nil { // as zmb3/spotify writes it
		return public
	}
	var terms struct {
		Public *bool `json:"public"`
	}
	return json.Unmarshal(body, &terms) == nil && (terms.Public == nil || *terms.Public)
}

// isID reports whether s has the alphabet of Spotify's IDs.
func isID(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isUserID reports whether s may be the id of a user, which older ones chose, within
// a URI.
func isUserID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c == 0x7f || c == ':' || c == ',' || c == '\uFFFD'
	})
}

// findLimit returns where the value of the parameter limit is in a query, and the
// value, if it is there once and a number.
func findLimit(query string) (start, end, limit int, ok bool) {
	for at := 0; at < len(query); {
		pair, _, _ := strings.Cut(query[at:], "&")
		if value, is := strings.CutPrefix(pair, "limit="); is {
			n, err := strconv.Atoi(value)
			if ok || err != nil {
				return 0, 0, 0, false
			}
			start, end, limit, ok = at+len("limit="), at+len(pair), n, true
		}
		at += len(pair) + 1
	}
	return start, end, limit, ok
}
