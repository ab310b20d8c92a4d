package spotifytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Server. The zero value is a usable simulator of apps
// in development mode, with the default users, that accepts every well-formed
// client id and every redirect URI that Spotify's dashboard would let a
// developer register.
type Options struct {
	// Mode is the quota mode of the apps.
	Mode Mode
	// TrackBesideItem sends items of playlists as track too, beside item, in
	// development mode. Reports differ whether Spotify does.
	TrackBesideItem bool
	// ClientIDs are the registered apps; nil accepts any 32 lower-case hex digits.
	ClientIDs []string
	// RedirectURIs are the registered redirect URIs, matched exactly, save that
	// a loopback literal registered without a port matches any port. Nil accepts
	// what could be registered. See also [Server.Register].
	RedirectURIs []string
	// Users can log in; nil means DefaultUsers.
	Users []User
	// TokenLife is the life of access tokens; 0 means one hour.
	TokenLife time.Duration
	// Rotation is what a refresh does to the refresh token; the zero value keeps it.
	Rotation Rotation
	// Issuer, when set, is sent as `iss` on every redirect back (RFC 9207).
	Issuer string
	// RateLimit is the number of Web API requests that each client id may make
	// in any 30 s; 0 means no limit.
	RateLimit int
	// Quota is what each developer account may do in a rolling day; the zero value
	// sets no limit.
	Quota Quota
	// Now tells the time; nil means time.Now. See also [Server.Advance].
	Now func() time.Time
	// APIURL is the origin used in the absolute links of the Web API. Empty
	// means the listening address, or https://api.spotify.com without a listener.
	APIURL string
	// ImageURL is the origin of cover pictures; empty means APIURL's rule.
	ImageURL string
	// PlaylistLength is the number of items in the longest playlist; 0 means 540.
	PlaylistLength int
	// Control opens /_control, the HTTP form of this package's methods.
	Control bool
	// RecordLimit bounds the requests kept for Requests; 0 means 20000. The
	// oldest give way.
	RecordLimit int
}

// Server is the simulator. Make it with New; all methods are safe for
// concurrent use.
type Server struct {
	opts     Options
	ledger   *ledger
	record   *recorder
	faults   *faults
	limiter  *limiter
	quotas   *Quotas
	library  *library
	consents *consents
	users    map[string]*User
	order    []*User
	avatars  map[string]cover

	handler, accounts, api http.Handler

	offset atomic.Int64 // what Advance added to the clock, in ns
	base   atomic.Pointer[string]

	ownerLapsed atomic.Bool // see SetOwnerPremium

	closing  chan struct{}
	closeOne sync.Once
}

// New returns a simulator that is not listening. Close it when it was given
// requests that may hang.
func New(opts Options) *Server {
	if opts.Users == nil {
		opts.Users = DefaultUsers()
	}
	if opts.TokenLife == 0 {
		opts.TokenLife = time.Hour
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.PlaylistLength == 0 {
		opts.PlaylistLength = 540
	}
	if opts.RecordLimit == 0 {
		opts.RecordLimit = 20000
	}
	s := &Server{
		opts:    opts,
		users:   make(map[string]*User, len(opts.Users)),
		avatars: make(map[string]cover),
		closing: make(chan struct{}),
	}
	for i := range opts.Users {
		u := opts.Users[i].withDefaults()
		s.users[u.ID] = &u
		s.order = append(s.order, &u)
		s.avatars[avatarOf(&u).id()] = avatarOf(&u)
	}
	s.avatars[avatarOf(editor).id()] = avatarOf(editor)
	s.ledger = newLedger(opts.TokenLife, opts.Rotation, s.Now)
	s.record = newRecorder(opts.RecordLimit)
	s.faults = newFaults(s.closing)
	s.limiter = newLimiter(opts.RateLimit)
	s.quotas = NewQuotas(opts.Quota)
	s.consents = newConsents(opts.RedirectURIs)
	s.library = newLibrary(s.order, opts.PlaylistLength, s.Now)
	s.accounts = s.watch(s.accountsMux())
	s.api = s.watch(s.apiMux())
	s.handler = s.wholeMux()
	return s
}

// Handler serves everything on one origin.
func (s *Server) Handler() http.Handler { return s.handler }

// AccountsHandler serves the accounts service: /authorize and /api/token.
func (s *Server) AccountsHandler() http.Handler { return s.accounts }

// APIHandler serves the Web API below /v1, the pictures below /image and a
// stand-in for the Web Playback SDK.
func (s *Server) APIHandler() http.Handler { return s.api }

func (s *Server) wholeMux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/authorize", s.accounts)
	mux.Handle("/api/token", s.accounts)
	mux.Handle("/v1/", s.api)
	mux.Handle("/image/", s.api)
	mux.Handle("/spotify-player.js", s.api)
	mux.Handle("/sdk/", s.api)
	if s.opts.Control {
		mux.Handle("/_control/", s.controlMux())
	}
	return mux
}

// Now returns the simulator's time.
func (s *Server) Now() time.Time {
	return s.opts.Now().Add(time.Duration(s.offset.Load()))
}

// Advance moves the simulator's clock on by d: tokens age, codes expire, the
// player plays.
func (s *Server) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// Close lets go of every request that hangs or is held. It is idempotent.
func (s *Server) Close() { s.closeOne.Do(func() { close(s.closing) }) }

func (s *Server) apiURL() string {
	if s.opts.APIURL != "" {
		return strings.TrimSuffix(s.opts.APIURL, "/")
	}
	return s.listenURL()
}

func (s *Server) imageURL() string {
	if s.opts.ImageURL != "" {
		return strings.TrimSuffix(s.opts.ImageURL, "/")
	}
	return s.listenURL()
}

func (s *Server) listenURL() string {
	if b := s.base.Load(); b != nil {
		return *b
	}
	return "https://api.spotify.com"
}

// Running is a Server that listens. All its URLs are absolute and have no
// trailing slash.
type Running struct {
	*Server
	// URL is the origin of the whole simulator.
	URL string
	// AuthorizeURL and TokenURL are the accounts service's endpoints.
	AuthorizeURL, TokenURL string
	// APIURL is the Web API's origin, without /v1.
	APIURL string

	http   *http.Server
	served chan struct{}
	once   sync.Once
}

// Listen starts serving on addr, for example "127.0.0.1:9090"; an empty addr is
// a free port of 127.0.0.1. Call Close to stop.
func (s *Server) Listen(addr string) (*Running, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for the spotify simulator: %w", err)
	}
	url := "http://" + ln.Addr().String()
	s.base.Store(&url)
	r := &Running{
		Server:       s,
		URL:          url,
		AuthorizeURL: url + "/authorize",
		TokenURL:     url + "/api/token",
		APIURL:       url,
		http:         &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second},
		served:       make(chan struct{}),
	}
	go func() {
		defer close(r.served)
		// Serve always ends with an error; ErrServerClosed is Close's doing and
		// any other means that the listener died, which every client then sees.
		_ = r.http.Serve(ln)
	}()
	return r, nil
}

// Close stops listening, ends every request and waits for the listener's
// goroutine. It is idempotent.
func (r *Running) Close() {
	r.once.Do(func() {
		r.Server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			_ = r.http.Close() // a client keeps a connection busy; it loses it
		}
		<-r.served
	})
}

// TB is what this package needs of a *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Start listens on a free port of 127.0.0.1 until the test ends.
func Start(t TB, opts Options) *Running {
	t.Helper()
	r, err := New(opts).Listen("")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(r.Close)
	return r
}
