package proxytest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// KeysPath is the path of the access keys page.
const KeysPath = "/spotify/keys"

// KeyForm returns the form that creates an access key, filled in. more has names
// and values of fields, alternately.
func KeyForm(name string, more ...string) url.Values {
	form := url.Values{"name": {name}, "life": {"max"}, "access": {"all"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// SendForm sends a form as the site's own page does.
func (b *Browser) SendForm(target string, form url.Values, edits ...Edit) Response {
	b.T.Helper()
	return b.Do(http.MethodPost, target, form.Encode(), append([]Edit{
		Header("Content-Type", "application/x-www-form-urlencoded"), Header("Origin", b.Origin),
		Header("Sec-Fetch-Site", "same-origin"), Header("Sec-Fetch-Mode", "navigate"), Header("Sec-Fetch-Dest", "document"),
		Header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
	}, edits...)...)
}

// AskForKey sends the form that creates an access key and agrees at Spotify, as a
// user or, if user is empty, as the one who is logged in there. It returns the URL
// of the callback, which it does not visit.
func (b *Browser) AskForKey(user string, form url.Values) (callback string) {
	b.T.Helper()
	a := b.WantStatus(b.SendForm(KeysPath, form), http.StatusFound)
	return spotifytest.Approve(b.T, b.Client, a.Header.Get("Location"), user)
}

// ShownKey matches an access key in the page that shows it. The key is its first
// group.
var ShownKey = regexp.MustCompile(`>(spk_[A-Za-z0-9_-]{43})<`)

// CreateKey creates an access key and returns it.
func (b *Browser) CreateKey(form url.Values) string {
	b.T.Helper()
	a := b.WantStatus(b.ComeBack(b.AskForKey("", form)), http.StatusOK)
	found := ShownKey.FindStringSubmatch(a.Text)
	if found == nil {
		b.T.Fatalf("the page shows no key: %s", a.Text)
	}
	return found[1]
}

// AskToRenew sends the form that renews the access key with a reference and agrees at
// Spotify, as AskForKey does. It returns the URL of the callback, which it does not visit.
func (b *Browser) AskToRenew(user, ref string) (callback string) {
	b.T.Helper()
	a := b.WantStatus(b.SendForm(KeysPath+"/renew", url.Values{"key": {ref}}), http.StatusFound)
	return spotifytest.Approve(b.T, b.Client, a.Header.Get("Location"), user)
}

// RenewKey renews the access key with a reference.
func (b *Browser) RenewKey(ref string) Response {
	b.T.Helper()
	return b.WantStatus(b.ComeBack(b.AskToRenew("", ref)), http.StatusOK)
}

// Program returns a client that sends an access key, and neither cookies nor Fetch
// Metadata.
func (p *Proxy) Program(key string) *Browser {
	b := p.NewBrowser()
	b.Client.Jar = nil
	b.Client.Transport = authorizing(key)
	return b
}

// authorizing sends itself as a bearer token.
type authorizing string

func (key authorizing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(key))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Me gets the profile of the account, with the headers of a program.
func (b *Browser) Me() Response { b.T.Helper(); return b.Do(http.MethodGet, "/spotify/v1/me", "") }

// ListedKey is an access key as GET /spotify/keys lists it. Key is its reference,
// not the key itself.
type ListedKey struct {
	Key, Name  string
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Allow      []string
	Scopes     []string
	Expired    bool
	RenewedAt  *time.Time `json:"renewed_at"`
	RenewURL   string     `json:"renew_url"`
	RenewBy    *time.Time `json:"renew_by"`
	Renewal    *struct {
		RenewedAt time.Time `json:"renewed_at"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

// Keys returns the access keys of the browser's account.
func (b *Browser) Keys() []ListedKey {
	b.T.Helper()
	var list struct{ Keys []ListedKey }
	a := b.WantStatus(b.Fetch("GET", KeysPath, ""), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), &list); err != nil {
		b.T.Fatal(err)
	}
	return list.Keys
}
