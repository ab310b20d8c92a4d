package page

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

// KeyForm is what was entered in the form, as it was entered.
type KeyForm struct {
	Name, Life, Access, Rules string
	ShowDialog                bool
}

var keysTemplate = template.Must(template.ParseFS(pageFiles, "html/keys.html", "html/parts.html"))

// keysPolicy is pagePolicy, but the form may lead to Spotify: browsers apply
// form-action to where a form's answer redirects, too. The page of a new key has a
// script, which puts the address of the page of keys into the browser's history, in
// place of the callback's with its code and state (RFC 9700 §4.3). The callback
// itself shows a new key, because a redirect to another page would need the key to
// be kept somewhere in between, and it is kept nowhere.
func (p Renderer) keysPolicy(created bool) string {
	policy := strings.Replace(p.Brand.policy(pagePolicy), "form-action 'self'", "form-action 'self' "+p.Issuer, 1)
	if created {
		policy += scriptPolicy
	}
	return policy
}

// Keys is what the page shows. The template escapes all of it.
type Keys struct {
	Created *CreatedKey
	Renew   *Key   // a key that is to be renewed: the page asks
	Renewed string // the name of a key that was renewed
	Keys    []Key
	Form    KeyForm
	Wrong   *FormError

	Path, Home, Base, Account string
	Lives                     []Lifetime
	Full                      bool
	Max                       int

	// What Keys adds.
	Words    *words
	W        *KeyWords
	Prefix   string
	Brand    *Brand
	Referrer string // the referrer policy
}

// CreatedKey is a key that has just been created.
type CreatedKey struct{ Name, Key string }

// Key is a key on the page.
type Key struct {
	Ref, Name              string
	Created, Expires, Used string // dates
	Rules, Scopes          []string

	Renewable, Failed bool          // whether it can be renewed, and whether the last time did not work
	Renewed           string        // when it was, or ""
	RenewBy           string        // until when it can be renewed, if it has expired, or ""
	Waiting, UseBy    string        // when it will expire once it has taken its renewal, and by when it has to, or ""
	Left              time.Duration // until it expires, if that is soon; else 0
	Due               string        // Left in words, which Keys adds
}

// FormError says what is wrong with what was entered.
type FormError struct{ Field, Text string }

// Lifetime is a time that a key may be given.
type Lifetime struct {
	Name   string // in the form
	Life   time.Duration
	Chosen bool
	Text   string // Life in words, which keys adds
}

// Keys writes the page of a person's access keys.
func (p Renderer) Keys(w http.ResponseWriter, r *http.Request, status int, page Keys) error {
	page.Words = WordsFor(r)
	page.W = page.Words.Keys
	// With no-referrer, older browsers would not say where the form's request
	// comes from. The whole address may be the callback's, with a code in it.
	page.Prefix, page.Brand, page.Referrer = p.Prefix, p.Brand, originOnly
	for i := range page.Lives {
		page.Lives[i].Text = page.W.life(page.Lives[i].Life)
	}
	for i := range page.Keys {
		page.Keys[i].Due = page.W.due(page.Keys[i].Left)
	}
	var buf bytes.Buffer
	if err := keysTemplate.Execute(&buf, page); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := w.Header()
	setPageHeaders(h, page.Words, p.keysPolicy(page.Created != nil), page.Referrer)
	h.Add("Vary", "Cookie")
	return problem.Write(w, r, status, inert(buf.Bytes()))
}

// life writes a time that a key may be given.
func (w *KeyWords) life(d time.Duration) string {
	for _, unit := range []struct {
		of        time.Duration
		one, many string
	}{{24 * time.Hour, w.Day, w.Days}, {time.Hour, w.Hour, w.Hours}, {time.Minute, w.Minute, w.Minutes}} {
		if d >= unit.of {
			if n := int(d / unit.of); n != 1 {
				return strconv.Itoa(n) + " " + unit.many
			}
			return "1 " + unit.one
		}
	}
	return d.String()
}

// due writes how long a key lasts that expires soon.
func (w *KeyWords) due(left time.Duration) string {
	const day = 24 * time.Hour
	switch days := int((left + day - 1) / day); {
	case days <= 0:
		return ""
	case days == 1:
		return w.DueNow
	default:
		return strings.Replace(w.Due, "{days}", strconv.Itoa(days), 1)
	}
}
