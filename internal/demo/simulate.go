package demo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// owner is the account that a simulated site shares.
const owner = "mira"

// simulated is a site's own Caddyfile, changed to run with the simulator.
type simulated struct {
	caddyfile string
	redirects []string // the redirect URIs it has
}

// page is where the site's pages are.
func (s simulated) page() string {
	u, err := url.Parse(s.redirects[0])
	if err != nil {
		panic(err) // it was parsed before
	}
	return u.Scheme + "://" + u.Host
}

// usualAddress is DefaultListen under all of its names: a site may list several.
var usualAddress = regexp.MustCompile(`(127\.0\.0\.1|localhost|\[::1\]):8080\b`)

// Simulate returns the Caddyfile of a site that was written for the real Spotify
// and [DefaultListen], changed to run with a simulator at addr. What is the
// site's own stays as it is: its routes, its headers and the other options.
func Simulate(text string, addr netip.AddrPort, sim *spotifytest.Running) (string, error) {
	s, err := simulate(text, addr, sim, false)
	return s.caddyfile, err
}

func simulate(text string, addr netip.AddrPort, sim *spotifytest.Running, debug bool) (simulated, error) {
	if !addr.Addr().Is4() {
		return simulated{}, fmt.Errorf("listen %s: a site is served on 127.0.0.1", addr)
	}
	text = usualAddress.ReplaceAllString(text, "${1}:"+strconv.Itoa(int(addr.Port())))
	text = strings.NewReplacer(
		// Where Spotify's pictures and scripts come from.
		"https://*.scdn.co", sim.URL,
		"https://sdk.scdn.co", sim.URL,
	).Replace(text)
	tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
	if err != nil {
		return simulated{}, fmt.Errorf("reading the site's Caddyfile: %w", err)
	}
	e := &edit{lines: strings.Split(text, "\n"), sim: sim, logs: hasDefaultLog(tokens)}
	for i := 0; i < len(tokens); i++ {
		if tokens[i].Text != "spotify_proxy" || !firstOnLine(tokens, i) {
			continue
		}
		if i, err = e.proxy(tokens, i); err != nil {
			return simulated{}, err
		}
	}
	if len(e.redirects) == 0 {
		return simulated{}, errors.New("the site's Caddyfile has no spotify_proxy with a redirect_uri: the demo needs one")
	}
	for _, uri := range e.redirects {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "http" || (u.Hostname() != "127.0.0.1" && u.Hostname() != "::1") {
			return simulated{}, fmt.Errorf("redirect_uri %s is not on this machine: the demo needs one like http://%s/spotify/callback", uri, DefaultListen)
		}
	}
	return simulated{e.text(debug), e.redirects}, nil
}

// edit changes a Caddyfile line by line, so that what it leaves is as it was.
type edit struct {
	sim       *spotifytest.Running
	lines     []string
	gone      []int // numbers of lines to leave out
	redirects []string
	logs      bool // the site has a default log of its own
}

// hasDefaultLog reports whether a Caddyfile's global options have a default log. Caddy
// takes no second one.
func hasDefaultLog(tokens []caddyfile.Token) bool {
	if len(tokens) == 0 || !isBrace(tokens[0], "{") {
		return false
	}
	depth := 0
	for i, t := range tokens[:len(tokens)-1] {
		switch {
		case isBrace(t, "{"):
			depth++
		case isBrace(t, "}"):
			if depth--; depth == 0 {
				return false
			}
		case depth == 1 && t.Text == "log" && firstOnLine(tokens, i):
			if next := tokens[i+1]; next.Line > t.Line || isBrace(next, "{") || next.Text == "default" {
				return true
			}
		}
	}
	return false
}

// proxy changes the options of the spotify_proxy at tokens[i] and returns the
// index of the last token of its block.
func (e *edit) proxy(tokens []caddyfile.Token, i int) (int, error) {
	open := i
	for open+1 < len(tokens) && tokens[open+1].Line == tokens[i].Line {
		open++
	}
	if !isBrace(tokens[open], "{") {
		return i, fmt.Errorf("line %d: this spotify_proxy has no block, so no redirect_uri", tokens[i].Line)
	}
	var (
		parents []string
		option  string
		store   bool
		// The options that take a secret: the line of each, and whether it has one.
		lines = make(map[string]int)
		keyed = make(map[string]bool)
	)
	for i = open + 1; i < len(tokens); i++ {
		t := tokens[i]
		if firstOnLine(tokens, i) {
			option = t.Text
		}
		switch {
		case isBrace(t, "{"):
			parents = append(parents, option)
			continue
		case isBrace(t, "}") && len(parents) == 0:
			e.insert(tokens[open].Line, store)
			for option, line := range lines {
				e.insertSecret(option, line, keyed[option])
			}
			return i, nil
		case isBrace(t, "}"):
			parents = parents[:len(parents)-1]
			continue
		case !firstOnLine(tokens, i):
			continue
		}
		switch strings.Join(append(parents, option), " ") {
		case "client_id", "authorize_url", "token_url", "api_url", "share owner":
			e.gone = append(e.gone, t.Line)
		case "store":
			store = true
		case "share", "access_keys":
			lines[option] = t.Line
		case "share key", "access_keys key":
			keyed[parents[0]] = true
		case "redirect_uri":
			if i+1 < len(tokens) && tokens[i+1].Line == t.Line {
				e.redirects = append(e.redirects, tokens[i+1].Text)
			}
		}
	}
	return i, errors.New("the site's Caddyfile ends within a spotify_proxy: a } is missing")
}

func firstOnLine(tokens []caddyfile.Token, i int) bool {
	return i == 0 || tokens[i-1].Line < tokens[i].Line
}

func isBrace(t caddyfile.Token, brace string) bool { return t.Text == brace && !t.Quoted() }

// insert adds the options of the simulator below a line.
func (e *edit) insert(line int, store bool) {
	options := []string{
		"client_id " + clientID,
		"authorize_url " + e.sim.AuthorizeURL,
		"token_url " + e.sim.TokenURL,
		"api_url " + e.sim.APIURL,
	}
	if !store {
		options = append(options, "store memory")
	}
	e.below(line, options)
}

// insertSecret puts into the block of an option what is the demo's: the owner of
// what is shared, and a key, since one that Caddy makes is written to its storage.
func (e *edit) insertSecret(option string, line int, keyed bool) {
	var options []string
	if option == "share" {
		options = append(options, "owner "+owner)
	}
	if !keyed {
		options = append(options, "key "+rand.Text()+rand.Text())
	}
	text := e.lines[line-1]
	if strings.HasSuffix(strings.TrimSpace(text), "{") {
		e.below(line, options)
		return
	}
	e.lines[line-1] = text + " {"
	e.below(line, options)
	e.lines[line-1] += "\n" + text[:len(text)-len(strings.TrimLeft(text, "\t "))] + "}"
}

// below adds lines below one, with its indentation and a tab.
func (e *edit) below(line int, added []string) {
	text := e.lines[line-1]
	indent := text[:len(text)-len(strings.TrimLeft(text, "\t "))] + "\t"
	for _, a := range added {
		text += "\n" + indent + a
	}
	e.lines[line-1] = text
}

// globalOptions keep a demo from leaving anything behind.
const globalOptions = `	admin off
	persist_config off
	storage_check off
	storage_clean_interval off
	default_bind 127.0.0.1
%s`

// What a demo shows of Caddy's log: all of it, or the proxy's lines alone. The latter
// are a log of their own, because Caddy takes the access logs that a site has elsewhere
// out of the default one, which must have no list of what to include then.
const (
	wholeLog = `	log {
		level DEBUG
	}
`
	noLog = `	log {
		level FATAL
	}
`
	proxysLog = `	log spotify_demo {
		include http.handlers.spotify_auth http.reverse_proxy.transport.spotify
	}
`
)

// text returns what the Caddyfile has become, with the demo's global options.
func (e *edit) text(debug bool) string {
	var logged string
	switch {
	case e.logs && debug:
		logged = "\tdebug\n"
	case e.logs: // it shows what the site wants
	case debug:
		logged = wholeLog
	default:
		logged = noLog + proxysLog
	}
	global := fmt.Sprintf(globalOptions, logged)
	var lines []string
	for i, line := range e.lines {
		if !slices.Contains(e.gone, i+1) {
			lines = append(lines, line)
		}
	}
	for i, line := range lines {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line != "{" {
			break
		}
		// The site has global options of its own.
		lines[i] += "\n" + strings.TrimSuffix(global, "\n")
		return strings.Join(lines, "\n")
	}
	return "{\n" + global + "}\n\n" + strings.Join(lines, "\n")
}
