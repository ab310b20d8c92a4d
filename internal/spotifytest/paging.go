package spotifytest

import (
	"net/url"
	"strconv"
	"strings"
)

// paging is a list with absolute links to itself and its neighbours.
type paging struct {
	Href     string  `json:"href"`
	Items    []any   `json:"items"`
	Limit    int     `json:"limit"`
	Next     *string `json:"next"`
	Offset   int     `json:"offset"`
	Previous *string `json:"previous"`
	Total    int     `json:"total"`
}

// cursorPaging is a list in which one goes on after a cursor.
type cursorPaging struct {
	Href    string   `json:"href"`
	Items   []any    `json:"items"`
	Limit   int      `json:"limit"`
	Next    *string  `json:"next"`
	Cursors *cursors `json:"cursors"`
	Total   *int     `json:"total,omitempty"`
}

type cursors struct {
	After  *string `json:"after"`
	Before *string `json:"before,omitempty"`
}

type page struct{ limit, offset int }

// page reads limit and offset.
func (c *call) page(normal, most int) (page, *apiError) {
	p := page{limit: normal}
	q := c.r.URL.Query()
	var err error
	if v := q.Get("limit"); v != "" {
		if p.limit, err = strconv.Atoi(v); err != nil || p.limit < 1 || p.limit > most {
			return p, badRequest("Invalid limit")
		}
	}
	if v := q.Get("offset"); v != "" {
		if p.offset, err = strconv.Atoi(v); err != nil || p.offset < 0 || p.offset > 100_000 {
			return p, badRequest("Invalid offset")
		}
	}
	return p, nil
}

// self is the request's own URL below the API's origin, without its query.
func (c *call) self() string { return c.s.apiURL() + c.r.URL.EscapedPath() }

// again is the request's own URL with its query as it came.
func (c *call) again() string {
	if c.r.URL.RawQuery == "" {
		return c.self()
	}
	return c.self() + "?" + c.r.URL.RawQuery
}

// listPage cuts one page out of list. The query's other parameters stay in the links.
func listPage[T any](p page, href string, query url.Values, list []T, object func(T) any) paging {
	link := func(offset int) string {
		q := url.Values{}
		for name, values := range query {
			q[name] = values
		}
		q.Set("offset", strconv.Itoa(offset))
		q.Set("limit", strconv.Itoa(p.limit))
		return href + "?" + q.Encode()
	}
	out := paging{Href: link(p.offset), Limit: p.limit, Offset: p.offset, Total: len(list), Items: []any{}}
	start := min(p.offset, len(list))
	end := min(start+p.limit, len(list))
	for _, item := range list[start:end] {
		out.Items = append(out.Items, object(item))
	}
	if end < len(list) {
		next := link(end)
		out.Next = &next
	}
	if p.offset > 0 {
		previous := link(max(0, p.offset-p.limit))
		out.Previous = &previous
	}
	return out
}

// ids reads a comma-separated parameter of at most most ids.
func (c *call) ids(most int) ([]string, *apiError) {
	value := c.r.URL.Query().Get("ids")
	if value == "" {
		return nil, badRequest("Missing required field: ids")
	}
	return checkIDs(strings.Split(value, ","), most)
}

func checkIDs(list []string, most int) ([]string, *apiError) {
	if len(list) > most {
		return nil, badRequest("Too many ids requested")
	}
	for _, id := range list {
		if !base62ID(id) {
			return nil, errInvalidID
		}
	}
	return list, nil
}

// base62ID tells whether id looks like an id of Spotify's.
func base62ID(id string) bool {
	if len(id) != 22 {
		return false
	}
	for _, ch := range []byte(id) {
		if (ch < '0' || ch > '9') && (ch < 'a' || ch > 'z') && (ch < 'A' || ch > 'Z') {
			return false
		}
	}
	return true
}
