package proxytest

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// Login logs a user in through the consent page and returns the response of the
// callback. An empty user is the one who is logged in at Spotify.
func (b *Browser) Login(user string) Response {
	b.T.Helper()
	a := b.Navigate(spotifytest.Approve(b.T, b.Client, b.Origin+"/spotify/login", user), Header("Sec-Fetch-Site", "cross-site"))
	if a.StatusCode != http.StatusSeeOther {
		b.T.Fatalf("the login ended with %d: %s", a.StatusCode, a.Text)
	}
	return a
}

// BeginLogin visits a page that starts a login and returns the URL at Spotify that
// it leads to.
func (b *Browser) BeginLogin(target string) *url.URL {
	b.T.Helper()
	a := b.WantStatus(b.Navigate(target), http.StatusFound)
	u, err := a.Location()
	if err != nil {
		b.T.Fatal(err)
	}
	return u
}

// ComeBack visits a callback as the browser does when Spotify sends it there.
func (b *Browser) ComeBack(callback string, edits ...Edit) Response {
	b.T.Helper()
	return b.Navigate(callback, append([]Edit{Header("Sec-Fetch-Site", "cross-site")}, edits...)...)
}

// ApproveAt agrees on the consent page at u and returns the URL of the callback.
func ApproveAt(t *testing.T, b *Browser, u *url.URL) string {
	t.Helper()
	return spotifytest.Approve(t, b.Client, u.String(), "")
}
