package page

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

var accountTemplate = template.Must(template.ParseFS(pageFiles, "html/account.html", "html/parts.html"))

// AccountWords are the texts of the page about an account.
type AccountWords struct {
	Title       string `json:"title"`
	Intro       string `json:"intro"`
	For         string `json:"for"`
	May         string `json:"may"`
	MayPublic   string `json:"may_public"`
	Sessions    string `json:"sessions"`
	Incomplete  string `json:"incomplete"`
	On          string `json:"on"`
	Unknown     string `json:"unknown"`
	Current     string `json:"current"`
	Since       string `json:"since"`
	Used        string `json:"used"`
	Never       string `json:"never"`
	Expires     string `json:"expires"`
	End         string `json:"end"`
	EndSure     string `json:"end_sure"`
	EndNow      string `json:"end_now"`
	EndThis     string `json:"end_this"`
	EndThisSure string `json:"end_this_sure"`
	Others      string `json:"others"`
	OthersSure  string `json:"others_sure"`
	OthersNow   string `json:"others_now"`
	Keys        string `json:"keys"`
	NoKeys      string `json:"no_keys"`
	Created     string `json:"created"`
	Revoke      string `json:"revoke"`
	RevokeSure  string `json:"revoke_sure"`
	RevokeNow   string `json:"revoke_now"`
	ToKeys      string `json:"to_keys"`
	Leave       string `json:"leave"`
	LeaveNote   string `json:"leave_note"`
	Shared      string `json:"shared"`
	SharedToo   string `json:"shared_too"`
	Delete      string `json:"delete"`
	DeleteSure  string `json:"delete_sure"`
	DeleteNow   string `json:"delete_now"`
	Spotify     string `json:"spotify"`
	SpotifyNote string `json:"spotify_note"`
	ToSpotify   string `json:"to_spotify"`
	Link        string `json:"link"`
}

// Account is what the page shows a person of what the site has of them. The template
// escapes all of it.
type Account struct {
	Name     string
	Scopes   []string
	Sessions []AccountSession
	Complete bool // the sessions are all that there are at the site
	Keys     []AccountKey
	Shared   bool // the site shows data of the account to everybody

	// KeysPath is "" if there are no access keys.
	Path, KeysPath, LogoutPath, SpotifyURL, Home string

	// What Account adds.
	Words    *words
	W        *AccountWords
	Prefix   string
	Brand    *Brand
	Referrer string // the referrer policy
}

// AccountSession is a session on the page.
type AccountSession struct {
	Ref, Browser, System   string
	Current                bool
	Created, Used, Expires string // dates
}

// AccountKey is an access key on the page.
type AccountKey struct {
	Ref, Name              string
	Created, Used, Expires string // dates
}

// Account writes the page about a person's account.
func (p Renderer) Account(w http.ResponseWriter, r *http.Request, page Account) error {
	page.Words = WordsFor(r)
	page.W = page.Words.Account
	// With no-referrer, older browsers would not say where the forms' requests come from.
	page.Prefix, page.Brand, page.Referrer = p.Prefix, p.Brand, originOnly
	var buf bytes.Buffer
	if err := accountTemplate.Execute(&buf, page); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := w.Header()
	setPageHeaders(h, page.Words, p.Brand.policy(pagePolicy), page.Referrer)
	h.Add("Vary", "Cookie")
	return problem.Write(w, r, http.StatusOK, inert(buf.Bytes()))
}
