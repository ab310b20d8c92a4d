package upstream

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/reason"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

const forbidden = `{"error":{"status":403,"message":"Forbidden"}}`

// inDevelopment is an API in development mode: what is withdrawn is refused with a
// status, and serve has the rest.
func inDevelopment(status int, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if op, _ := webapi.Lookup(r.Method, r.URL.Path); op.Change != nil {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, forbidden)
			return
		}
		serve(w, r)
	}
}

// lines are the requests that the API got.
func (r *rig) lines() []string {
	var lines []string
	for _, req := range r.requests() {
		lines = append(lines, req.Method+" "+req.URL.RequestURI())
	}
	return lines
}

// translating is a rig that translates.
func translating(t *testing.T, api http.HandlerFunc, edits ...func(*rigOptions)) *rig {
	t.Helper()
	r := newRig(t, recording(api), edits...)
	r.ex.Site.Forms = NewForms()
	return r
}

// The old form is tried first, then the new one, and from then on the new one alone,
// for a day.
//
// T01, T03, T04
func TestTranslationIsLearned(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusGone} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			clock := fakeclock.New(time.Now())
			clock.Install(t)
			r := translating(t, inDevelopment(status, func(w http.ResponseWriter, req *http.Request) {
				base := "http://" + req.Host
				w.Header().Set("ETag", `"new"`)
				fmt.Fprintf(w, `{"href":"%[1]s/v1/playlists/p/items?offset=0&limit=1","items":[{"item":{"href":"%[1]s/v1/tracks/t"}}],"next":"%[1]s/v1/playlists/p/items?offset=1&limit=1"}`, base)
			}))
			get := func() {
				t.Helper()
				res, body := r.do(r.request("GET", "/v1/playlists/p/tracks?limit=1", nil))
				want := `{"href":"http://127.0.0.1:8080/spotify/v1/playlists/p/tracks?offset=0&limit=1","items":[{"item":{"href":"http://127.0.0.1:8080/spotify/v1/tracks/t"},"track":{"href":"http://127.0.0.1:8080/spotify/v1/tracks/t"}}],"next":"http://127.0.0.1:8080/spotify/v1/playlists/p/tracks?offset=1&limit=1"}`
				if res.StatusCode != 200 || body != want || res.ContentLength != int64(len(body)) {
					t.Errorf("%d %s (%d bytes), want %s", res.StatusCode, body, res.ContentLength, want)
				}
				if got := res.Header.Get(TranslatedHeader); got != "GET /playlists/{playlist_id}/items" {
					t.Errorf("%s: %q", TranslatedHeader, got)
				}
				if res.Header.Get("Deprecation") == "" || res.Header.Get("ETag") != "" || res.Header.Get(reason.Header) != "" {
					t.Errorf("headers %v", res.Header)
				}
			}
			oldForm, newForm := "GET /v1/playlists/p/tracks?limit=1", "GET /v1/playlists/p/items?limit=1"
			get()
			get()
			get()
			clock.Advance(withdrawnFor)
			get()
			get()
			if got, want := r.lines(), []string{oldForm, newForm, newForm, newForm, oldForm, newForm, newForm}; !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

// What may be meant otherwise is not taken for a withdrawal, and what the new form is
// refused as well comes as it was refused first.
//
// T01
func TestFirstRefusal(t *testing.T) {
	const path = "/v1/playlists/p/tracks"
	for _, tc := range []struct {
		name        string
		status      int
		contentType string
		body        string
		newStatus   int // of the new form; 0 if it must not be sent
	}{
		{"no scope", 403, "application/json", `{"error":{"status":403,"message":"Insufficient client scope"}}`, 0},
		{"not on the list", 403, "text/plain", `User not registered in the Developer Dashboard`, 0},
		{"no Premium", 403, "text/plain", `Active premium subscription required for the owner of the app.`, 0},
		{"a gateway's page", 403, "text/html; charset=utf-8", `<html>Forbidden</html>`, 0},
		{"a bad request", 400, "application/json", `{"error":{"status":400,"message":"Invalid limit"}}`, 0},
		{"an outage", 503, "text/html", `<html>`, 0},
		{"too many requests", 429, "application/json", `{"error":{"status":429,"message":"Too many requests"}}`, 0},
		{"forbidden in both", 403, "application/json", forbidden, 403},
		{"not found in either", 404, "application/json", `{"error":{"status":404,"message":"Not found."}}`, 404},
		{"a bad request in the new form", 403, "application/json", forbidden, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := translating(t, func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("X-First", "1")
				if strings.HasSuffix(req.URL.Path, "/items") {
					w.Header().Del("X-First")
					w.WriteHeader(tc.newStatus)
					_, _ = io.WriteString(w, "second")
					return
				}
				w.Header().Set("Content-Type", tc.contentType)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			res, body := r.do(r.request("GET", path, nil))
			if res.StatusCode != tc.status || body != tc.body || res.Header.Get("X-First") == "" {
				t.Errorf("%d %q, want the first refusal, %d %q", res.StatusCode, body, tc.status, tc.body)
			}
			if res.Header.Get(TranslatedHeader) != "" {
				t.Error("said to be translated")
			}
			want := []string{"GET " + path}
			if tc.newStatus != 0 {
				want = append(want, "GET /v1/playlists/p/items")
			}
			if got := r.lines(); !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

// An app that has the old forms keeps them, byte for byte, and a refusal is then no
// sign of a withdrawal.
//
// T01, T04
func TestExtendedAppIsLeftAlone(t *testing.T) {
	clock := fakeclock.New(time.Now())
	clock.Install(t)
	const page = `{"items":[{"item":1}],"href":"x/playlists/p/items"}`
	foreign := false
	r := translating(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if foreign {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, forbidden)
			return
		}
		_, _ = io.WriteString(w, page)
	})
	for _, target := range []string{"/v1/playlists/p/tracks", "/v1/search?q=a&type=playlist&limit=50", "/v1/playlists/p", "/v1/me/playlists", "/v1/playlists/p?fields=tracks.total"} {
		res, body := r.do(r.request("GET", target, nil))
		if body != page || res.Header.Get(TranslatedHeader) != "" {
			t.Errorf("%s: %s", target, body)
		}
	}
	foreign = true
	before := len(r.requests())
	for range 3 {
		if res, body := r.do(r.request("GET", "/v1/playlists/p/tracks", nil)); res.StatusCode != http.StatusForbidden || body != forbidden {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	if got := len(r.requests()) - before; got != 3 {
		t.Errorf("3 requests for somebody else's playlist were %d", got)
	}
	clock.Advance(currentFor + time.Second)
	r.do(r.request("GET", "/v1/playlists/p/tracks", nil))
	if got := len(r.requests()) - before; got != 5 {
		t.Errorf("after an hour without success the new form is not tried: %d", got)
	}
}

// Changes are sent in the new form with all they say, and what comes back is what the
// old form had.
//
// T02, T03, T04
func TestTranslatedChanges(t *testing.T) {
	for _, tc := range []struct {
		request, body string
		want          string // the request in the new form, and its body
		status        int
	}{
		{"PUT /v1/me/tracks", `{"ids":["a","b"]}`, "PUT /v1/me/library?uris=spotify%3Atrack%3Aa%2Cspotify%3Atrack%3Ab ", 200},
		{"PUT /v1/me/following?type=artist&ids=a", ``, "PUT /v1/me/library?uris=spotify%3Aartist%3Aa ", 204},
		{"DELETE /v1/playlists/p/followers", ``, "DELETE /v1/me/library?uris=spotify%3Aplaylist%3Ap ", 200},
		{"DELETE /v1/playlists/p/tracks", `{"tracks":[{"uri":"u"}]}`, `DELETE /v1/playlists/p/items {"items":[{"uri":"u"}]}`, 202},
		{"POST /v1/playlists/p/tracks", `{"uris":["u"]}`, `POST /v1/playlists/p/items {"uris":["u"]}`, 202},
	} {
		for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusAccepted} {
			r := translating(t, inDevelopment(http.StatusForbidden, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					_, _ = io.WriteString(w, `{"snapshot_id":"s"}`)
				}
			}))
			method, target, _ := strings.Cut(tc.request, " ")
			req := r.request(method, target, strings.NewReader(tc.body))
			if tc.body == "" {
				req = r.request(method, target, http.NoBody)
			}
			req.Header.Set("Content-Type", "application/json")
			r.ex.Header = req.Header.Clone()
			res, body := r.do(req)
			wantStatus, wantBody := tc.status, ""
			if tc.status == 202 { // as it came
				wantStatus, wantBody = status, `{"snapshot_id":"s"}`
				if status == http.StatusNoContent {
					wantBody = ""
				}
			}
			if res.StatusCode != wantStatus || body != wantBody {
				t.Errorf("%s, which was responded to with %d: %d %q", tc.request, status, res.StatusCode, body)
			}
			sent := r.requests()
			if len(sent) != 2 {
				t.Errorf("%s: %d requests", tc.request, len(sent))
				continue
			}
			second := sent[1]
			if got := second.Method + " " + second.URL.RequestURI() + " " + second.body; got != tc.want {
				t.Errorf("%s: sent %s, want %s", tc.request, got, tc.want)
			}
			if second.body == "" && (second.Header.Get("Content-Type") != "" || second.ContentLength != 0) {
				t.Errorf("%s: sent without a body as %q of %d bytes", tc.request, second.Header.Get("Content-Type"), second.ContentLength)
			}
			if got := second.Header.Get("Authorization"); got != "Bearer token-1" {
				t.Errorf("%s: sent with %q", tc.request, got)
			}
		}
	}
}

// A body that is not kept cannot be sent twice, and is not translated.
//
// T04
func TestTranslationNeedsTheBody(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, ok), func(o *rigOptions) { o.ReplayBody = 0 })
	res, body := r.do(r.request("PUT", "/v1/me/tracks", strings.NewReader(`{"ids":["a"]}`)))
	if res.StatusCode != http.StatusForbidden || body != forbidden || len(r.requests()) != 1 {
		t.Errorf("%d %s after %d requests", res.StatusCode, body, len(r.requests()))
	}
}

// The site's rules hold for what is sent as well.
//
// T03
func TestTranslationKeepsToTheRules(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, ok))
	r.ex.Site.Allow = []webapi.Rule{{Paths: []string{"/v1/me/tracks"}}}
	for range 2 {
		res, body := r.do(r.request("PUT", "/v1/me/tracks?ids=a", nil))
		if res.StatusCode != http.StatusForbidden || body != forbidden {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	if got := r.lines(); slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "library") }) {
		t.Errorf("sent %q, which is not allowed", got)
	}
}

// A search for more than the app may have gets what it may.
//
// T01, T02, T04
func TestTranslatedSearch(t *testing.T) {
	r := translating(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if limit := req.URL.Query().Get("limit"); len(limit) > 1 && limit != "10" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"status":400,"message":"Invalid limit"}}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	for target, want := range map[string]string{"q=a&limit=50": "GET /search", "q=a&limit=20": "GET /search", "q=a&limit=10": "", "q=a": ""} {
		res, body := r.do(r.request("GET", "/v1/search?"+target, nil))
		if res.StatusCode != http.StatusOK || body != `{}` || res.Header.Get(TranslatedHeader) != want {
			t.Errorf("%s: %d %s, %q", target, res.StatusCode, body, res.Header.Get(TranslatedHeader))
		}
	}
	if n := len(r.requests()); n != 5 {
		t.Errorf("4 searches were %d requests", n)
	}
	if res, _ := r.do(r.request("GET", "/v1/search?q=a&limit=51", nil)); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a limit that was never allowed: %d", res.StatusCode)
	}
}

// translate off
//
// T01
func TestTranslationOff(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, ok), func(o *rigOptions) { o.KeepForms = true })
	res, body := r.do(r.request("GET", "/v1/playlists/p/tracks", nil))
	if res.StatusCode != http.StatusForbidden || body != forbidden || len(r.requests()) != 1 {
		t.Errorf("%d %s after %d requests", res.StatusCode, body, len(r.requests()))
	}
}

// A 401 in the middle is refreshed as any other.
func TestTranslationAfterRefresh(t *testing.T) {
	r := translating(t, unlessToken("token-2", inDevelopment(http.StatusForbidden, ok)))
	res, _ := r.do(r.request("PUT", "/v1/me/tracks?ids=a", nil))
	if res.StatusCode != http.StatusOK || len(r.requests()) != 3 || r.refreshes.Load() != 1 {
		t.Errorf("%d after %d requests and %d refreshes", res.StatusCode, len(r.requests()), r.refreshes.Load())
	}
}

// With the option, playlists get their old members for everybody, once, and only where
// they are missing.
//
// T01, T03
func TestOldPlaylists(t *testing.T) {
	playlist := `{"id":"p","items":{"total":1,"items":[{"item":1}]}}`
	r := translating(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"a"`)
		if req.Header.Get("If-None-Match") != "" || req.Header.Get("Range") != "" {
			t.Error("asked for something other than the whole")
		}
		_, _ = io.WriteString(w, playlist)
	}, func(o *rigOptions) { o.OldPlaylists, o.KeepLinks = true, true })
	req := r.request("GET", "/v1/playlists/p", nil)
	req.Header.Set("If-None-Match", `"a"`)
	req.Header.Set("Range", "bytes=0-9")
	res, body := r.do(req)
	if want := `{"id":"p","items":{"total":1,"items":[{"item":1}]},"tracks":{"total":1,"items":[{"item":1,"track":1}]}}`; body != want ||
		res.Header.Get("ETag") != "" || res.Header.Get(TranslatedHeader) != "GET /playlists/{playlist_id}" {
		t.Errorf("%s, %v, want %s", body, res.Header, want)
	}
	playlist = `{"id":"p","tracks":{"total":1}}`
	res, body = r.do(r.request("GET", "/v1/playlists/p", nil))
	if body != playlist || res.Header.Get("ETag") == "" || res.Header.Get(TranslatedHeader) != "" {
		t.Errorf("%s, %v", body, res.Header)
	}
	// Too long for this: it passes as it came.
	playlist = `{"items":{"total":1},"name":"` + strings.Repeat("n", maxOldForm) + `"}`
	if _, body = r.do(r.request("GET", "/v1/playlists/p", nil)); body != playlist {
		t.Errorf("a long playlist: %d bytes of %d", len(body), len(playlist))
	}
	// All of the memory has been given back.
	if !oldFormMemory.TryAcquire(oldFormBudget) {
		t.Fatal("memory is still taken")
	}
	playlist = `{"items":{"total":1}}`
	_, body = r.do(r.request("GET", "/v1/playlists/p", nil))
	oldFormMemory.Release(oldFormBudget)
	if body != playlist {
		t.Errorf("without memory: %s", body)
	}
}

// The name of a member is proof, but only of the client: what it asks for is translated
// where the app is known to lack the old forms.
//
// T01, T03
func TestFieldsNameTracks(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, `{"items":{"total":1}}`)
	}))
	const target = "/v1/playlists/p?fields=tracks.total"
	r.do(r.request("GET", target, nil))
	r.do(r.request("PUT", "/v1/me/tracks?ids=a", nil))
	_, body := r.do(r.request("GET", target, nil))
	if want := `{"items":{"total":1},"tracks":{"total":1}}`; body != want {
		t.Errorf("%s, want %s", body, want)
	}
	lines := r.lines()
	if lines[0] != "GET "+target || lines[len(lines)-1] != "GET /v1/playlists/p?fields=items.total" {
		t.Errorf("sent %q", lines)
	}
}

// A response that breaks off is one that breaks off in the old form, too.
func TestTranslatedResponseBreaksOff(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"items":[`)
	}))
	res, err := r.transport.RoundTrip(r.request("GET", "/v1/playlists/p/tracks", nil))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil || string(body) != `{"items":[` {
		t.Errorf("%q, %v", body, err)
	}
}

// What is made of a response is made of its text, also where clients take gzip and
// the response is not to a GET.
//
// T02
func TestTranslatedResponseIsText(t *testing.T) {
	r := translating(t, inDevelopment(http.StatusForbidden, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			_, _ = io.WriteString(z, `{"items":{"total":0}}`)
			return
		}
		_, _ = io.WriteString(w, `{"items":{"total":0}}`)
	}), func(o *rigOptions) { o.OldPlaylists = true })
	for _, method := range []string{"POST", "GET"} {
		req := r.request(method, "/v1/me/playlists", strings.NewReader(`{}`))
		if method == "GET" {
			req = r.request(method, "/v1/playlists/p", nil)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		res, body := r.do(req)
		if want := `{"items":{"total":0},"tracks":{"total":0}}`; body != want || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %q in %q, want %s", method, body, res.Header.Get("Content-Encoding"), want)
		}
	}
}
