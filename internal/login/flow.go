package login

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/session"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/pkce"
)

// guardLife is how soon after a login a new one, started by a page and not
// by a person, means that the browser did not keep the session.
const guardLife = 10 * time.Second

// Purpose is what a login is for that does not begin a session, such as
// one that creates an access key.
type Purpose struct {
	Name      string // in the cookies of pending logins: lower-case letters
	RetryURL  string // where a login that failed is started again
	Exclusive bool   // a browser has at most one such login pending, for its cookie is large
	// Finish ends a login that worked.
	Finish func(ctx context.Context, w http.ResponseWriter, r *http.Request, result Result) error
	// Cancelled words what it means that the person said no. It may be nil.
	Cancelled func(*problem.Problem)
}

// Result is what a login with a purpose led to.
type Result struct {
	Token   *pkce.Token
	Details string // of the purpose, as they were given
	State   string // for Flow.Succeeded
}

// Flow is the Authorization Code flow of a site, through the browser. It is
// safe for concurrent use once its purposes are registered.
type Flow struct {
	site           *site.Site
	tokens         *pkce.Config
	issuer         string       // of the authorization server, for RFC 9207
	client         *http.Client // for the account lookup
	apiURL         string
	scopes         []string // asked for at every login
	optionalScopes []string // that a login may ask for in addition
	slots          *slotsGiven
	states         *usedStates
	exchanges      *exchanges
	purposes       map[string]*Purpose
	begins         func(ctx context.Context, r *http.Request, sess *session.Session)
}

// New returns the flow of a site whose logins ask for the scopes of
// tokens, and for the optional ones where they are named.
func New(s *site.Site, tokens *pkce.Config, apiURL string, optionalScopes []string) *Flow {
	return &Flow{
		site:           s,
		tokens:         tokens,
		issuer:         IssuerOf(tokens.AuthorizeURL),
		client:         tokens.HTTPClient,
		apiURL:         apiURL,
		scopes:         tokens.Scopes,
		optionalScopes: optionalScopes,
		slots:          newSlotsGiven(),
		states:         newUsedStates(),
		exchanges:      newExchanges(s.Clock, tokens.Timeout),
		purposes:       make(map[string]*Purpose),
	}
}

// Scopes returns those that every login asks for. They are not to be changed.
func (f *Flow) Scopes() []string { return f.scopes }

// OnSession has begins called with each session of a browser before it can be used, in
// the request of its login. It must be called before logins are.
func (f *Flow) OnSession(begins func(ctx context.Context, r *http.Request, sess *session.Session)) {
	f.begins = begins
}

// Register has logins of a purpose end where it says.
func (f *Flow) Register(p *Purpose) { f.purposes[p.Name] = p }

// IssuerOf is the issuer identifier that an authorization endpoint stands for:
// its origin, as Spotify's.
func IssuerOf(authorizeURL string) string {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "" // it was checked
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}
