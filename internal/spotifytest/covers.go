package spotifytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// coverStyle is what a picture is of.
type coverStyle int

const (
	coverAlbum coverStyle = iota
	coverArtist
	coverPlaylist
	coverAvatar
)

// cover is a picture that is drawn when it is asked for.
type cover struct {
	style           coverStyle
	seed            string
	title, subtitle string
}

// coverSizes are the edge lengths that Spotify offers, in pixels.
var coverSizes = []int{640, 300, 64}

// id is the picture's name without its size.
func (c cover) id() string {
	sum := sha256.Sum256([]byte(c.seed))
	return hex.EncodeToString(sum[:18])
}

// palettes are a dark ground, a lighter ground, two accents and a light ink.
var palettes = [][5]string{
	{"#0b2545", "#13678a", "#f4a259", "#ee6c4d", "#fdf6e3"},
	{"#2b1b3d", "#8a3a67", "#f2a65a", "#eec170", "#fff1e6"},
	{"#10302a", "#2a9d8f", "#e9c46a", "#f4a261", "#f7f3e3"},
	{"#1d1a31", "#4d2d73", "#c9379d", "#f5a6e6", "#faf0ff"},
	{"#281c2d", "#695e93", "#8155ba", "#beafc2", "#f6f1fb"},
	{"#3d1308", "#a63d40", "#e9b872", "#90a959", "#fff4e0"},
	{"#0d1b2a", "#415a77", "#e0b1cb", "#be95c4", "#f1ecf6"},
	{"#12355b", "#420039", "#d72638", "#ff7f51", "#fff0ea"},
	{"#0f2f24", "#386641", "#a7c957", "#f2e8cf", "#fbfaf0"},
	{"#1b1b3a", "#693668", "#a74482", "#f84aa7", "#ffe9f4"},
	{"#16324f", "#2a628f", "#ffc857", "#e9724c", "#fefae8"},
	{"#22223b", "#4a4e69", "#c9ada7", "#f2e9e4", "#ffffff"},
	{"#33202a", "#7a4b57", "#e8c1a0", "#cf8e80", "#fdf3ea"},
	{"#05323b", "#0f7173", "#f05d5e", "#e7ecef", "#f5f9fa"},
	{"#2d2a32", "#6b4e71", "#ddd92a", "#eae151", "#fafdf6"},
	{"#1a1423", "#3d314a", "#96705b", "#ab8476", "#f3e9e2"},
}

// draw renders the picture as SVG with edges of size pixels.
func (c cover) draw(size int) string {
	rng := seeded(c.seed)
	p := palettes[rng.IntN(len(palettes))]
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 640 640" role="img"><title>%s</title>`,
		size, size, html.EscapeString(c.title))
	angle := rng.IntN(360)
	fmt.Fprintf(&b, `<defs><linearGradient id="g" gradientTransform="rotate(%d .5 .5)"><stop stop-color="%s"/><stop offset="1" stop-color="%s"/></linearGradient>`+
		`<radialGradient id="v" r=".85"><stop offset=".55" stop-opacity="0"/><stop offset="1" stop-opacity=".38"/></radialGradient></defs>`+
		`<rect width="640" height="640" fill="url(#g)"/>`, angle, p[0], p[1])
	switch c.style {
	case coverArtist:
		drawPortrait(&b, rng, p)
	case coverAvatar:
		fmt.Fprintf(&b, `<circle cx="520" cy="110" r="230" fill="%s" opacity=".55"/><circle cx="90" cy="600" r="260" fill="%s" opacity=".35"/>`, p[2], p[3])
		fmt.Fprintf(&b, `<text x="320" y="330" text-anchor="middle" dominant-baseline="central" font-family="system-ui,sans-serif" font-weight="700" font-size="260" fill="%s">%s</text>`, p[4], html.EscapeString(c.subtitle))
	default:
		motifs[rng.IntN(len(motifs))](&b, rng, p)
	}
	if c.style != coverAvatar {
		b.WriteString(`<rect width="640" height="640" fill="url(#v)"/>`)
	}
	if (c.style == coverAlbum || c.style == coverPlaylist) && size > 64 {
		drawTitle(&b, c, p)
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// drawTitle sets the title in the lower left corner, in lines that fit.
func drawTitle(b *strings.Builder, c cover, p [5]string) {
	size, most := 44, 22
	if c.style == coverPlaylist {
		size, most = 64, 15
	}
	lines := wrap(c.title, most)
	y := 612 - len(lines)*size
	if c.subtitle != "" {
		y -= 44 // room for the artist
	}
	fmt.Fprintf(b, `<linearGradient id="f" x2="0" y2="1"><stop offset=".35" stop-color="%s" stop-opacity="0"/><stop offset="1" stop-color="%s" stop-opacity=".85"/></linearGradient><rect width="640" height="640" fill="url(#f)"/>`, p[0], p[0])
	fmt.Fprintf(b, `<g font-family="system-ui,'Helvetica Neue',sans-serif" fill="%s"><g font-weight="800" font-size="%d" letter-spacing="-1">`, p[4], size)
	for i, line := range lines {
		fmt.Fprintf(b, `<text x="40" y="%d">%s</text>`, y+(i+1)*size-8, html.EscapeString(line))
	}
	fmt.Fprintf(b, `</g><text x="42" y="602" font-size="28" opacity=".85">%s</text></g>`, html.EscapeString(c.subtitle))
}

// wrap breaks text between words into lines of about most characters.
func wrap(text string, most int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > most {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

type motif func(*strings.Builder, *rand.Rand, [5]string)

var motifs = []motif{drawSea, drawHills, drawRings, drawStripes, drawTiles, drawBlobs, drawOrbits, drawBars}

// drawSea is a low sun over waves.
func drawSea(b *strings.Builder, rng *rand.Rand, p [5]string) {
	fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, 170+rng.IntN(300), 190+rng.IntN(90), 95+rng.IntN(55), p[2])
	for i := range 6 {
		y := 300 + i*58
		amp, length, phase := 12.0+float64(rng.IntN(16)), 130.0+float64(rng.IntN(120)), rng.Float64()*6
		var d strings.Builder
		fmt.Fprintf(&d, "M0 640V%d", y)
		for x := 0; x <= 640; x += 16 {
			fmt.Fprintf(&d, "L%d %.0f", x, float64(y)+amp*math.Sin(float64(x)/length*math.Pi+phase))
		}
		fmt.Fprintf(b, `<path d="%sV640Z" fill="%s" opacity="%.2f"/>`, d.String(), []string{p[3], p[1], p[0]}[i%3], .45+.09*float64(i))
	}
}

// drawHills is a moon behind ridges.
func drawHills(b *strings.Builder, rng *rand.Rand, p [5]string) {
	fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, 120+rng.IntN(400), 130+rng.IntN(80), 48+rng.IntN(40), p[4])
	for i := range 5 {
		var d strings.Builder
		y := 250 + i*75
		fmt.Fprintf(&d, "M0 640V%d", y+rng.IntN(60))
		for x := 0; x < 640; x += 70 + rng.IntN(60) {
			fmt.Fprintf(&d, "L%d %d", x, y-40+rng.IntN(110))
		}
		fmt.Fprintf(b, `<path d="%sL640 %dV640Z" fill="%s" opacity="%.2f"/>`, d.String(), y+rng.IntN(50), []string{p[2], p[3], p[1], p[0], p[0]}[i], .55+.1*float64(i))
	}
}

// drawRings is circles around a point off the middle.
func drawRings(b *strings.Builder, rng *rand.Rand, p [5]string) {
	cx, cy, step := 120+rng.IntN(400), 120+rng.IntN(400), 34+rng.IntN(22)
	for i := 13; i > 0; i-- {
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, cx, cy, i*step, p[[]int{0, 1, 2, 1, 3}[i%5]])
	}
}

// drawStripes is slanted bands of uneven width.
func drawStripes(b *strings.Builder, rng *rand.Rand, p [5]string) {
	fmt.Fprintf(b, `<g transform="rotate(%d 320 320)">`, -60+rng.IntN(120))
	for x := -200; x < 840; {
		w := 14 + rng.IntN(80)
		fmt.Fprintf(b, `<rect x="%d" y="-200" width="%d" height="1040" fill="%s" opacity=".92"/>`, x, w, p[rng.IntN(4)])
		x += w + rng.IntN(14)
	}
	b.WriteString(`</g>`)
}

// drawTiles is quarter circles on a grid.
func drawTiles(b *strings.Builder, rng *rand.Rand, p [5]string) {
	for y := 0; y < 640; y += 160 {
		for x := 0; x < 640; x += 160 {
			fmt.Fprintf(b, `<g transform="rotate(%d %d %d)"><rect x="%d" y="%d" width="160" height="160" fill="%s"/>`, 90*rng.IntN(4), x+80, y+80, x, y, p[rng.IntN(2)])
			if rng.IntN(4) > 0 {
				fmt.Fprintf(b, `<path d="M%d %dh160a160 160 0 0 1-160 160z" fill="%s"/>`, x, y, p[2+rng.IntN(3)])
			} else {
				fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="48" fill="%s"/>`, x+80, y+80, p[2+rng.IntN(3)])
			}
			b.WriteString(`</g>`)
		}
	}
}

// drawBlobs is large soft discs that overlap.
func drawBlobs(b *strings.Builder, rng *rand.Rand, p [5]string) {
	b.WriteString(`<filter id="s" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="34"/></filter><g filter="url(#s)">`)
	for i := range 7 {
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s" opacity=".85"/>`, rng.IntN(640), rng.IntN(640), 90+rng.IntN(150), p[1+i%3])
	}
	b.WriteString(`</g>`)
}

// drawOrbits is tilted ellipses and the bodies on them.
func drawOrbits(b *strings.Builder, rng *rand.Rand, p [5]string) {
	fmt.Fprintf(b, `<g transform="rotate(%d 320 320)" fill="none" stroke="%s" stroke-width="3">`, rng.IntN(180), p[4])
	for i := range 6 {
		fmt.Fprintf(b, `<ellipse cx="320" cy="320" rx="%d" ry="%d" opacity=".5"/>`, 110+i*48, 44+i*30)
	}
	b.WriteString(`</g>`)
	fmt.Fprintf(b, `<circle cx="320" cy="320" r="74" fill="%s"/><circle cx="296" cy="300" r="74" fill="%s" opacity=".55"/>`, p[2], p[3])
	for range 9 {
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, rng.IntN(640), rng.IntN(640), 4+rng.IntN(17), p[2+rng.IntN(3)])
	}
}

// drawBars is the levels of an equaliser.
func drawBars(b *strings.Builder, rng *rand.Rand, p [5]string) {
	for i := range 12 {
		h := 70 + rng.IntN(360)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="30" height="%d" rx="15" fill="%s"/>`, 38+i*48, 320-h/2-30, h, p[2+i%3])
	}
}

// drawPortrait is a figure before a halo.
func drawPortrait(b *strings.Builder, rng *rand.Rand, p [5]string) {
	cx := 280 + rng.IntN(80)
	fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, cx+rng.IntN(120)-60, 250+rng.IntN(40), 190+rng.IntN(70), p[2])
	for i := range 4 {
		fmt.Fprintf(b, `<circle cx="%d" cy="290" r="%d" fill="none" stroke="%s" stroke-width="2" opacity=".3"/>`, cx, 250+i*56, p[4])
	}
	head := 84 + rng.IntN(22)
	fmt.Fprintf(b, `<path d="M%d 640c0-150 70-218 %d-218s%d 68 %d 218z" fill="%s"/>`, cx-220, 220, 220, 220, p[0])
	fmt.Fprintf(b, `<rect x="%d" y="350" width="76" height="110" rx="34" fill="%s"/>`, cx-38, p[3])
	fmt.Fprintf(b, `<ellipse cx="%d" cy="290" rx="%d" ry="%d" fill="%s"/>`, cx, head, head+22, p[3])
	// Hair: a cap that leans to one side.
	lean := rng.IntN(60) - 30
	fmt.Fprintf(b, `<path d="M%d 300c-20-120 40-170 %d-165s%d 60 %d 160c-30-70-70-100-%d-96s-90 40-%d 101z" fill="%s"/>`,
		cx-head-6, head+lean, head-lean+14, head-lean+6, head, head, p[0])
}

// avatarOf is a user's picture.
func avatarOf(u *User) cover {
	return cover{style: coverAvatar, seed: "user/" + u.ID, title: u.DisplayName, subtitle: u.initials()}
}

// avatarDataURI is the picture for a page that may load nothing.
func avatarDataURI(u *User) string {
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(avatarOf(u).draw(64)))
}

// serveImage is GET /image/{id}: the edge length in four digits, then the name.
func (s *Server) serveImage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	id := r.PathValue("id")
	if jpeg := s.library.picture(id); jpeg != nil {
		h.Set("Content-Type", "image/jpeg")
		h.Set("Content-Length", strconv.Itoa(len(jpeg)))
		_, _ = w.Write(jpeg)
		return
	}
	if len(id) > 4 {
		size, err := strconv.Atoi(id[:4])
		if cv, found := s.findCover(id[4:]); found && err == nil && size > 0 && size <= 2000 {
			h.Set("Content-Type", "image/svg+xml")
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			_, _ = w.Write([]byte(cv.draw(size)))
			return
		}
	}
	h.Del("Cache-Control")
	http.NotFound(w, r)
}

func (s *Server) findCover(id string) (cover, bool) {
	if cv, found := theCatalog().covers[id]; found {
		return cv, true
	}
	if cv, found := s.avatars[id]; found {
		return cv, true
	}
	return s.library.cover(id)
}
