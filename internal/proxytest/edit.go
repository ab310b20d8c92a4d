package proxytest

import "net/http"

// Edit changes a request before it is sent.
type Edit func(*http.Request)

// Header returns an Edit that sets a header or, if value is empty, removes it.
func Header(name, value string) Edit {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}
