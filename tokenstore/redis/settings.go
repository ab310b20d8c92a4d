package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

const (
	defaultKeyPrefix = "caddy-spotify:"
	// defaultLease is short, because it is how long a process that was killed in
	// the middle of a refresh keeps others from it. A holder renews it in time.
	defaultLease       = 2500 * time.Millisecond
	defaultTimeout     = 2 * time.Second
	defaultDialTimeout = 5 * time.Second
	minLease           = 100 * time.Millisecond
)

// settings are the configuration with its placeholders replaced, its URLs taken
// apart and its defaults filled in. They do not change once made. The fields are
// exported for encoding/json, of which usageKey makes use.
type settings struct {
	Addresses          []string // host:port, or the absolute path of a socket
	Username, Password string
	Database           int
	Sentinel           *Sentinel
	TLS                *TLS
	KeyPrefix          string
	Lease              time.Duration
	Timeout            time.Duration
	DialTimeout        time.Duration
}

// usageKey hides the passwords by hashing everything.
func (s *settings) usageKey() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, numbers and booleans can always be encoded
	}
	sum := sha256.Sum256(text)
	return "redis:" + hex.EncodeToString(sum[:])
}

// secrets are what must not appear in an error.
func (s *settings) secrets() []string {
	secrets := []string{s.Password}
	if s.Sentinel != nil {
		secrets = append(secrets, s.Sentinel.Password)
	}
	return secrets
}

// faultf makes an error about the configuration: one line that names the option
// and says what to do.
func faultf(format string, args ...any) error {
	return fmt.Errorf("store redis: "+format, args...)
}

// resolve makes settings of the configuration, or says what is wrong with it.
func (p *Provider) resolve(repl *caddy.Replacer) (*settings, error) {
	r := resolver{repl: repl}
	s := &settings{
		Username:    r.text("username", p.Username),
		Password:    r.secret("password", p.Password),
		Database:    p.Database,
		KeyPrefix:   r.text("key_prefix", p.KeyPrefix),
		Lease:       orDefault(p.Lease, defaultLease),
		Timeout:     orDefault(p.Timeout, defaultTimeout),
		DialTimeout: orDefault(p.DialTimeout, defaultDialTimeout),
	}
	addresses := r.texts("address", p.Addresses)
	if p.Sentinel != nil {
		s.Sentinel = &Sentinel{
			MasterName: r.text("sentinel", p.Sentinel.MasterName),
			Addresses:  r.texts("sentinel address", p.Sentinel.Addresses),
			Username:   r.text("sentinel username", p.Sentinel.Username),
			Password:   r.secret("sentinel password", p.Sentinel.Password),
		}
	}
	if p.TLS != nil {
		s.TLS = &TLS{
			CA:                 r.text("tls ca", p.TLS.CA),
			Certificate:        r.text("tls cert", p.TLS.Certificate),
			Key:                r.text("tls cert", p.TLS.Key),
			ServerName:         r.text("tls server_name", p.TLS.ServerName),
			InsecureSkipVerify: p.TLS.InsecureSkipVerify,
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if s.KeyPrefix == "" {
		s.KeyPrefix = defaultKeyPrefix
	}
	if err := s.setAddresses(addresses); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func orDefault(d caddy.Duration, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}

// check looks at everything but the addresses.
func (s *settings) check() error {
	switch {
	case s.Username != "" && s.Password == "":
		return faultf("username %q has no password; add the option password", s.Username)
	case s.Sentinel != nil && s.Sentinel.Username != "" && s.Sentinel.Password == "":
		return faultf("sentinel username %q has no password; add the option password inside sentinel", s.Sentinel.Username)
	case s.Database < 0:
		return faultf("database %d is negative; use 0 or the number of a database", s.Database)
	case s.Database != 0 && len(s.Addresses) > 1:
		return faultf("database %d cannot be used with several addresses, for a cluster has only database 0; remove one of them", s.Database)
	case strings.ContainsFunc(s.KeyPrefix, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '{' || r == '}' }):
		return faultf("key_prefix %q has a brace, a space or a control character; use letters, digits, colons and the like", s.KeyPrefix)
	case s.Lease < minLease:
		return faultf("lease %s is too short; use at least %s", s.Lease, minLease)
	case s.Timeout <= 0:
		return faultf("timeout %s is not positive; use something like %s", s.Timeout, defaultTimeout)
	case s.DialTimeout <= 0:
		return faultf("dial_timeout %s is not positive; use something like %s", s.DialTimeout, defaultDialTimeout)
	}
	if s.TLS == nil {
		return nil
	}
	if len(s.Addresses) == 1 && isSocket(s.Addresses[0]) {
		return faultf("tls cannot be used with the Unix socket %s; remove it", s.Addresses[0])
	}
	_, err := s.TLS.config("")
	return err
}

// resolver replaces placeholders and keeps the first error.
type resolver struct {
	repl *caddy.Replacer
	err  error
}

func (r *resolver) text(option, value string) string {
	replaced, err := r.repl.ReplaceOrErr(value, true, true)
	if err != nil && r.err == nil {
		r.err = faultf("%s: %w; set it, or escape the braces with backslashes", option, err)
	}
	return replaced
}

func (r *resolver) texts(option string, values []string) []string {
	var replaced []string
	for _, value := range values {
		replaced = append(replaced, r.text(option, value))
	}
	return replaced
}

// placeholder matches what surely is a placeholder and not part of a password.
var placeholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// secret is like text, but a password that has braces in it is not shown.
func (r *resolver) secret(option, value string) string {
	if placeholder.MatchString(value) {
		return r.text(option, value)
	}
	replaced, err := r.repl.ReplaceOrErr(value, true, true)
	if err != nil && r.err == nil {
		r.err = faultf("%s: has a placeholder that is unknown or empty; set it, or escape the braces with backslashes", option)
	}
	return replaced
}
