package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

// Origin is the one place that tokens are sent to. It does not change once
// made.
type Origin struct {
	Scheme   string
	host     string // of the Host header: without the scheme's default port
	address  string // host and port, as dialled
	basePath string // of an API below the root of its host; else empty
}

// ParseOrigin reads the option api_url.
func ParseOrigin(raw string) (*Origin, error) {
	u, err := browser.ParseServiceURL("api_url", raw)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, fmt.Errorf("api_url %q has a query: remove it", raw)
	}
	base := strings.TrimSuffix(u.Path, "/")
	if base != "" && (!webapi.PlainPath(u) || u.EscapedPath() != u.Path) {
		return nil, fmt.Errorf("api_url %q has a path that is not plain: use letters, digits, '-' and '_' between single slashes", raw)
	}
	address := strings.ToLower(DialAddress(u))
	host := address
	if name, port, err := net.SplitHostPort(address); err != nil || name == "" || port == "" {
		return nil, fmt.Errorf("api_url %q has no host: give one like https://api.spotify.com", raw)
	} else if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(address, ":"+port)
	}
	return &Origin{Scheme: u.Scheme, host: host, address: address, basePath: base}, nil
}

// String is the origin as a URL.
func (o *Origin) String() string { return o.Scheme + "://" + o.host + o.basePath }

// leadsTo reports whether reverse_proxy directed req to o: the URL and the
// upstream that will be dialled must both be o's. The Host header is not asked;
// it says nothing about where a request goes, and is replaced anyway.
//
// With the PROXY protocol, reverse_proxy puts the client's address into the
// URL's host to tell connections apart, so that only the upstream counts.
func (o *Origin) leadsTo(req *http.Request, proxyProtocol bool) bool {
	if req.URL.Scheme != "" && req.URL.Scheme != o.Scheme {
		return false
	}
	upstream, ok := reverseproxy.GetDialInfo(req.Context())
	if ok && !(strings.HasPrefix(upstream.Network, "tcp") && equalFold(upstream.Address, o.address)) {
		return false
	}
	if ok && proxyProtocol {
		return true
	}
	return equalFold(req.URL.Host, o.address) || equalFold(req.URL.Host, o.host)
}

// equalFold is strings.EqualFold, faster for what is almost always equal.
func equalFold(a, b string) bool { return a == b || strings.EqualFold(a, b) }

// DialAddress is where the service at u listens.
func DialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
