package redis

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile sets up the store from Caddyfile tokens:
//
//	store redis [<address>...] {
//		address   <address>...
//		username  <name>
//		password  <secret>
//		database  <number>
//		sentinel  <master_name> {
//			address  <host:port>...
//			username <name>
//			password <secret>
//		}
//		tls {
//			ca          <file>
//			cert        <file> <key_file>
//			server_name <name>
//			insecure_skip_verify
//		}
//		key_prefix   <prefix>
//		lease        <duration>
//		timeout      <duration>
//		dial_timeout <duration>
//	}
//
// Every option may be given once. tls without a block trusts what the system
// trusts.
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the store
	p.Addresses = d.RemainingArgs()
	o := options{d: d, within: "store redis"}
	for o.next(0) {
		var err error
		switch o.name {
		case "address":
			if len(p.Addresses) > 0 {
				return d.Errf("store redis: address is given twice, after redis and as an option; keep one of them")
			}
			p.Addresses, err = o.several("one or more addresses, such as " + defaultAddress)
		case "username":
			p.Username, err = o.one("a user name")
		case "password":
			p.Password, err = o.one("a password, such as {env.REDIS_PASSWORD}")
		case "database":
			p.Database, err = o.number()
		case "sentinel":
			p.Sentinel = new(Sentinel)
			err = p.Sentinel.unmarshal(&o)
		case "tls":
			p.TLS = new(TLS)
			err = p.TLS.unmarshal(&o)
		case "key_prefix":
			p.KeyPrefix, err = o.one("a prefix, such as " + defaultKeyPrefix)
		case "lease":
			p.Lease, err = o.duration(defaultLease.String())
		case "timeout":
			p.Timeout, err = o.duration(defaultTimeout.String())
		case "dial_timeout":
			p.DialTimeout, err = o.duration(defaultDialTimeout.String())
		default:
			err = o.unknown("address, username, password, database, sentinel, tls, key_prefix, lease, timeout or dial_timeout")
		}
		if err != nil {
			return err
		}
	}
	return o.err
}

func (s *Sentinel) unmarshal(outer *options) (err error) {
	if s.MasterName, err = outer.one("the name of the master"); err != nil {
		return err
	}
	o := options{d: outer.d, within: "store redis: sentinel"}
	for nesting := o.d.Nesting(); o.next(nesting); {
		switch o.name {
		case "address":
			s.Addresses, err = o.several("one or more addresses, such as 10.0.0.1:26379")
		case "username":
			s.Username, err = o.one("a user name")
		case "password":
			s.Password, err = o.one("a password, such as {env.SENTINEL_PASSWORD}")
		default:
			err = o.unknown("address, username or password")
		}
		if err != nil {
			return err
		}
	}
	return o.err
}

func (t *TLS) unmarshal(outer *options) (err error) {
	if err := outer.none(); err != nil {
		return err
	}
	o := options{d: outer.d, within: "store redis: tls"}
	for nesting := o.d.Nesting(); o.next(nesting); {
		switch o.name {
		case "ca":
			t.CA, err = o.one("a PEM file")
		case "cert":
			const files = "two PEM files, the certificate and its key"
			if args := o.d.RemainingArgs(); len(args) == 2 {
				t.Certificate, t.Key = args[0], args[1]
			} else {
				err = o.takes(files)
			}
		case "server_name":
			t.ServerName, err = o.one("a host name")
		case "insecure_skip_verify":
			t.InsecureSkipVerify = true
			err = o.none()
		default:
			err = o.unknown("ca, cert, server_name or insecure_skip_verify")
		}
		if err != nil {
			return err
		}
	}
	return o.err
}

// options walks over the options of one block and refuses repeated ones.
type options struct {
	d      *caddyfile.Dispenser
	within string // the block, for messages
	name   string // the option at hand
	seen   map[string]bool
	err    error
}

// next goes to the next option of the block that is nested so deep.
func (o *options) next(nesting int) bool {
	if !o.d.NextBlock(nesting) {
		return false
	}
	o.name = o.d.Val()
	if o.seen[o.name] {
		o.err = o.d.Errf("%s: %s is given twice; keep one of them", o.within, o.name)
		return false
	}
	if o.seen == nil {
		o.seen = make(map[string]bool)
	}
	o.seen[o.name] = true
	return true
}

func (o *options) unknown(known string) error {
	return o.d.Errf("%s: unknown option %q; use %s", o.within, o.name, known)
}

func (o *options) takes(what string) error {
	return o.d.Errf("%s: %s takes %s", o.within, o.name, what)
}

func (o *options) none() error {
	if o.d.NextArg() {
		return o.takes("no value; remove what follows it")
	}
	return nil
}

func (o *options) one(what string) (string, error) {
	args := o.d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", o.takes("exactly one value: " + what)
	}
	return args[0], nil
}

func (o *options) several(what string) ([]string, error) {
	args := o.d.RemainingArgs()
	if len(args) == 0 {
		return nil, o.takes(what)
	}
	return args, nil
}

func (o *options) number() (int, error) {
	value, err := o.one("a number, such as 0")
	if err != nil {
		return 0, err
	}
	number, err := strconv.Atoi(value)
	if err != nil {
		return 0, o.d.Errf("%s: %s %q is not a number; write it like 0", o.within, o.name, value)
	}
	return number, nil
}

func (o *options) duration(example string) (caddy.Duration, error) {
	value, err := o.one("a duration, such as " + example)
	if err != nil {
		return 0, err
	}
	duration, err := caddy.ParseDuration(value)
	if err != nil {
		return 0, o.d.Errf("%s: %s %q is not a duration; write it like %s", o.within, o.name, value, example)
	}
	// Zero would silently mean the default.
	if duration <= 0 || strings.HasPrefix(value, "-") {
		return 0, o.d.Errf("%s: %s %q is not positive; write it like %s", o.within, o.name, value, example)
	}
	return caddy.Duration(duration), nil
}

var _ caddyfile.Unmarshaler = (*Provider)(nil)
