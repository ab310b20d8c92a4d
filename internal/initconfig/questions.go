package initconfig

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/doctor"
	"github.com/caddyspotify/caddy-spotify/internal/suggest"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// answers are what a Caddyfile is made of.
type answers struct {
	clientID string
	origin   string // without a slash at its end
	secure   bool
	host     string // of the origin, with its port
	scopes   []string
	root     string // folder of the pages; "" is a page that stands in for them
}

// prefix is where the endpoints are.
const prefix = "/spotify"

func (a *answers) redirectURI() string { return a.origin + prefix + browser.CallbackSegment }

// question is one thing to know.
type question struct {
	flag, usage string
	text        string // what is asked
	fallback    string // if there is no answer; "" stands for none
	required    bool
	// set takes an answer. Its error says what is wrong with it, and what to do.
	set func(string) error
}

// questions returns what is asked, in order.
func questions(a *answers) []question {
	return []question{
		{
			flag: "client-id", usage: "Client ID of the app (default $SPOTIFY_CLIENT_ID)",
			text: "Client ID of the app, from https://developer.spotify.com/dashboard", fallback: os.Getenv("SPOTIFY_CLIENT_ID"), required: true,
			set: a.setClientID,
		},
		{
			flag: "origin", usage: "Address of the site, as browsers see it (default http://127.0.0.1:8080)",
			text: "Address of the site, such as https://app.example.com", fallback: "http://127.0.0.1:8080",
			set: a.setOrigin,
		},
		{
			flag: "scopes", usage: "Scopes, separated by spaces (default user-top-read)",
			text: "Scopes, separated by spaces (? lists them)", fallback: pkce.ScopeUserTopRead,
			set: a.setScopes,
		},
		{
			flag: "root", usage: "Folder of the site's pages (default: a page that stands in for them)",
			text: "Folder of your pages, or nothing for a page that stands in for them",
			set:  a.setRoot,
		},
	}
}

func (a *answers) setClientID(text string) error {
	// Those who copy it may copy a quotation mark or a capital letter as well.
	id := strings.ToLower(strings.Trim(text, `"'`))
	if !doctor.IsClientID(id) {
		return fmt.Errorf("%q is not a Client ID, which has 32 hexadecimal digits: copy it from the app's settings", text)
	}
	a.clientID = id
	return nil
}

func (a *answers) setOrigin(text string) error {
	if !strings.Contains(text, "://") {
		// What is typed without a scheme is meant as browsers would open it.
		scheme := "https://"
		if strings.HasPrefix(text, "127.") || strings.HasPrefix(text, "[::1]") {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not an address: give one such as https://app.example.com", text)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%q is more than scheme, host and port: leave out the rest", text)
	}
	if u.Hostname() == "localhost" {
		return errors.New("Spotify does not accept localhost in a redirect URI: use http://127.0.0.1 with the port. " + //nolint:staticcheck // Spotify is a name
			"The site itself can be opened at both")
	}
	redirect, err := browser.ParseRedirectURI(u.Scheme + "://" + u.Host + prefix + browser.CallbackSegment)
	if err != nil {
		return err
	}
	a.origin, a.secure, a.host = redirect.Origin, redirect.Secure, redirect.Host
	return nil
}

func (a *answers) setScopes(text string) error {
	all := pkce.Scopes()
	if text == "?" {
		return fmt.Errorf("%s\nask for what your pages use: https://developer.spotify.com/documentation/web-api/concepts/scopes", strings.Join(all, "\n"))
	}
	scopes := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	for i, scope := range scopes {
		switch nearest := suggest.Nearest(scope, all); {
		case slices.Contains(scopes[:i], scope):
			return fmt.Errorf("%s is there twice: remove one", scope)
		case slices.Contains(all, scope):
		case nearest != "":
			return fmt.Errorf("%q is not one of Spotify's scopes: did you mean %s?", scope, nearest)
		default:
			return fmt.Errorf("%q is not one of Spotify's scopes: type ? to list them, or see https://developer.spotify.com/documentation/web-api/concepts/scopes", scope)
		}
	}
	a.scopes = scopes
	return nil
}

func (a *answers) setRoot(text string) error {
	if text == "" {
		return nil
	}
	// A backslash at the end would escape the quotation mark. Where it separates folders,
	// Caddy takes a slash as well.
	text = filepath.ToSlash(text)
	if strings.ContainsAny(text, "{}\"`\n\r") || strings.HasSuffix(text, `\`) || !utf8.ValidString(text) {
		return fmt.Errorf("%q has braces or quotes, or a backslash at its end, which mean something in a Caddyfile: rename the folder, or write the Caddyfile by hand", text)
	}
	info, err := os.Stat(text)
	if err != nil {
		return fmt.Errorf("the folder cannot be read: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file: give the folder that it is in", text)
	}
	a.root = text
	return nil
}
