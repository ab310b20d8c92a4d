package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyspotify/caddy-spotify/internal/retryafter"
)

const (
	// sendTimeout bounds a notice, from the connection to the end of the response.
	sendTimeout = 10 * time.Second
	// maxResponse is how much of a response is read, so that the connection can be used again.
	maxResponse = 16 << 10
)

// target is a webhook that notices can be sent to. Its address and its headers may hold secrets, so
// nothing but its host is ever logged. It does not change after it is made.
type target struct {
	url    string
	host   string
	header http.Header
	fields map[string]string
	client *http.Client
}

// newTarget returns the target at a webhook's address, which is https, or http within a home or a
// machine. The error names the option and says what to write; it shows no address.
func newTarget(w Webhook) (*target, error) {
	w = w.replaced()
	address, headers, fields := w.URL, w.Headers, w.Fields
	u, err := url.Parse(address)
	switch {
	case address == "":
		return nil, errors.New("notify has no URL: give that of a webhook (if it is a variable, set it)")
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Fragment != "":
		return nil, errors.New("notify: this is not the URL of a webhook: write it like https://ntfy.example.com, without a fragment")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("notify: %s is not a scheme of webhooks: use https", u.Scheme)
	case u.Scheme == "http" && !isPrivateHost(u.Hostname()):
		return nil, fmt.Errorf("notify: notices for %s would travel the internet in the clear: use https (http is for private addresses and names such as homeassistant.local)", u.Host)
	}
	t := &target{url: u.String(), host: u.Host, header: make(http.Header), fields: fields, client: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   sendTimeout,
		// Another host has no business with the headers, nor with the notice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(headers[name]) || headers[name] == "" {
			return nil, fmt.Errorf("notify header %q is not a header with a value (if it is a variable, set it)", name)
		}
		switch name := http.CanonicalHeaderKey(name); name {
		case "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection":
			return nil, fmt.Errorf("notify header %s is set by the request itself: remove it", name)
		}
		t.header.Set(name, headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == "" || fields[name] == "" {
			return nil, fmt.Errorf("notify field %q is empty: give it a name and a value (if it is a variable, set it)", name)
		}
	}
	return t, nil
}

// isPrivateHost reports whether a host is on this machine, or on a network of its own: by its address, or
// by a name that is not one of the internet's (RFC 6761, RFC 6762, RFC 8375, and ICANN's .internal).
func isPrivateHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true // of a container, or a machine next to this one
	}
	for _, suffix := range []string{".localhost", ".local", ".lan", ".home.arpa", ".internal"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// refusedError says that the webhook did not accept a notice.
type refusedError struct {
	status     int
	retryAfter time.Duration
}

func (e *refusedError) Error() string {
	if e.status >= 300 && e.status < 400 {
		return fmt.Sprintf("the webhook responded with a redirect (status %d), which is not followed: give notify the URL that it leads to", e.status)
	}
	return fmt.Sprintf("the webhook responded with status %d", e.status)
}

// onlyThis reports whether the webhook may accept another notice.
func (e *refusedError) onlyThis() bool {
	return e.status == http.StatusBadRequest || e.status == http.StatusUnprocessableEntity || e.status == http.StatusRequestEntityTooLarge
}

// send posts a notice. It has been accepted if the response is a 2xx.
func (t *target) send(ctx context.Context, now time.Time, n *Notice) error {
	body, err := t.body(n)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the request to the webhook could not be made")
	}
	maps.Copy(req.Header, t.header)
	req.Header.Set("Content-Type", "application/json")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "caddy-spotify")
	}
	res, err := t.client.Do(req)
	if err != nil {
		// A *url.Error shows the address.
		if shown, ok := errors.AsType[*url.Error](err); ok {
			err = shown.Err
		}
		return fmt.Errorf("the webhook is unreachable: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxResponse)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	wait, _ := retryafter.Parse(res.Header.Get("Retry-After"), now)
	return &refusedError{res.StatusCode, wait}
}

// body returns a notice with the fields of the target.
func (t *target) body(n *Notice) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(n); err != nil || len(t.fields) == 0 {
		return b.Bytes(), err
	}
	members := make(map[string]any)
	if err := json.Unmarshal(b.Bytes(), &members); err != nil {
		return nil, err
	}
	for name, value := range t.fields {
		members[name] = value
	}
	b.Reset()
	err := encoder.Encode(members)
	return b.Bytes(), err
}
