package pkce_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whoever gets the response finds his own request in it, not the one with the
// token, whether it was sent once or twice.
func TestResponseShowsNoToken(t *testing.T) {
	for _, good := range []string{"access-0", "access-1"} {
		api := newAPI(t, good)
		req := request(t, http.MethodGet, api.URL, nil)
		resp, err := newRig().authenticator().Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %d", resp.StatusCode)
		}
		if got := resp.Request.Header.Get("Authorization"); got != "" {
			t.Errorf("the response's request has the token: %s", got)
		}
	}
}

// A request need not come from an http.Client.
func TestRequestWithoutHeader(t *testing.T) {
	api := newAPI(t, "access-0")
	req := request(t, http.MethodGet, api.URL, nil)
	req.Header = nil
	resp, err := newRig().authenticator().RoundTripper(nil).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	api.mustSee(t, "Bearer access-0")
}

// Another origin cannot have the token sent to a place of its choice by
// redirecting back.
func TestRedirectThereAndBack(t *testing.T) {
	var home *httptest.Server
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, home.URL+"/chosen", http.StatusFound)
	}))
	defer away.Close()
	home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/start" {
			http.Redirect(w, r, away.URL, http.StatusFound)
			return
		}
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s came with the token", r.URL)
		}
	}))
	defer home.Close()
	client := &http.Client{Transport: newRig().authenticator().RoundTripper(nil)}
	mustDo(t, client, request(t, http.MethodGet, home.URL+"/start", nil))
}
