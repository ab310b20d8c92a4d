package browser

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// SameSite reports whether browsers count two hosts, of one scheme, as one
// site: they are the same, or below one domain that somebody has registered.
// What can be registered is on the public suffix list: a.github.io and
// b.github.io are two sites, as a.co.uk and b.co.uk are.
//
// https://html.spec.whatwg.org/multipage/browsers.html#same-site
func sameSite(a, b string) bool {
	if a == b {
		return true
	}
	if isIP(a) || isIP(b) {
		return false
	}
	domainA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	domainB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && domainA == domainB
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// originHost returns a URL's host name, without brackets, and its host with
// port, both as browsers write them in an origin. What a browser would read as
// another host is an error that says what to write.
func originHost(u *url.URL) (name, host string, err error) {
	name = strings.ToLower(u.Hostname())
	host = name
	switch addr, err := netip.ParseAddr(name); {
	case err == nil && addr.Zone() != "":
		return "", "", errors.New("has a zone, which browsers do not know: leave it out")
	case err == nil:
		name = addr.String()
		if host = name; addr.Is6() {
			host = "[" + name + "]"
		}
	case looksNumeric(name):
		return "", "", errors.New("has a host that browsers take for an address written in another way: write it like 127.0.0.1")
	case strings.HasSuffix(name, "."):
		return "", "", errors.New("has a dot at the end of its host, which makes another host of it: leave it out")
	case strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }):
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", "", fmt.Errorf("has a host that cannot be a name: %w", err)
		}
		host = name
	}
	switch port, err := strconv.ParseUint(u.Port(), 10, 16); {
	case u.Port() == "":
	case err != nil || port == 0:
		return "", "", fmt.Errorf("has the port %s, which there is not: give one from 1 to 65535, or none", u.Port())
	case u.Scheme == "https" && port == 443, u.Scheme == "http" && port == 80:
		// Browsers leave the default port out.
	default:
		host += ":" + strconv.FormatUint(port, 10)
	}
	return name, host, nil
}

// looksNumeric reports whether browsers read a host as an IPv4 address, in
// whatever notation, or as a broken one: its last label is a number.
//
// https://url.spec.whatwg.org/#ends-in-a-number-checker
func looksNumeric(name string) bool {
	name = strings.TrimSuffix(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
