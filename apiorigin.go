package caddyspotify

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// apiOrigin is the one place that tokens are sent to. It does not change once
// made.
type apiOrigin struct {
	scheme   string
	host     string // of the Host header: without the scheme's default port
	address  string // host and port, as dialled
	basePath string // of an API below the root of its host; else empty
}

// parseAPIOrigin reads the option api_url.
func parseAPIOrigin(raw string) (*apiOrigin, error) {
	u, err := parseServiceURL("api_url", raw)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, fmt.Errorf("api_url %q has a query: remove it", raw)
	}
	base := strings.TrimSuffix(u.Path, "/")
	if base != "" && (!plainAPIPath(u) || u.EscapedPath() != u.Path) {
		return nil, fmt.Errorf("api_url %q has a path that is not plain: use letters, digits, '-' and '_' between single slashes", raw)
	}
	address := strings.ToLower(dialAddress(u))
	host := address
	if name, port, err := net.SplitHostPort(address); err != nil || name == "" || port == "" {
		return nil, fmt.Errorf("api_url %q has no host: give one like https://api.spotify.com", raw)
	} else if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(address, ":"+port)
	}
	return &apiOrigin{scheme: u.Scheme, host: host, address: address, basePath: base}, nil
}

func (o *apiOrigin) String() string { return o.scheme + "://" + o.host + o.basePath }

// leadsTo reports whether reverse_proxy directed req to o: the URL and the
// upstream that will be dialled must both be o's. The Host header is not asked;
// it says nothing about where a request goes, and is replaced anyway.
//
// With the PROXY protocol, reverse_proxy puts the client's address into the
// URL's host to tell connections apart, so that only the upstream counts.
func (o *apiOrigin) leadsTo(req *http.Request, proxyProtocol bool) bool {
	if req.URL.Scheme != "" && req.URL.Scheme != o.scheme {
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
