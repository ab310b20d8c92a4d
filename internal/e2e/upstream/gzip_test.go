package upstream_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// ownLinks are the simulator's, which stands behind a packer.
var ownLinks = regexp.MustCompile(`"http://127\.0\.0\.1:\d+/v1/`)

// packer gzips what a Web API says as servers do by default, and remembers what
// it sent.
type packer struct {
	api       http.Handler
	streaming bool // without a length

	mu   sync.Mutex
	sent map[string][]byte // by path and query, of those who take gzip
}

func (p *packer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	gzipped := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	r.Header.Del("Accept-Encoding")
	rec := httptest.NewRecorder()
	p.api.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Header())
	w.Header().Del("Content-Length")
	body := ownLinks.ReplaceAll(rec.Body.Bytes(), []byte(`"http://`+r.Host+`/v1/`))
	if gzipped && rec.Code == http.StatusOK {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		_, _ = zw.Write(body)
		_ = zw.Close()
		body = b.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
		p.mu.Lock()
		p.sent[r.URL.RequestURI()] = body
		p.mu.Unlock()
	}
	if !p.streaming {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
	if p.streaming {
		w.(http.Flusher).Flush()
	}
}

func (p *packer) of(path string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[path]
}

// A client that takes gzip gets what Spotify sent but for the links, and hardly
// more of it, also on a site that compresses what it serves. One that does not
// gets the same text.
// P57
func TestGzippedResponses(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		t.Run(fmt.Sprintf("streaming %v", streaming), func(t *testing.T) {
			api := &packer{streaming: streaming, sent: make(map[string][]byte)}
			s := proxytest.Start(t, proxytest.Options{
				Sim:  spotifytest.Options{Mode: spotifytest.Extended},
				API:  func(simulated http.Handler) http.Handler { api.api = simulated; return api },
				Site: "encode {\n minimum_length 1\n}\nrespond / home",
			})
			b := s.NewBrowser()
			b.Login("")
			firstID := func(path string) string {
				var page struct {
					Items []struct {
						ID string `json:"id"`
					} `json:"items"`
				}
				if err := json.Unmarshal([]byte(b.WantStatus(b.Fetch("GET", "/spotify/v1"+path, ""), 200).Text), &page); err != nil || len(page.Items) == 0 {
					t.Fatalf("%s: %v, %d items", path, err, len(page.Items))
				}
				return page.Items[0].ID
			}
			artist, track, playlist := firstID("/me/top/artists"), firstID("/me/top/tracks"), firstID("/me/playlists")
			album := firstID("/artists/" + artist + "/albums")
			for _, path := range []string{
				"/me", "/me/top/artists?limit=50", "/me/top/tracks?limit=50", "/me/top/tracks?limit=1", "/me/playlists?limit=50", "/markets",
				"/artists/" + artist, "/artists/" + artist + "/albums?limit=50", "/artists/" + artist + "/top-tracks", "/albums/" + album,
				"/albums/" + album + "/tracks", "/tracks/" + track, "/playlists/" + playlist, "/playlists/" + playlist + "/tracks?limit=100",
				"/search?q=a&type=track,artist,album&limit=10",
			} {
				plain := b.WantStatus(b.Fetch("GET", "/spotify/v1"+path, "", proxytest.Header("Accept-Encoding", "identity")), 200)
				got := b.WantStatus(b.Fetch("GET", "/spotify/v1"+path, "", proxytest.Header("Accept-Encoding", "gzip, deflate, br, zstd")), 200)
				sent := api.of("/v1" + path)
				zr, err := gzip.NewReader(strings.NewReader(got.Text))
				if err != nil || !slices.Equal(got.Header["Content-Encoding"], []string{"gzip"}) {
					t.Fatalf("%s: %v, coded %q", path, err, got.Header["Content-Encoding"])
				}
				text, err := io.ReadAll(zr)
				if err != nil || string(text) != plain.Text || strings.Contains(string(text), `"href":"`+s.Sim.APIURL) {
					t.Errorf("%s: %v, %d bytes of text and %d", path, err, len(text), len(plain.Text))
				}
				ratio := float64(len(got.Text)) / float64(len(sent))
				t.Logf("%-60s %7d text %6d sent %6d passed on %.3f", path, len(text), len(sent), len(got.Text), ratio)
				if ratio > 1.1 {
					t.Errorf("%s: %d bytes became %d", path, len(sent), len(got.Text))
				}
				if linked := strings.Contains(string(text), `"href":"`+s.Origin); linked == (path == "/markets") {
					t.Errorf("%s: links rewritten: %v", path, linked)
				} else if !linked && got.Text != string(sent) {
					t.Errorf("%s: there are no links in it, and %d bytes became %d others", path, len(sent), len(got.Text))
				}
			}
		})
	}
}
