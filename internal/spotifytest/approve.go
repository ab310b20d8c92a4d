package spotifytest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Approve logs in as a person would, without a browser: it visits rawURL (the
// authorize URL, or a page that redirects there, such as the proxy's login),
// picks the user on the consent page and agrees. It returns the URL to which
// the browser is sent back and does not visit it. A user who agreed before is
// not asked again. The client is the browser: give it a cookie jar.
func Approve(t TB, client *http.Client, rawURL, user string) (callbackURL string) {
	t.Helper()
	return visit(t, client, rawURL, user, "agree")
}

// Decline is Approve for somebody who presses Cancel.
func Decline(t TB, client *http.Client, rawURL string) (callbackURL string) {
	t.Helper()
	return visit(t, client, rawURL, "", "cancel")
}

func visit(t TB, client *http.Client, rawURL, user, button string) string {
	t.Helper()
	callback, err := Visit(client, rawURL, user, button)
	if err != nil {
		t.Fatalf("visiting the consent page: %v", err)
	}
	return callback
}

// maxRedirects is how far Visit follows on the way to the consent page.
const maxRedirects = 10

// Visit is Approve and Decline for callers without a test, such as benchmarks;
// button is agree or cancel.
func Visit(client *http.Client, rawURL, user, button string) (callbackURL string, err error) {
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range maxRedirects {
		resp, err := browser.Get(rawURL)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return "", err
		}
		location, err := resp.Location()
		switch {
		case err == nil && resp.Request.URL.Path == "/authorize":
			return location.String(), nil
		case err == nil:
			rawURL = location.String()
		case resp.StatusCode != http.StatusOK:
			return "", fmt.Errorf("status %d: %.200s", resp.StatusCode, body)
		default:
			return submit(&browser, resp.Request.URL, string(body), user, button)
		}
	}
	return "", fmt.Errorf("no consent page after %d redirects", maxRedirects)
}

// submit fills in the consent form and presses a button.
func submit(browser *http.Client, page *url.URL, body, user, button string) (string, error) {
	form, err := parseConsent(body)
	if err != nil {
		return "", err
	}
	fields := url.Values{"action": {button}}
	switch {
	case !form.buttons[button]:
		return "", fmt.Errorf("the consent page has no button %q", button)
	case user != "" && !form.users[user]:
		return "", fmt.Errorf("the consent page does not offer user %q", user)
	case user != "":
		fields.Set("user", user)
	case form.checked != "":
		fields.Set("user", form.checked)
	}
	action, err := page.Parse(form.action)
	if err != nil {
		return "", err
	}
	resp, err := browser.PostForm(action.String(), fields)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("the consent page answered %d without a redirect", resp.StatusCode)
	}
	return location.String(), nil
}

type consentForm struct {
	action, checked string
	users, buttons  map[string]bool
}

// parseConsent reads the form of the consent page.
func parseConsent(body string) (*consentForm, error) {
	form := &consentForm{users: make(map[string]bool), buttons: make(map[string]bool)}
	dec := xml.NewDecoder(strings.NewReader(body))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the consent page: %w", err)
		}
		tag, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := make(map[string]string)
		for _, a := range tag.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch {
		case tag.Name.Local == "form":
			form.action = attr["action"]
		case attr["name"] == "action":
			form.buttons[attr["value"]] = true
		case attr["name"] == "user":
			form.users[attr["value"]] = true
			if _, checked := attr["checked"]; checked {
				form.checked = attr["value"]
			}
		}
	}
	if form.action == "" {
		return nil, errors.New("not a consent page")
	}
	return form, nil
}
