package links_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/links"
)

// page is JSON in the manner of Spotify's pages of tracks, of about size bytes.
func page(size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"href":"%sme/tracks?offset=0&limit=50","limit":50,"next":"%[1]sme/tracks?offset=50&limit=50","items":[`, api)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		id := fmt.Sprintf("%022d", i*7919)
		fmt.Fprintf(&b, `{"album":{"available_markets":["AR","AU","AT","BE","BO","BR","BG","CA","CL","CO","CR","CY","CZ","DK"],"external_urls":{"spotify":"https://open.spotify.com/album/%s"},"href":"%salbums/%[1]s","id":"%[1]s","images":[{"height":640,"url":"https://i.scdn.co/image/ab67616d0000b273%[1]s","width":640},{"height":300,"url":"https://i.scdn.co/image/ab67616d00001e02%[1]s","width":300}],"name":"Some Album Name","release_date":"2019-05-%02[3]d","uri":"spotify:album:%[1]s"},"duration_ms":%[4]d,"explicit":false,"external_ids":{"isrc":"USUM%08[4]d"},"href":"%[2]stracks/%[1]s","id":"%[1]s","is_local":false,"name":"A Track (Remastered)","popularity":61,"uri":"spotify:track:%[1]s"}`, id, api, i%28+1, 180000+i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{2 << 10, 100 << 10} {
		linked := page(size)
		for _, doc := range []struct {
			name string
			text []byte
		}{
			{"links", linked},
			{"escaped", []byte(strings.ReplaceAll(string(linked), "/", `\/`))},
			{"nolinks", bytes.ReplaceAll(linked, []byte("api.spotify.com"), []byte("api.example.com"))},
		} {
			run := func(name string, open func(io.ReadCloser) io.ReadCloser) {
				b.Run(fmt.Sprintf("%s/%dKB/%s", doc.name, size>>10, name), func(b *testing.B) {
					b.SetBytes(int64(len(doc.text)))
					b.ReportAllocs()
					p := make([]byte, 32<<10)
					src := &body{Reader: bytes.NewReader(nil)}
					for b.Loop() {
						src.Reader.(*bytes.Reader).Reset(doc.text)
						rd := open(src)
						for {
							if _, err := rd.Read(p); err != nil {
								if err != io.EOF {
									b.Fatal(err)
								}
								break
							}
						}
						_ = rd.Close()
					}
				})
			}
			rw := links.New(api, proxy)
			run("rewrite", rw.Reader)
			run("whole", func(src io.ReadCloser) io.ReadCloser {
				rd, _ := rw.Whole(src, int64(len(doc.text)))
				return rd
			})
			run("keep", new(links.Rewriter).Reader)
		}
	}
}
