package upstream_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// page is what the Web API's paged answers have in common.
type page struct {
	Href  string            `json:"href"`
	Next  string            `json:"next"`
	Total int               `json:"total"`
	Items []json.RawMessage `json:"items"`
}

func TestPagingStaysInside(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	var lists page
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists?limit=50", ""), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), &lists); err != nil {
		t.Fatal(err)
	}
	longest := struct {
		Items struct {
			Href  string
			Total int
		}
	}{}
	for _, item := range lists.Items {
		list := longest
		if err := json.Unmarshal(item, &list); err != nil {
			t.Fatal(err)
		}
		if list.Items.Total > longest.Items.Total {
			longest = list
		}
	}
	seen := 0
	for next := longest.Items.Href; next != ""; {
		if !strings.HasPrefix(next, s.Origin+"/spotify/v1/") {
			t.Fatalf("the page leads outside: %s", next)
		}
		var p page
		if err := json.Unmarshal([]byte(b.WantStatus(b.Fetch("GET", next, ""), http.StatusOK).Text), &p); err != nil {
			t.Fatal(err)
		}
		seen += len(p.Items)
		next = p.Next
	}
	if seen < 500 || seen != longest.Items.Total {
		t.Errorf("saw %d of %d", seen, longest.Items.Total)
	}
}

func TestLinksKeep(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{Auth: "links keep"})
	b := s.NewBrowser()
	b.Login("")
	a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", ""), http.StatusOK)
	if strings.Contains(a.Text, s.Origin) || !strings.Contains(a.Text, s.Sim.APIURL+"/v1/") {
		t.Errorf("answer: %.300s", a.Text)
	}
}

// unzipped returns what is in a gzipped body.
func unzipped(t *testing.T, body string) string {
	t.Helper()
	zr, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// The answer's headers agree with its changed body.
func TestRewrittenAnswerIsWhole(t *testing.T) {
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	for name, accept := range map[string]string{"plain": "identity", "gzip": "gzip", "br": "br", "none": ""} {
		t.Run(name, func(t *testing.T) {
			a := b.WantStatus(b.Fetch("GET", "/spotify/v1/me/playlists", "", proxytest.Header("Accept-Encoding", accept)), http.StatusOK)
			if name == "gzip" {
				a.Text = unzipped(t, a.Text)
			}
			if !json.Valid([]byte(a.Text)) || strings.Contains(a.Text, s.Sim.APIURL+"/v1/") {
				t.Errorf("answer: %.300s", a.Text)
			}
			if tag := a.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
				t.Errorf("a strong ETag %s on changed bytes", tag)
			}
		})
	}
	full := b.Fetch("GET", "/spotify/v1/me", "")
	head := b.WantStatus(b.Fetch("HEAD", "/spotify/v1/me", ""), http.StatusOK)
	if head.ContentLength > 0 && head.ContentLength != int64(len(full.Text)) {
		t.Errorf("HEAD says %d bytes, GET has %d", head.ContentLength, len(full.Text))
	}
	if tag := full.Header.Get("ETag"); tag != "" {
		a := b.Fetch("GET", "/spotify/v1/me", "", proxytest.Header("If-None-Match", tag))
		if b.WantStatus(a, http.StatusNotModified); a.Text != "" {
			t.Errorf("304 with a body: %q", a.Text)
		}
	}
}

// P51: the first bytes of a long answer arrive while the rest is held back.
func TestLongAnswersStream(t *testing.T) {
	const size = 10 << 20
	s := proxytest.Start(t, proxytest.Options{})
	b := s.NewBrowser()
	b.Login("")
	long := s.Sim.Inject(spotifytest.Fault{Path: "/v1/me/top/tracks", Stream: size, Hold: true})
	req, err := http.NewRequest("GET", s.Origin+"/spotify/v1/me/top/tracks", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1<<10)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatalf("before the rest is let go: %v", err)
	}
	long.Release()
	rest, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(first, rest...)
	if len(whole) < size/2 || bytes.Contains(whole, []byte(s.Sim.APIURL+"/v1/")) || !json.Valid(whole) {
		t.Errorf("%d bytes, valid %v", len(whole), json.Valid(whole))
	}
}
