// Package redis keeps sessions in Redis 7 or later, or in Valkey, so that many
// machines can share them. It is a guest module of spotify_auth and is linked
// only into programs that import it.
//
// A record is a hash that expires by itself. Every change to it is one script
// on the server, which compares and sets in a single step. The servers tell each
// instance when another one changed a record that it has loaded, so that a
// logout on one machine ends the session on all.
package redis

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

func init() {
	caddy.RegisterModule(Provider{})
}

// Provider is the guest module http.handlers.spotify_auth.stores.redis. Its
// zero value is a server on 127.0.0.1:6379 without a password.
//
// Placeholders are replaced in every text when the configuration is loaded, so
// that a password can be {env.REDIS_PASSWORD} or {file./run/secrets/redis}.
type Provider struct {
	// Addresses are the servers: host, host:port, the path of a Unix socket, or
	// a URL with the scheme redis, rediss (TLS) or unix. Several are nodes of
	// one Redis Cluster. The default is 127.0.0.1:6379. A URL may also carry
	// the user name, the password and the database, and must be the only
	// address then.
	Addresses []string `json:"addresses,omitempty"`

	// Username is the ACL user. Without it, Password is that of the user "default".
	Username string `json:"username,omitempty"`

	// Password is the user's password.
	Password string `json:"password,omitempty"`

	// Database is the number of the logical database. A cluster has only 0,
	// which is the default.
	Database int `json:"database,omitempty"`

	// Sentinel finds the master through Redis Sentinel. It takes the place of
	// Addresses; Username, Password and Database are those of the master.
	Sentinel *Sentinel `json:"sentinel,omitempty"`

	// TLS encrypts all connections, those to sentinels too.
	TLS *TLS `json:"tls,omitempty"`

	// KeyPrefix begins the name of every key this store uses. Sites that are to
	// share sessions need the same. The default is "caddy-spotify:".
	KeyPrefix string `json:"key_prefix,omitempty"`

	// Lease is for how long a crashed instance can keep the others from
	// refreshing a session. A live instance renews its leases at a third of it.
	// The default is 2.5s, the least 100ms.
	Lease caddy.Duration `json:"lease,omitempty"`

	// Timeout is for how long one command may take, connecting included. The
	// default is 2s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// DialTimeout is for how long connecting to one server may take. The
	// default is 5s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	settings *settings // what Provision made of the above
}

// Sentinel says how to ask Redis Sentinel for the master.
type Sentinel struct {
	// MasterName is the name under which the sentinels know the master. Required.
	MasterName string `json:"master_name,omitempty"`

	// Addresses are those of the sentinels, as host or host:port; the default
	// port is 26379. At least one is required; the others are asked for.
	Addresses []string `json:"addresses,omitempty"`

	// Username is that of the sentinels themselves, if they ask for one.
	Username string `json:"username,omitempty"`

	// Password is that of the sentinels themselves, if they ask for one.
	Password string `json:"password,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth.stores.redis",
		New: func() caddy.Module { return new(Provider) },
	}
}

// Provision checks the configuration. It does not connect.
func (p *Provider) Provision(ctx caddy.Context) error {
	resolved, err := p.resolve(caddy.NewReplacer())
	if err != nil {
		return err
	}
	if risk := resolved.risk(); risk != "" {
		ctx.Logger().Warn(risk)
	}
	p.settings = resolved
	return nil
}

// UsageKey implements tokenstore.Provider. It is a hash of all settings.
func (p *Provider) UsageKey() string { return p.settings.usageKey() }

// Store implements tokenstore.Provider. It returns a *Store, which connects when
// it is first used and is to be closed in the end.
func (p *Provider) Store() (tokenstore.Store, error) { return newStore(p.settings), nil }

var (
	_ caddy.Provisioner   = (*Provider)(nil)
	_ tokenstore.Provider = (*Provider)(nil)
)
