package page

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
)

var deviceTemplate = template.Must(template.ParseFS(pageFiles, "html/device.html", "html/parts.html"))

// What pages say of problems with the login of a device.
const (
	WordingDeviceCancelled = "device_cancelled"
	WordingDeviceGone      = "device_gone"
)

// The steps of a device's login that a person sees.
const (
	DeviceEnter   = "enter"   // the code is asked for
	DeviceConfirm = "confirm" // the device is shown
	DeviceDone    = "done"
	DeviceDenied  = "denied"
)

// What may be wrong with what was entered.
const (
	DeviceMalformed   = "malformed"   // it is no code
	DeviceUnknown     = "unknown"     // it is no device's
	DeviceUnconfirmed = "unconfirmed" // the person did not say that the device shows it
)

// Device is what the pages of a device's login show. The template escapes all of it.
type Device struct {
	Step, Wrong string
	Typed       string // as a code, that was none

	Name, Code string // of the device
	Scopes     []string
	Minutes    int  // since it asked
	Nearby     bool // it is where the person is
	All        bool // everything was chosen, and not only reading
	Lives      []Lifetime
	Account    string // that the device is connected with

	Path, Home, Keys string // of this page, of the site, and of the access keys

	// What Device adds.
	Words    *words
	W        *DeviceWords
	K        *KeyWords
	Title    string
	Error    string
	Prefix   string
	Brand    *Brand
	Referrer string // the referrer policy
}

// DeviceWords are the texts of the pages of a device's login.
type DeviceWords struct {
	Title       string `json:"title"`
	Intro       string `json:"intro"`
	Code        string `json:"code"`
	CodeHint    string `json:"code_hint"`
	Next        string `json:"next"`
	Malformed   string `json:"malformed"`
	Unknown     string `json:"unknown"`
	Wrong       string `json:"wrong"`
	Confirm     string `json:"confirm"`
	Warning     string `json:"warning"`
	Device      string `json:"device"`
	Where       string `json:"where"`
	Nearby      string `json:"nearby"`
	Elsewhere   string `json:"elsewhere"`
	When        string `json:"when"`
	Now         string `json:"now"`
	Minute      string `json:"minute"`
	Minutes     string `json:"minutes"`
	Life        string `json:"life"`
	May         string `json:"may"`
	SameCode    string `json:"same_code"`
	Unconfirmed string `json:"unconfirmed"`
	Agree       string `json:"agree"`
	AgreeHint   string `json:"agree_hint"`
	Deny        string `json:"deny"`
	Done        string `json:"done"`
	DoneNote    string `json:"done_note"`
	Account     string `json:"account"`
	End         string `json:"end"`
	Keys        string `json:"keys"`
	Denied      string `json:"denied"`
	DeniedNote  string `json:"denied_note"`
	Another     string `json:"another"`
}

// Device writes a page of a device's login.
func (p Renderer) Device(w http.ResponseWriter, r *http.Request, status int, page Device) error {
	page.Words = WordsFor(r)
	page.W, page.K = page.Words.Device, page.Words.Keys
	page.Prefix, page.Brand, page.Referrer = p.Prefix, p.Brand, originOnly // see Keys
	page.Title = map[string]string{
		DeviceConfirm: page.W.Confirm, DeviceDone: page.W.Done, DeviceDenied: page.W.Denied,
	}[page.Step]
	if page.Title == "" {
		page.Title = page.W.Title
	}
	page.Error = map[string]string{
		DeviceMalformed: page.W.Malformed, DeviceUnknown: page.W.Unknown, DeviceUnconfirmed: page.W.Unconfirmed,
	}[page.Wrong]
	for i := range page.Lives {
		page.Lives[i].Text = page.K.life(page.Lives[i].Life)
	}
	var buf bytes.Buffer
	if err := deviceTemplate.Execute(&buf, page); err != nil {
		return fmt.Errorf("rendering a page: %w", err)
	}
	h := w.Header()
	setPageHeaders(h, page.Words, p.keysPolicy(page.Step == DeviceDone), page.Referrer)
	return problem.Write(w, r, status, inert(buf.Bytes()))
}

// Ago says how long ago the device asked.
func (d Device) Ago() string {
	switch d.Minutes {
	case 0:
		return d.W.Now
	case 1:
		return d.W.Minute
	}
	return fmt.Sprintf(d.W.Minutes, d.Minutes)
}
