package links_test

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// member is what precedes the value of a member for URLs.
var member = regexp.MustCompile(`[{, \t\r\n]"(href|next|previous|track_href|analysis_url)"[ \t\r\n]*:[ \t\r\n]*$`)

// naive is the rule for any bytes, JSON or not: the prefix is replaced after
// the name of a member for URLs, a colon and a quote.
func naive(doc, from, to string) string {
	var out strings.Builder
	for i := 0; i < len(doc); i++ {
		out.WriteByte(doc[i])
		if doc[i] != '"' || !member.MatchString(doc[max(0, i-64):i]) {
			continue
		}
		for _, slash := range []string{"/", `\/`} {
			if f := strings.ReplaceAll(from, "/", slash); strings.HasPrefix(doc[i+1:], f) {
				out.WriteString(strings.ReplaceAll(to, "/", slash))
				i += len(f)
				break
			}
		}
	}
	return out.String()
}

func FuzzReader(f *testing.F) {
	f.Add(`{"href":"`+api+`me"}`, uint64(1))
	f.Add(`["\\",{"next" : "`+strings.ReplaceAll(api, "/", `\/`)+`"}]`, uint64(2))
	f.Add(`{"name":"`+api+`me/player/next","\"href":"`+api+`","description":"{\"href\":\"`+api+`\"}"}`, uint64(3))
	f.Add(`{"track_href":`+strings.Repeat(" ", 60)+`"`+api+`","analysis_url":"`+api+`"}`, uint64(4))
	rw := links.New(api, proxy)
	f.Fuzz(func(t *testing.T, doc string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		got, err := drain(r, rw.Reader(chunked(r, doc, io.EOF)))
		if want := naive(doc, api, proxy); got != want || !errors.Is(err, io.EOF) {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		if json.Valid([]byte(doc)) {
			if want := reference(doc, api, proxy); got != want {
				t.Fatalf("got %q; as JSON it should be %q", got, want)
			}
		}
	})
}
