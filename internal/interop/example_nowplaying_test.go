package interop

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/demo"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// TestExampleNowPlaying is the page with the card, before and after its owner
// connects the account.
func TestExampleNowPlaying(t *testing.T) {
	a := newAccessibility(t)
	b := startBrowser(t)
	d := startExample(t, "now-playing")
	shown := `document.querySelector("img")?.complete && document.querySelector("img").naturalWidth === 420`
	b.do("opening the page", chromedp.Navigate(d.url))
	b.waitFor("the card is there", shown)
	a.inspect(b, "now-playing-not-connected")
	if svg := getCard(t, d.url); svg.title != "Not connected just now" {
		t.Errorf("the card says %+v", svg)
	}

	b.press("connect")
	b.do("waiting for the consent page", chromedp.WaitVisible(chromedp.ID("agree")))
	b.logIn("mira")
	b.arrive("the account is connected", `location.pathname === "/spotify/share"`)
	b.do("opening the page", chromedp.Navigate(d.url))
	b.waitFor("the card is there", shown)
	a.inspect(b, "now-playing-connected")
	svg := getCard(t, d.url)
	if svg.title == "" || svg.by == "" || strings.Contains(svg.title, "onnected") || !svg.playing {
		t.Errorf("the card says %+v", svg)
	}
	b.waitFor("the page says what plays, as the card does", `document.getElementById("live").textContent.startsWith(`+strconv.Quote("Just now: "+svg.title)+`)`)
	b.do("opening the card itself", chromedp.Navigate(d.url+"/card.svg"))
	for _, s := range screens {
		b.do("resizing", b.size(s.width, s.height, s.scheme))
		b.picture("now-playing-card-" + s.name)
	}
	b.expectQuiet()
	d.interrupt()
}

// TestExampleNowPlayingCard looks at what the card makes of Spotify's answers,
// such as names of tracks that are meant to do harm.
func TestExampleNowPlayingCard(t *testing.T) {
	origin := freeOrigin(t)
	sim := spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	t.Chdir(example(t, "now-playing"))
	t.Setenv("SECRET", "what-no-visitor-may-see")
	written, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	text, err := demo.Simulate(string(written), netip.MustParseAddrPort(strings.TrimPrefix(origin, "http://")), sim)
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	connected := false
	for name, answer := range map[string]struct {
		body      any
		status    int
		title, by string
		playing   bool
	}{
		"a track":       {body: trackPlaying("Blue Hour", "Mira", "Jonas"), title: "Blue Hour", by: "Mira, Jonas", playing: true},
		"nothing":       {status: http.StatusNoContent, title: "Nothing is playing", by: "Come back later"},
		"an ad":         {body: map[string]any{"is_playing": true, "currently_playing_type": "ad", "item": nil}, title: "Nothing is playing", by: "Come back later"},
		"an episode":    {body: map[string]any{"is_playing": true, "item": map[string]any{"name": "Part one", "show": map[string]any{"name": "A show"}}}, title: "Part one", by: "A show", playing: true},
		"markup":        {body: trackPlaying(`</text><script>alert(1)</script>`, `"><image href='x'/>&amp;`), title: `</text><script>alert(1)</script>`, by: `"><image href='x'/>&amp;`, playing: true},
		"templates":     {body: trackPlaying(`{{env "SECRET"}} ""{{env "SECRET"}} \""{{env "SECRET"}}`, `""{{readFile "/Caddyfile"}}`), title: `{{env "SECRET"}} ""{{env "SECRET"}} \""{{env "SECRET"}}`, by: `""{{readFile "/Caddyfile"}}`, playing: true},
		"open template": {body: trackPlaying(`""{{`, `{{`, ``), title: `""{{`, by: `{{, `, playing: true},
		"placeholders":  {body: trackPlaying(`{env.SECRET}`, `{http.request.host}`), title: `{env.SECRET}`, by: `{http.request.host}`, playing: true},
		"controls":      {body: trackPlaying("a\x00b\x01c\x1bd\u202ee\ufffef", "g\u0085h"), title: "abcdef", by: "gh", playing: true},
		"scripts":       {body: trackPlaying("夜に駆ける", "Ünïcödé", "🎵"), title: "夜に駆ける", by: "Ünïcödé, 🎵", playing: true},
		"no artist":     {body: trackPlaying("Alone"), title: "Alone", by: "", playing: true},
		"not JSON":      {body: "out of order", title: "Nothing is playing", by: "Come back later"},
	} {
		t.Run(name, func(t *testing.T) {
			// What is shared is kept for a while, or until a reload.
			if err := caddy.Load(config, true); err != nil {
				t.Fatal(err)
			}
			if !connected {
				connectShare(t, origin)
				connected = true
			}
			body, _ := json.Marshal(answer.body)
			if s, ok := answer.body.(string); ok {
				body = []byte(s)
			}
			fault := sim.Inject(spotifytest.Fault{Path: "/v1/me/player/currently-playing", Status: max(answer.status, http.StatusOK), Body: string(body),
				Header: http.Header{"Content-Type": {"application/json"}}})
			defer fault.Clear()
			card := getCard(t, origin)
			if fault.Hits() != 1 {
				t.Errorf("Spotify was asked %d times", fault.Hits())
			}
			if card.title != answer.title || card.by != answer.by || card.playing != answer.playing {
				t.Errorf("the card says %+v, want %q by %q", card, answer.title, answer.by)
			}
			if strings.Contains(card.text, "what-no-visitor") {
				t.Errorf("the card tells a secret: %s", card.text)
			}
			if want := []string{"svg", "title", "desc"}; !slices.Equal(card.elements[:3], want) || slices.Contains(card.elements, "script") || slices.Contains(card.elements, "image") {
				t.Errorf("the card has %q", card.elements)
			}
		})
	}
}

// TestExampleNowPlayingIsTheOwners shows the owner's card to whoever looks,
// also with a session of their own.
func TestExampleNowPlayingIsTheOwners(t *testing.T) {
	d := startExample(t, "now-playing")
	connectShare(t, d.url)
	owners := getCard(t, d.url)
	visitor := newVisitor(t)
	resp, err := visitor.Get(spotifytest.Approve(t, visitor, d.url+"/spotify/login", "jonas"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if card := getCardAs(t, visitor, d.url, nil); card.title != owners.title {
		t.Errorf("the owner's card says %q, and to a visitor who is logged in %q", owners.title, card.title)
	}
	// As from a page of somebody else's, with what browsers have in their caches.
	card := getCardAs(t, visitor, d.url, http.Header{
		"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"},
		"If-None-Match": {"*"}, "Range": {"bytes=0-9"}, "Authorization": {"Bearer x"},
	})
	if card.title != owners.title {
		t.Errorf("on another site the card says %q", card.title)
	}
	if got := card.header.Get("Cache-Control"); got != "public, max-age=90" {
		t.Errorf("Cache-Control: %s", got)
	}
	if cookies := card.header["Set-Cookie"]; len(cookies) > 0 {
		t.Errorf("the card sets cookies: %q", cookies)
	}
}

// trackPlaying is what Spotify says of a track that plays.
func trackPlaying(name string, artists ...string) any {
	list := []map[string]string{}
	for _, a := range artists {
		list = append(list, map[string]string{"name": a})
	}
	return map[string]any{"is_playing": true, "item": map[string]any{"name": name, "artists": list}}
}

// connectShare connects the account of mira, the owner.
func connectShare(t *testing.T, origin string) {
	t.Helper()
	visitor := newVisitor(t)
	resp, err := visitor.Get(spotifytest.Approve(t, visitor, origin+"/spotify/share/connect", "mira"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/spotify/share" {
		t.Fatalf("connecting the account ended at %s with status %d", resp.Request.URL.Path, resp.StatusCode)
	}
}

// card is what a card says.
type card struct {
	title, by string
	playing   bool
	elements  []string
	text      string
	header    http.Header
}

func getCard(t *testing.T, origin string) card {
	t.Helper()
	return getCardAs(t, http.DefaultClient, origin, nil)
}

// getCardAs reads the card, which has to be a whole SVG.
func getCardAs(t *testing.T, client *http.Client, origin string, header http.Header) card {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/card.svg", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // a reload closes connections that are kept
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	for tries := 0; errors.Is(err, io.EOF) && tries < 20; tries++ {
		// A server that makes way for a new config drops a connection that was
		// opened just now, before any handler sees it.
		resp, err = client.Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/svg+xml" {
		t.Fatalf("the card: status %d, %s\n%s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	c := card{text: string(body), header: resp.Header}
	var within string
	for d := xml.NewDecoder(strings.NewReader(c.text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return c
		}
		if err != nil {
			t.Fatalf("the card is no XML: %v\n%s", err, body)
		}
		switch token := token.(type) {
		case xml.StartElement:
			within = token.Name.Local
			c.elements = append(c.elements, within)
			if slices.Contains(token.Attr, xml.Attr{Name: xml.Name{Local: "class"}, Value: "on"}) {
				c.playing = true
			}
		case xml.EndElement:
			within = ""
		case xml.CharData:
			switch within {
			case "title":
				c.title = string(token)
			case "desc":
				c.by = string(token)
			}
		}
	}
}
