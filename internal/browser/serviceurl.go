package browser

import (
	"fmt"
	"net/url"
)

// ParseServiceURL checks the URL of one of Spotify's services, or of what
// stands in for it. Tokens travel there, so it is https, or stays on this
// machine.
func ParseServiceURL(option, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s %q is not an absolute URL: give one like https://accounts.spotify.com/…, or leave the option out", option, raw)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%s %q has a user or fragment: remove it", option, raw)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		return nil, fmt.Errorf("%s %q would send tokens in the clear: use https, or http on a loopback name", option, raw)
	}
	return u, nil
}
