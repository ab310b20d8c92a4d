package interop

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/zmb3/spotify/v2"
	"golang.org/x/oauth2"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// TestZmb3 calls the Web API through the proxy with a Go client that knows
// nothing of it: zmb3/spotify as published, with another base URL. Like all
// such clients it sends a token of its own, which is not a valid one.
//
// P43
func TestZmb3(t *testing.T) {
	origin := freeOrigin(t)
	// The client uses the old forms.
	sim := spotifytest.Start(t, spotifytest.Options{Mode: spotifytest.Extended, RedirectURIs: []string{origin + "/spotify/callback"}})
	p := startProxy(t, origin, zmb3Options(sim), "")

	visitor := newVisitor(t)
	answer, err := visitor.Get(spotifytest.Approve(t, visitor, origin+"/spotify/login", "mira"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()

	const theirToken = "the-token-of-a-stock-client"
	stock := oauth2.NewClient(context.WithValue(t.Context(), oauth2.HTTPClient, visitor),
		oauth2.StaticTokenSource(&oauth2.Token{AccessToken: theirToken}))
	stock.Jar = visitor.Jar
	client := spotify.New(stock, spotify.WithBaseURL(origin+"/spotify/v1/"))

	makeZmb3Calls(t, sim, client, theirToken)
	p.expectSecretsOut(t, sim.TokensIssued())

	// Without the cookie the same client is a stranger.
	stranger := spotify.New(http.DefaultClient, spotify.WithBaseURL(origin+"/spotify/v1/"))
	if _, err := stranger.CurrentUser(t.Context()); !isStatus(err, http.StatusUnauthorized) {
		t.Errorf("without a session: %v, want an error with status 401", err)
	}
}

// zmb3Options are the options of a proxy that allows what zmb3Calls do.
func zmb3Options(sim *spotifytest.Running) string {
	return `
		client_id 0123456789abcdef0123456789abcdef
		scopes user-read-private user-read-email user-top-read user-follow-read user-follow-modify user-library-read user-library-modify playlist-read-private playlist-modify-private playlist-modify-public user-read-playback-state user-modify-playback-state user-read-currently-playing user-read-recently-played ugc-image-upload
		store memory
		authorize_url ` + sim.AuthorizeURL + `
		token_url ` + sim.TokenURL + `
		api_url ` + sim.APIURL
}

// makeZmb3Calls makes every call with a client, none of which may bring the
// client's own token to Spotify.
func makeZmb3Calls(t *testing.T, sim *spotifytest.Running, client *spotify.Client, theirToken string) {
	t.Helper()
	calls := zmb3Calls(client)
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			if err := call.do(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
	if called := sim.RequestsTo("/v1/"); len(called) < len(calls) {
		t.Errorf("the Web API saw %d requests of %d calls", len(called), len(calls))
	}
	for _, r := range sim.Requests() {
		if strings.Contains(r.Header.Get("Authorization"), theirToken) {
			t.Errorf("%s %s: the client's own token reached Spotify", r.Method, r.Path)
		}
	}
	if odd := sim.Violations(); len(odd) > 0 {
		t.Errorf("the simulator was sent what it must not be: %v", odd)
	}
}
