package faulttest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// E04: a device asks on one instance, its owner enters the code on a second, and the device
// gets the key on a third, where the other two no longer run.
func TestDeviceLoginOverInstances(t *testing.T) {
	c := newCluster(t, spotifytest.Options{})
	c.options = "access_keys\ndevice_login"
	one, two, three := c.start(), c.start(), c.start()
	device := func(in *instance, path string, form url.Values, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.origin+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
		}
	}
	var code struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
	}
	device(one, "/spotify/device", url.Values{"client_name": {"Mirror"}}, &code)
	if code.UserCode == "" {
		t.Fatal("there is no code")
	}
	var told struct {
		Key   string `json:"access_token"`
		Error string `json:"error"`
	}
	ask := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code.DeviceCode}}
	device(three, "/spotify/device/token", ask, &told)
	if told.Error != "authorization_pending" {
		t.Fatalf("told %+v", told)
	}
	one.kill()

	v := c.visitor()
	form := url.Values{"code": {code.UserCode}, "life": {"max"}, "access": {"read"}, "same_code": {"yes"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, two.origin+"/spotify/activate/confirm", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	a, err := v.send(req)
	if err != nil {
		t.Fatal(err)
	}
	callback, err := spotifytest.Visit(v.client, a.Header.Get("Location"), v.user, "agree")
	if err != nil {
		t.Fatalf("confirming: %v after %d %s", err, a.StatusCode, a.body)
	}
	if req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, two.at(callback), nil); err != nil {
		t.Fatal(err)
	}
	if a, err = v.send(req); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", a.StatusCode, a.body, err)
	}
	two.kill()

	three.kill()
	three.start() // so that its count of polls begins again
	told.Error = ""
	device(three, "/spotify/device/token", ask, &told)
	if !strings.HasPrefix(told.Key, "spk_") {
		t.Fatalf("told %+v", told)
	}
	want(t, c.byKey(three, told.Key), http.StatusOK, "")
	again := told
	again.Key = ""
	three.kill()
	three.start()
	device(three, "/spotify/device/token", ask, &again)
	if again.Error != "invalid_grant" || again.Key != "" {
		t.Errorf("a second time it is told %+v", again)
	}
}
