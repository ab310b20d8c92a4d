package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// pingInterval is how often an idle connection is tried. Together with the
	// timeout it bounds for how long a connection that died without a word can
	// hide what other instances change.
	pingInterval = 2 * time.Second

	// retryDelay grows with each attempt of a command, of which there are three.
	retryDelay  = 20 * time.Millisecond
	maxAttempts = 3

	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
)

// connector makes the client when it is first needed, because loading a
// configuration must not connect and rueidis.NewClient does. All who need it
// meanwhile wait for the same attempt, and after one that failed the next is
// put off for a while.
type connector struct {
	settings     *settings
	invalidated  func([]rueidis.RedisMessage)
	dialBackoffs sync.Map // address → *backoff

	mu      sync.Mutex
	client  rueidis.Client
	attempt *attempt // under way, else nil
	backoff backoff
	closed  bool
}

// attempt is one attempt to connect. err may be read once done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

// get returns the client, connecting first if need be.
func (c *connector) get(ctx context.Context) (rueidis.Client, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, errClosed
		}
		if c.client != nil {
			defer c.mu.Unlock()
			return c.client, nil
		}
		a := c.attempt
		if a == nil {
			if err := c.backoff.check(); err != nil {
				c.mu.Unlock()
				return nil, err
			}
			a = &attempt{done: make(chan struct{})}
			c.attempt = a
			go c.connect(a)
		}
		c.mu.Unlock()
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// connect runs detached from the calls that wait for it, so that none of them
// can spoil it for the others. The dial timeout bounds it.
func (c *connector) connect(a *attempt) {
	client, err := rueidis.NewClient(c.options())
	if err == nil {
		err = checkVersion(client, c.settings.Timeout)
	}
	c.mu.Lock()
	if err == nil && c.closed {
		err = errClosed
	}
	if err == nil {
		c.client = client
		c.backoff.succeeded()
	} else {
		a.err = err
		c.backoff.failed(err)
	}
	c.attempt = nil
	c.mu.Unlock()
	if err != nil && client != nil {
		client.Close()
	}
	close(a.done)
}

// close ends the client and waits for an attempt under way.
func (c *connector) close() {
	c.mu.Lock()
	c.closed = true
	client, a := c.client, c.attempt
	c.mu.Unlock()
	if client != nil {
		client.Close()
	}
	if a != nil {
		<-a.done
	}
}

// options translates the settings for rueidis.
func (c *connector) options() rueidis.ClientOption {
	s := c.settings
	dialer := net.Dialer{Timeout: s.DialTimeout, KeepAlive: pingInterval}
	o := rueidis.ClientOption{
		InitAddress: s.Addresses,
		Username:    s.Username,
		Password:    s.Password,
		SelectDB:    s.Database,
		ClientName:  "caddy-spotify",
		Dialer:      dialer,
		DialCtxFn:   c.dial,
		// OPTOUT: the server remembers every key read over the connection, also
		// after a redirect, which an opt-in before each read would not survive.
		// NOLOOP: it says nothing of what the same connection changed. So there
		// is one connection to each server, for reading and for writing.
		ClientTrackingOptions: []string{"OPTOUT", "NOLOOP"},
		OnInvalidations:       c.invalidated,
		PipelineMultiplex:     -1,
		ConnWriteTimeout:      s.Timeout,
		RetryDelay:            delayRetry,
		// A record is a few hundred bytes; rueidis's defaults are half a
		// megabyte each, and for a cache that is not used here 128 MiB.
		ReadBufferEachConn:  1 << 16,
		WriteBufferEachConn: 1 << 16,
		CacheSizeEachConn:   1 << 16,
		// A socket cannot be a cluster's.
		ForceSingleClient: len(s.Addresses) == 1 && isSocket(s.Addresses[0]),
	}
	if s.TLS != nil {
		o.TLSConfig = new(tls.Config) // asks clusters for TLS ports; dial makes the real one
	}
	if s.Sentinel != nil {
		o.InitAddress = s.Sentinel.Addresses
		o.Sentinel = rueidis.SentinelOption{
			MasterSet:  s.Sentinel.MasterName,
			Username:   s.Sentinel.Username,
			Password:   s.Sentinel.Password,
			ClientName: o.ClientName,
			Dialer:     dialer,
			TLSConfig:  o.TLSConfig,
			// A missed announcement of a new master would otherwise never be noticed.
			TopologyRefreshInterval: 5 * time.Second,
		}
	}
	return o
}

// delayRetry lets commands that may be repeated outlive a broken connection, but
// not pile up while the server is away.
func delayRetry(attempts int, _ rueidis.Completed, _ error) time.Duration {
	if attempts >= maxAttempts {
		return -1
	}
	return time.Duration(attempts) * retryDelay
}

// dial connects to one server. After a failure it fails at once for a while.
func (c *connector) dial(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	entry, _ := c.dialBackoffs.LoadOrStore(address, new(backoff))
	b := entry.(*backoff)
	if err := b.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.settings.DialTimeout)
	defer cancel()
	conn, err := c.dialOnce(ctx, address, dialer)
	if err != nil {
		b.failed(err)
		return nil, err
	}
	b.succeeded()
	return conn, nil
}

func (c *connector) dialOnce(ctx context.Context, address string, dialer *net.Dialer) (net.Conn, error) {
	switch {
	case isSocket(address):
		return dialer.DialContext(ctx, "unix", address)
	case c.settings.TLS == nil:
		return dialer.DialContext(ctx, "tcp", address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config, err := c.settings.TLS.config(host)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
}

// checkVersion asks the server what it is.
func checkVersion(client rueidis.Client, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	hello, err := client.Do(ctx, client.B().Hello().Build()).AsMap()
	if err != nil {
		return err
	}
	field := func(name string) string {
		message := hello[name]
		text, _ := message.ToString()
		return text
	}
	server, version := field("server"), field("version")
	// The fork's numbers begin at 7.2.
	if server == "valkey" {
		return nil
	}
	major, _, _ := strings.Cut(version, ".")
	if number, err := strconv.Atoi(major); err != nil || number < 7 {
		return fmt.Errorf("the server is %s %s; use Redis 7 or later, or Valkey", server, version)
	}
	return nil
}

// backoff puts off what failed lately. Its zero value is ready.
type backoff struct {
	mu       sync.Mutex
	failures int
	err      error
	until    time.Time
}

// check returns the last error while it is too early for another attempt.
func (b *backoff) check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil && time.Now().Before(b.until) {
		return b.err
	}
	return nil
}

func (b *backoff) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pause := min(minBackoff<<min(b.failures, 10), maxBackoff)
	b.failures++
	b.err = err
	// Jitter keeps the instances from knocking all at once.
	b.until = time.Now().Add(pause/2 + rand.N(pause/2))
}

func (b *backoff) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.err = 0, nil
}
