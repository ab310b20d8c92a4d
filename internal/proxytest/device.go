package proxytest

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// The paths of device logins.
const (
	devicePath   = "/spotify/device"
	activatePath = "/spotify/activate"
)

// DeviceCode is what a device gets first.
type DeviceCode struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
}

// AskForCode asks for a code, as a device with a name does.
func (b *Browser) AskForCode(name string) (c DeviceCode) {
	b.T.Helper()
	b.postForm(devicePath, url.Values{"client_name": {name}}, &c)
	return c
}

// FetchDeviceKey returns the access key of a device whose code a person has agreed to.
func (b *Browser) FetchDeviceKey(deviceCode string) string {
	b.T.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	b.postForm(devicePath+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {deviceCode}}, &token)
	return token.AccessToken
}

// postForm sends a form as a program does, and decodes the response.
func (b *Browser) postForm(path string, form url.Values, v any) {
	b.T.Helper()
	a := b.WantStatus(b.Do(http.MethodPost, path, form.Encode(), Header("Content-Type", "application/x-www-form-urlencoded")), http.StatusOK)
	if err := json.Unmarshal([]byte(a.Text), v); err != nil {
		b.T.Fatal(err)
	}
}

// AgreeToDevice enters a device's code, confirms it for a key that reads, and agrees at
// Spotify. It returns the URL of the callback, which it does not visit.
func (b *Browser) AgreeToDevice(user, userCode string) (callback string) {
	b.T.Helper()
	b.WantStatus(b.SendForm(activatePath, url.Values{"code": {userCode}}), http.StatusOK)
	a := b.WantStatus(b.SendForm(activatePath+"/confirm", url.Values{
		"code": {userCode}, "access": {"read"}, "life": {"max"}, "same_code": {"yes"},
	}), http.StatusFound)
	return spotifytest.Approve(b.T, b.Client, a.Header.Get("Location"), user)
}
