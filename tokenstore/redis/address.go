package redis

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultAddress      = "127.0.0.1:6379"
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// setAddresses brings the addresses into the form that rueidis wants.
func (s *settings) setAddresses(addresses []string) error {
	if s.Sentinel != nil {
		if len(addresses) > 0 {
			return faultf("address and sentinel exclude each other; the sentinels' addresses belong inside sentinel { address ... }")
		}
		if s.Sentinel.MasterName == "" {
			return faultf("sentinel needs the name of the master, as in: sentinel mymaster { address 10.0.0.1:26379 }")
		}
		if len(s.Sentinel.Addresses) == 0 {
			return faultf("sentinel needs the address of at least one sentinel, as in: sentinel mymaster { address 10.0.0.1:26379 }")
		}
		for i, address := range s.Sentinel.Addresses {
			hostPort, err := withPort(address, defaultSentinelPort)
			if err != nil {
				return faultf("sentinel address %q is not host:port; write it like 10.0.0.1:26379", address)
			}
			s.Sentinel.Addresses[i] = hostPort
		}
		return nil
	}
	if len(addresses) == 0 {
		addresses = []string{defaultAddress}
	}
	for _, address := range addresses {
		if s.TLS == nil && (strings.HasPrefix(address, "rediss://") || strings.HasPrefix(address, "valkeys://")) {
			s.TLS = new(TLS)
		}
	}
	for i, address := range addresses {
		resolved, err := s.address(i+1, address, len(addresses) == 1)
		if err != nil {
			return err
		}
		s.Addresses = append(s.Addresses, resolved)
	}
	if len(s.Addresses) > 1 {
		for _, address := range s.Addresses {
			if isSocket(address) {
				return faultf("address %s is a Unix socket among several addresses; a cluster needs host:port", address)
			}
		}
	}
	return nil
}

// address resolves the nth address. What a URL says goes into the settings.
func (s *settings) address(n int, address string, only bool) (string, error) {
	if strings.HasPrefix(address, "/") {
		return address, nil
	}
	if !strings.Contains(address, "://") {
		hostPort, err := withPort(address, defaultPort)
		if err != nil {
			return "", faultf("address %q is not host:port; write it like %s", address, defaultAddress)
		}
		return hostPort, nil
	}
	// The error of url.Parse has the password in it.
	u, err := url.Parse(address)
	if err != nil {
		return "", faultf("address %d is not a valid URL; write it like redis://127.0.0.1:6379/0, with special characters of the password percent-encoded", n)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", faultf("address %d has a query or a fragment; use the options of this store instead", n)
	}
	if u.User != nil {
		if err := s.takeUser(n, u.User, only); err != nil {
			return "", err
		}
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return "", faultf("address %d does not name a socket; write it like unix:///run/redis/redis.sock", n)
		}
		return u.Path, nil
	case "rediss", "valkeys":
	case "redis", "valkey":
		if s.TLS != nil {
			return "", faultf("address %d says %s:// where TLS is on; write rediss://", n, u.Scheme)
		}
	default:
		return "", faultf("address %d has the scheme %q; use redis, rediss or unix", n, u.Scheme)
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		number, err := strconv.Atoi(database)
		if err != nil {
			return "", faultf("address %d has the path %q; write the number of the database there, as in redis://127.0.0.1:6379/0", n, u.Path)
		}
		if s.Database != 0 && s.Database != number {
			return "", faultf("database is given twice, in address %d and by itself; keep one of them", n)
		}
		s.Database = number
	}
	hostPort, err := withPort(u.Host, defaultPort)
	if err != nil {
		return "", faultf("address %d has no valid host and port; write it like redis://127.0.0.1:6379", n)
	}
	return hostPort, nil
}

// takeUser takes user name and password from a URL.
func (s *settings) takeUser(n int, user *url.Userinfo, only bool) error {
	if !only {
		return faultf("address %d carries a password among several addresses; use the options username and password", n)
	}
	if s.Username != "" || s.Password != "" {
		return faultf("username and password are given twice, in address %d and by themselves; keep one of them", n)
	}
	s.Username = user.Username()
	s.Password, _ = user.Password()
	return nil
}

func isSocket(address string) bool { return strings.HasPrefix(address, "/") }

// withPort returns address as host:port.
func withPort(address, port string) (string, error) {
	host := address
	// An IPv6 address without brackets has no port.
	if strings.Contains(address, "]:") || strings.Count(address, ":") == 1 {
		var err error
		if host, port, err = net.SplitHostPort(address); err != nil {
			return "", err
		}
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || strings.ContainsAny(host, "/@?# ") {
		return "", errors.New("no host")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// risk is what others on the network could do, in words for the operator, or empty.
func (s *settings) risk() string {
	switch {
	case s.TLS != nil && s.TLS.InsecureSkipVerify:
		return "redis tls insecure_skip_verify is set; anyone on the way to the server can read the password and change the sessions"
	case s.TLS == nil && strings.Join(s.secrets(), "") != "" && !s.isLocal():
		return "redis password is sent to another host without TLS, where anyone on the way can read it; use tls, or rediss:// in the address"
	}
	return ""
}

// isLocal reports whether all servers and sentinels are on this machine. A master
// that sentinels name may be elsewhere.
func (s *settings) isLocal() bool {
	return s.Sentinel == nil && !slices.ContainsFunc(s.Addresses, func(address string) bool {
		host, _, err := net.SplitHostPort(address)
		if isSocket(address) || err != nil || strings.EqualFold(host, "localhost") {
			return false
		}
		ip, err := netip.ParseAddr(host)
		return err != nil || !ip.Unmap().IsLoopback()
	})
}
