package upstream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddyspotify/caddy-spotify/pkce"
)

// connectionsPool has the connections to the Web API, which a reload of the configuration
// leaves open.
var connectionsPool = caddy.NewUsagePool()

// Connections are the connections of an http.Transport to the Web API. While there are
// requests now and then, one is open at all times: to open one takes two round trips,
// which a visitor would wait for. It costs no request: nothing is sent over a connection
// that is opened in advance but TLS's handshake and HTTP/2's own frames. It is safe for
// concurrent use.
type Connections struct {
	// Transport has them.
	Transport *http.Transport

	url    string
	clock  pkce.Clock
	logger atomic.Pointer[zap.Logger] // of the newest configuration
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	used atomic.Bool // since it was last looked at

	mu       sync.Mutex
	open     int
	lastUse  time.Duration // by the monotonic clock
	opened   time.Duration // the last one
	pause    time.Duration // before the next attempt
	planned  func() bool   // stops it, if there is one
	closed   bool
	underway bool
}

// ConnectionsOptions are the options of AcquireConnections.
type ConnectionsOptions struct {
	// Key is equal for configurations whose connections are the same, so that they share
	// them.
	Key any
	// Transport is used unless another configuration's is.
	Transport *http.Transport
	API       *Origin
	Clock     pkce.Clock
	Logger    *zap.Logger
}

// AcquireConnections returns the connections that all configurations with a key share,
// and what lets go of them.
func AcquireConnections(o ConnectionsOptions) (*Connections, func() error, error) {
	value, _, err := connectionsPool.LoadOrNew(o.Key, func() (caddy.Destructor, error) { return newConnections(o), nil })
	if err != nil {
		return nil, nil, err
	}
	c := value.(*Connections)
	c.logger.Store(o.Logger)
	return c, func() error {
		_, err := connectionsPool.Delete(o.Key)
		return err
	}, nil
}

// ConnectionsKey returns the key of connections that are made with options of the
// transport http to an API. They are shared if the options say all of it. What is read
// from files or made by modules may be another next time. Caddy takes the modules out of
// the options when it provisions them, so the key has to be asked for before that.
func ConnectionsKey(h *reverseproxy.HTTPTransport, api *Origin) any {
	fromElsewhere := len(h.NetworkProxyRaw) > 0
	if c := h.TLS; c != nil {
		fromElsewhere = fromElsewhere || len(c.CARaw) > 0 || len(c.RootCAPool)+len(c.RootCAPEMFiles) > 0 || //nolint:staticcheck // deprecated, and still read
			c.ClientCertificateFile != "" || c.ClientCertificateAutomate != ""
	}
	options, err := json.Marshal(h)
	if err != nil || fromElsewhere {
		return new(byte)
	}
	return api.String() + " " + string(options)
}

const (
	// stayWarm is for how long after a request a connection is opened again when it is
	// closed: a site that has a visitor a day has one at all times.
	stayWarm = 24 * time.Hour
	// firstPause is the pause before the first connection is opened. A process that only
	// checks a configuration has ended by then.
	firstPause = 250 * time.Millisecond
	// leastPause and longestPause bound the pause before one that is closed is opened
	// again. It doubles while they do not last for lasting.
	leastPause   = time.Second
	longestPause = 5 * time.Minute
	lasting      = 10 * time.Second
	// connectTimeout bounds an attempt.
	connectTimeout = 30 * time.Second
)

func newConnections(o ConnectionsOptions) *Connections {
	c := &Connections{Transport: o.Transport, url: o.API.String(), clock: o.Clock, pause: leastPause}
	c.logger.Store(o.Logger)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if !c.canWarm(o.API) {
		c.closed = true // nothing is opened in advance
		return c
	}
	dial := c.Transport.DialContext
	c.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.begun()
		return &countedConn{Conn: conn, ended: sync.OnceFunc(c.ended)}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUse = c.clock.Monotonic()
	c.plan(firstPause)
	return c
}

// canWarm reports whether connections are of a kind that can be opened in advance: over
// TLS, with HTTP/2, kept, and not for one client each.
func (c *Connections) canWarm(api *Origin) bool {
	t := c.Transport
	return api.Scheme == "https" && t.DialContext != nil && t.DialTLSContext == nil && !t.DisableKeepAlives &&
		(len(t.TLSNextProto) > 0 || t.Protocols != nil && t.Protocols.HTTP2())
}

// Use notes that there is a request. c may be nil.
func (c *Connections) Use() {
	if c != nil && !c.used.Load() {
		c.used.Store(true)
	}
}

// countedConn is a connection that says when it ends.
type countedConn struct {
	net.Conn
	ended func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.ended()
	return c.Conn.Close()
}

func (c *Connections) begun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	c.opened = c.clock.Monotonic()
	c.unplan()
}

func (c *Connections) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open > 0 {
		return
	}
	now := c.clock.Monotonic()
	if now-c.opened >= lasting {
		c.pause = leastPause
	}
	c.again(now)
}

// again plans the next attempt, if there have been requests lately. c is locked.
func (c *Connections) again(now time.Duration) {
	if c.used.Swap(false) {
		c.lastUse = now
	}
	if now-c.lastUse < stayWarm {
		c.plan(c.pause)
		c.pause = min(2*c.pause, longestPause)
	}
}

// plan plans an attempt. c is locked.
func (c *Connections) plan(pause time.Duration) {
	c.unplan()
	if !c.closed {
		c.planned = c.clock.AfterFunc(pause, c.connect)
	}
}

// unplan drops the attempt that was planned. c is locked.
func (c *Connections) unplan() {
	if c.planned != nil {
		c.planned()
		c.planned = nil
	}
}

// connect opens a connection, unless there is one.
func (c *Connections) connect() {
	c.mu.Lock()
	if c.closed || c.underway || c.open > 0 {
		c.mu.Unlock()
		return
	}
	c.underway, c.planned = true, nil
	c.work.Add(1)
	c.mu.Unlock()
	defer c.work.Done()
	err := c.handshake()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.underway = false
	if err == nil || c.closed {
		return
	}
	// It is no failure if a request has opened one meanwhile.
	if c.open == 0 {
		c.logger.Load().Debug("opening a connection to the web api in advance failed; will retry", zap.Error(err))
		if c.planned == nil {
			c.again(c.clock.Monotonic())
		}
	}
}

// handshake opens a connection that nothing is sent over. There is a request that it is
// for, but that is cancelled once the connection is there, before net/http hands it over:
// then net/http keeps it for the next request.
//
// If another request has opened a connection meanwhile, the one for nothing is not sent
// either: HTTP/2 refuses a header that belongs to a connection (RFC 9113 §8.2.2), and a
// connection of HTTP/1.1 is closed.
func (c *Connections) handshake() error {
	ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
	defer cancel()
	over := make(chan struct{})
	var done atomic.Bool
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				done.Store(true)
				cancel()
				<-over
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if conn, ok := info.Conn.(*tls.Conn); !ok || conn.ConnectionState().NegotiatedProtocol != "h2" {
				_ = info.Conn.Close()
			}
		},
	}), http.MethodOptions, c.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Upgrade", "nothing")
	res, err := c.Transport.RoundTrip(req)
	close(over)
	if err == nil {
		_ = res.Body.Close() // cannot be
	}
	if done.Load() {
		return nil
	}
	return err
}

// Destruct implements caddy.Destructor.
func (c *Connections) Destruct() error {
	c.mu.Lock()
	c.closed = true
	c.unplan()
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
	c.Transport.CloseIdleConnections()
	return nil
}
