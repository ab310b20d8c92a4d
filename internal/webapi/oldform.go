package webapi

import (
	"net/http"
	"strings"
)

// OldForm is the form of an operation that clients written before February 2026
// use. Spotify took it from apps in development mode and offers the same in a new
// form. It is shared and must not be modified.
type OldForm struct {
	// Index is the form's place in OldForms.
	Index int
	// Name is the operation of the new form as operators and clients read it,
	// such as "PUT /me/library".
	Name string
	// New is the operation of the new form.
	New *Operation
	// Status is what a success has in the old form, which then has no body; 0 if
	// status and body are those of the new form.
	Status int
	// Body says where in the new form's responses members have new names.
	Body BodyShape

	kind oldKind
	uri  string // the type in the URIs of the library; "" if the query has it
}

// BodyShape says where in a response there are playlists and their items, which
// have members of new names.
type BodyShape uint8

// The shapes.
const (
	// Opaque has none of these members.
	Opaque BodyShape = iota
	// PlaylistBody is a playlist.
	PlaylistBody
	// PlaylistsBody is a page of playlists.
	PlaylistsBody
	// PlaylistItemsBody is a page of the items of a playlist.
	PlaylistItemsBody
	// SearchBody has a page of playlists as its member "playlists".
	SearchBody
)

// oldKind is how a form is translated.
type oldKind uint8

const (
	sameForm     oldKind = iota // the request is the same in both, the response is not
	searchLimit                 // the limit of a search
	tracksToItem                // /playlists/{id}/tracks to /items
	idsToLibrary                // IDs of one type to URIs in the query of /me/library
	followersOf                 // /playlists/{id}/followers to /me/library
	ownPlaylists                // /users/{id}/playlists to /me/playlists
)

// OldForms are all old forms that can be sent in a new one.
var OldForms = oldForms(operations)

// oldForms finds the forms among operations, which then know theirs.
func oldForms(operations []Operation) []*OldForm {
	byName := make(map[string]*Operation)
	for i := range operations {
		byName[operations[i].Method+" "+operations[i].Pattern] = &operations[i]
	}
	var forms []*OldForm
	for i := range operations {
		op := &operations[i]
		f, ok := formOf(op)
		if !ok {
			continue
		}
		f.New = op
		if f.kind != sameForm && f.kind != searchLimit {
			f.New = byName[op.Instead]
			// To /me/playlists clients wrote long before that.
			f.New.NewForm = f.kind != ownPlaylists
		}
		f.Index = len(forms)
		f.Name = f.New.Method + " " + strings.TrimPrefix(f.New.Pattern, "/v1")
		op.OldForm = f
		forms = append(forms, f)
	}
	return forms
}

// formOf returns what an operation of that method and pattern has of an old form. An
// operation on several ids has none, since the new form is a request for each.
func formOf(op *Operation) (f *OldForm, ok bool) {
	switch op.Method + " " + op.Pattern {
	case "GET /v1/playlists/{playlist_id}":
		return &OldForm{kind: sameForm, Body: PlaylistBody}, true
	case "POST /v1/me/playlists":
		return &OldForm{kind: sameForm, Body: PlaylistBody}, true
	case "GET /v1/me/playlists":
		return &OldForm{kind: sameForm, Body: PlaylistsBody}, true
	case "GET /v1/search":
		return &OldForm{kind: searchLimit, Body: SearchBody}, true
	case "GET /v1/playlists/{playlist_id}/tracks":
		return &OldForm{kind: tracksToItem, Body: PlaylistItemsBody}, true
	case "GET /v1/users/{user_id}/playlists":
		return &OldForm{kind: ownPlaylists, Body: PlaylistsBody}, true
	case "POST /v1/users/{user_id}/playlists":
		return &OldForm{kind: ownPlaylists, Body: PlaylistBody}, true
	}
	_, instead, _ := strings.Cut(op.Instead, " ")
	switch instead {
	case "/v1/playlists/{playlist_id}/items":
		return &OldForm{kind: tracksToItem}, true
	case "/v1/me/library", "/v1/me/library/contains":
	default:
		return nil, false
	}
	f = &OldForm{kind: idsToLibrary, uri: uriTypes[strings.TrimSuffix(op.Pattern, "/contains")]}
	if strings.HasPrefix(op.Pattern, "/v1/playlists/") {
		f.kind, f.uri = followersOf, "playlist"
	}
	if op.Method != http.MethodGet {
		f.Status = http.StatusOK
		if op.Pattern == "/v1/me/following" {
			f.Status = http.StatusNoContent
		}
	}
	return f, true
}

// uriTypes are the types of what /me/library keeps, by the pattern that had it.
var uriTypes = map[string]string{
	"/v1/me/tracks":     "track",
	"/v1/me/albums":     "album",
	"/v1/me/shows":      "show",
	"/v1/me/episodes":   "episode",
	"/v1/me/audiobooks": "audiobook",
}

// SamePath reports whether the old form and the new have the same path, so that only
// what is in them tells them apart.
func (f *OldForm) SamePath() bool { return f.kind == sameForm || f.kind == searchLimit }

// Applies reports whether a request of the operation with that query is one in the
// old form that Spotify may refuse: for a search, whether its limit is one that only
// the old form takes. It allocates nothing.
func (f *OldForm) Applies(query string) bool {
	switch f.kind {
	case sameForm:
		return false
	case searchLimit:
		_, _, limit, ok := findLimit(query)
		return ok && limit > searchLimitNow && limit <= searchLimitThen
	}
	return true
}

// NamesTracks reports whether a request for a playlist asks for its member "tracks"
// by name, as only a client of the old form does.
func (f *OldForm) NamesTracks(query string) bool {
	if f.kind != sameForm || !strings.Contains(query, "fields=") {
		return false
	}
	_, changed := renameFields(query, playlistFields)
	return changed
}
