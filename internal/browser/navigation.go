package browser

import (
	"net/http"
	"strings"
)

// WantsPageAfterForm tells a form's submission from a fetch.
func WantsPageAfterForm(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return acceptsHTML(r)
}

// WantsPage tells a person's navigation from a call by code. Browsers without
// Fetch Metadata ask for text/html when they navigate.
func WantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && acceptsHTML(r)
}

// AheadOfTime reports whether the browser asks before the person does, to have the
// response at hand or to render it unseen. A response that is an error it throws away,
// and asks again once the person goes there.
//
// https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header
func AheadOfTime(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} { // the latter two are of older browsers
		for _, v := range r.Header[name] {
			if purpose := strings.ToLower(v); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") {
				return true
			}
		}
	}
	return false
}

// InFrame reports whether a navigation is for a frame in another page.
func InFrame(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "fencedframe", "embed", "object":
		return true
	}
	return false
}

func acceptsHTML(r *http.Request) bool {
	for _, v := range r.Header["Accept"] {
		for part := range strings.SplitSeq(v, ",") {
			mediaType, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(mediaType), "text/html") {
				return true
			}
		}
	}
	return false
}
