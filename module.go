// Package caddyspotify is a Caddy plugin through which a front-end app calls
// the Spotify Web API without ever holding a token.
//
// The directive spotify_proxy does it all. It is a shortcut for the handler
// spotify_auth (Handler), which keeps the sessions, and the transport spotify
// (Transport), which sends a session's requests to Spotify.
package caddyspotify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyspotify/caddy-spotify/internal/accesskeys"
	"github.com/caddyspotify/caddy-spotify/internal/account"
	"github.com/caddyspotify/caddy-spotify/internal/browser"
	"github.com/caddyspotify/caddy-spotify/internal/device"
	"github.com/caddyspotify/caddy-spotify/internal/login"
	"github.com/caddyspotify/caddy-spotify/internal/notify"
	"github.com/caddyspotify/caddy-spotify/internal/problem"
	"github.com/caddyspotify/caddy-spotify/internal/push"
	"github.com/caddyspotify/caddy-spotify/internal/share"
	"github.com/caddyspotify/caddy-spotify/internal/site"
	"github.com/caddyspotify/caddy-spotify/internal/telemetry"

	// The stores that come with every build. The redis store is imported by
	// those who use it.

	_ "github.com/caddyspotify/caddy-spotify/tokenstore/caddystorage"

	_ "github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Defaults of the options that have one.
const (
	defaultIdle     = 30 * 24 * time.Hour
	defaultLifetime = 180 * 24 * time.Hour
	defaultMargin   = time.Minute
	defaultAhead    = 5 * time.Minute
	defaultTimeout  = 10 * time.Second

	defaultAuthorizeURL = "https://accounts.spotify.com/authorize"
	defaultTokenURL     = "https://accounts.spotify.com/api/token"
	defaultAPIURL       = "https://api.spotify.com"
)

// Handler logs visitors in with Spotify and keeps their sessions. It is the
// first half of the proxy: it knows who is asking, and hands the session's
// token, which stays on the server, to the second half, the transport
// `spotify` of `reverse_proxy`. The directive `spotify_proxy` sets up both.
//
// It answers these paths below its prefix, which is the path of `redirect_uri`
// without `/callback`:
//
//   - `GET login?return_to=/path` sends the browser to Spotify and afterwards
//     back to the path. `scope=` asks for some of the optional scopes as well,
//     and `show_dialog=true` lets the user switch accounts.
//   - `GET callback` is where Spotify sends the browser back.
//   - `POST logout` ends the session. A form that does so is sent on to the path
//     in `return_to=`, or gets a page that says so. A person who opens it is asked first.
//   - `GET account` is a page where people see and end their sessions and access keys, or
//     delete all there is of them, and the same as JSON for code.
//   - `GET session` says, as JSON, whether and as whom the visitor is logged in.
//   - `GET client.js` is a module for the site's own pages that does all this for
//     them, with `player.js`, which it loads to follow a player, and its types in
//     `client.d.ts`. Its logins in a pop-up end at `GET popup`.
//   - `GET page.css`, `popup.js`, `keys.css`, `keys.js` and `device.css` are the styles and scripts
//     of the pages that the endpoints respond with.
//   - `POST token`, if `expose_token` is on, answers with the access token.
//   - `GET health` is for load balancers: 200 if the token store answers and can
//     be written, 503 if not, and a little JSON. It works over plain http as well. `GET
//     health/live` is 200 for as long as the process answers; sessions in memory
//     go on working while the store is away.
//   - `GET events` is a stream of server-sent events that tell what the visitor's
//     account plays, unless `events off` says that there are none. `GET share/events`
//     tells visitors who are not logged in what the account of `share` plays, as far
//     as it is shared.
//   - `GET share` says what is shared and whether the owner's account is
//     connected, and `GET share/connect` connects it, if `share` is on.
//   - `GET keys`, if `access_keys` is on, is a page where people create, see and
//     revoke access keys for their programs, and the list of them as JSON for
//     code. `POST keys` creates one, `POST keys/revoke` and `DELETE keys/<key>`
//     revoke one.
//   - `POST device` and `POST device/token`, if `device_login` is on, log a device in that
//     shows a code, which a person enters at `activate` (RFC 8628).
//   - `/v1/*` is the Web API. The request goes on to the next handler, with
//     the session if there is one, or with what an access key stands for. Its
//     path is then the Web API's, without the prefix, it has those headers
//     only that the Web API has a use for, and the matcher `spotify_api` matches
//     it. Without a session, a person who navigates is sent to log in, and code
//     gets a 401 with the login's URL.
//
// Everything else goes on to the next handler untouched, once its visitor is
// logged in if `require_login` says so. What counts is the path that the
// browser asked for: a `try_files` or `rewrite` before this handler does not
// take requests away from it.
//
// Sessions are looked up by a cookie that says nothing by itself. What it leads
// to is kept sealed in a token store, under a key that only the cookie holds.
//
// On requests of visitors that it has identified, which are those for the Web
// API, for pages of `require_login` and for the endpoints above, it sets these
// placeholders. None of them is a secret.
//
// Placeholder | Description
// ------------|-------------
// `{http.auth.user.id}` | The Spotify account's id, which the access log shows as `user_id`
// `{spotify.account.id}` | The same
// `{spotify.account.display_name}` | The name that the account shows to others; may be empty
// `{spotify.scopes}` | The scopes that the session was granted, separated by spaces
// `{spotify.session.ref}` | A reference to the session, the same in all logs, events and the admin API; it is not the session's id
// `{spotify.session.kind}` | `session`, or `key` if an access key was used
// `{spotify.session.age}` | Seconds since the login, or since the access key was created
// `{spotify.session.reauthorize_by}` | When the session ends because Spotify wants consent again (RFC 3339)
//
// It emits these events, whose data always hold the `site` (the host of its
// public origin) and, if they are about a session, its `session` (the
// reference) and its `account` (the id). If they are about an access key, they
// hold its reference as `session` and also a `kind`, which is `key`. None holds a
// secret.
//
//   - `spotify.login`: somebody logged in. Also in the data: `scopes`.
//   - `spotify.logout`: somebody logged out.
//   - `spotify.token_refreshed`: a session has a new access token. Also in the
//     data: `expires_at`, `duration_seconds`, `background` (no request waited
//     for it) and `rotated` (there is a new refresh token, too).
//   - `spotify.session_ended`: a session ended in another way. Also in the data:
//     `reason`, which is `replaced` (the same browser logged in again),
//     `reauthorization_required` (Spotify no longer renews it),
//     `ended_elsewhere` (it is gone from the store: another instance ended it),
//     `owner` (the person ended it, from another browser of theirs) or `administrator`. Sessions that nobody uses expire without a word.
//   - `spotify.reauthorization_due`: a session in use ends soon because Spotify
//     wants consent again. Also in the data: `reauthorize_by`. It comes with a
//     refresh, and once for as long as the session is in memory.
//   - `spotify.key_created`: somebody created an access key. Also in the data:
//     `scopes` and `expires_at`, and `device`, its name, if one was given the key.
//   - `spotify.key_renewed`: its owner renewed an access key. Also in the data:
//     `scopes` and `expires_at`.
//   - `spotify.key_revoked`: its owner revoked an access key.
//   - `spotify.rate_limited`: Spotify refuses requests of the app for now. Also in
//     the data: the `operation` that it refused, such as `GET /me/player`; `scope`
//     (`operation`, `family` or `app`) and `name` of what the proxy refuses until
//     `until`; and `reason` (`rate_limited` or `quota_exceeded`). No session.
type Handler struct {
	// The app's client ID, from Spotify's dashboard. Required. May be a
	// placeholder such as `{env.SPOTIFY_CLIENT_ID}`.
	ClientID string `json:"client_id,omitempty"`

	// The redirect URI as registered in Spotify's dashboard. Required. Its
	// origin is the site's public origin, and its path without `/callback` is
	// the prefix of all endpoints. Must be https, or http on 127.0.0.1 or [::1].
	RedirectURI string `json:"redirect_uri,omitempty"`

	// The scopes that a login asks for. None by default, which is enough for
	// public data.
	Scopes []string `json:"scopes,omitempty"`

	// Scopes that a login asks for only when its URL names them, as in
	// `login?scope=user-library-modify`. A session keeps those it was granted
	// at its later logins.
	OptionalScopes []string `json:"optional_scopes,omitempty"`

	// Paths of pages whose visitors are sent to log in first. Only requests that
	// come to this handler are guarded, so its route must match them. A `*` at the end
	// stands for whatever follows. Case and superfluous slashes and dots do not
	// matter, as in Caddy's path matcher. The Web API always needs a session.
	RequireLogin []string `json:"require_login,omitempty"`

	// The requests for the Web API that visitors may make. Once there is one
	// rule, everything else is refused with a 403 before a session is looked up
	// or a token used. What is matched is exactly the path that Spotify gets,
	// decoded, with case and a slash at the end; one that is still encoded after
	// that is refused. Default: everything.
	Allow []AllowRule `json:"allow,omitempty"`

	// Other origins whose pages may use the Web API, `session` and `logout` with
	// their visitors' sessions, such as `https://www.example.com` beside a proxy
	// on `https://api.example.com`. Their scripts have to ask for credentials, as
	// in `fetch(url, {credentials: "include"})`. Default: none, so that only
	// pages on the proxy's own origin may.
	//
	// The session's cookie stays as strict as it is. Browsers send it for pages
	// of the same site only, that is of the same scheme and registrable domain,
	// so no others are accepted here. Whatever script gets into an allowed
	// origin can act as the visitor, so each is one more place to keep clean.
	// A login returns to a path of the proxy's own origin, which can redirect.
	AllowOrigin []string `json:"allow_origin,omitempty"`

	// How long sessions last, and their cookie.
	Session *SessionConfig `json:"session,omitempty"`

	// Where sessions are kept. Default: `caddy`, which is Caddy's own storage.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=http.handlers.spotify_auth.stores inline_key=module"`

	// When and how tokens are refreshed.
	Refresh *RefreshConfig `json:"refresh,omitempty"`

	// How to reach the token endpoint and, at a login, the account's profile: the
	// options of the transport `http` of `reverse_proxy`, such as `network_proxy`,
	// `resolver` and, below `tls`, `ca`. Those of the transport `spotify` are its own and
	// hold for the Web API; `spotify_proxy` sets both. Default: as the environment
	// says (`HTTPS_PROXY`), and the system's roots and resolver.
	Transport *reverseproxy.HTTPTransport `json:"transport,omitempty"`

	// Whether `POST token`, below the prefix, hands the session's access token
	// to the site's own pages. The Web Playback SDK cannot do without. It needs
	// the scope `streaming`. Off by default: a token in a page can be stolen by
	// any script that runs there, and `allow` does not bind who has it.
	ExposeToken bool `json:"expose_token,omitempty"`

	// Shows some of one account's data to visitors who are not logged in. Off by
	// default.
	Share *ShareConfig `json:"share,omitempty"`

	// Lets people create access keys for their programs. Off by default.
	AccessKeys *AccessKeysConfig `json:"access_keys,omitempty"`

	// Lets a device without keyboard or browser, such as a screen or a command line, get an
	// access key: it shows a code, which a person enters at `<prefix>/activate` and agrees to
	// (RFC 8628). Needs `access_keys`. Off by default. The Caddyfile's option is
	// `device_login`, without arguments.
	DeviceLogin bool `json:"device_login,omitempty"`

	// How the pages look that the proxy has of its own. Default: without a name.
	Pages *PagesConfig `json:"pages,omitempty"`

	// Which responses are kept, and for how long.
	Cache *CacheConfig `json:"cache,omitempty"`

	// The streams that tell pages what an account plays. On by default.
	Events *EventsConfig `json:"events,omitempty"`

	// A webhook that is told when access is about to end. Off by default.
	Notify *NotifyConfig `json:"notify,omitempty"`

	// How many requests the app may send to Spotify in a day, and how they are
	// shared out. Default: they are counted and not limited.
	Quota *QuotaConfig `json:"quota,omitempty"`

	// The authorization endpoint. Default: `https://accounts.spotify.com/authorize`.
	AuthorizeURL string `json:"authorize_url,omitempty"`

	// The token endpoint. Default: `https://accounts.spotify.com/api/token`.
	TokenURL string `json:"token_url,omitempty"`

	// The Web API. Default: `https://api.spotify.com`.
	APIURL string `json:"api_url,omitempty"`

	site         *site.Site
	login        *login.Flow
	share        *share.Share     // nil if nothing is shared
	keys         *accesskeys.Keys // nil if there are none
	devices      *device.Devices  // nil if they cannot log in
	push         *push.Push       // nil if events are off
	account      *account.Accounts
	requireLogin caddyhttp.MatchPath // RequireLogin, made ready
	release      []func() error      // lets go of what was acquired
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.spotify_auth",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets up h. It touches neither network nor store.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.replacePlaceholders()
	if err := h.checkOptions(); err != nil {
		return err
	}
	h.requireLogin = slices.Clone(h.RequireLogin)
	if err := h.requireLogin.Provision(ctx); err != nil {
		return fmt.Errorf("require_login: %w", err)
	}
	if err := telemetry.Register(ctx, site.SessionCollector{}, site.QuotaCollector{}); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	tokens, err := h.tokenConfig(ctx)
	if err != nil {
		return err
	}
	if h.site, err = h.newSite(ctx, tokens); err != nil {
		return err
	}
	h.login = login.New(h.site, tokens, h.APIURL, h.OptionalScopes)
	if h.Share != nil {
		if h.share, err = h.newSharedAccount(ctx); err != nil {
			return err
		}
	}
	if h.AccessKeys != nil {
		h.keys = h.newAccessKeys(ctx)
		h.release = append(h.release, h.site.Store.JoinLists(h.keys))
	}
	if h.DeviceLogin {
		h.devices = device.New(h.site, h.login, h.keys)
	}
	if h.push, err = h.newPush(ctx); err != nil {
		return err
	}
	h.newAccounts(ctx)
	h.site.Upstream.Keys, h.site.Upstream.LoginFor = h.keys != nil, h.login.LoginURLForScopes
	if h.Notify == nil {
		return nil
	}
	stop, err := notify.Start(h.site, notify.Webhook(*h.Notify), h.keys.Notices(), h.share.Notices())
	if err == nil { // from here on without secrets, which Caddy's log option trace would show
		h.Notify, h.release = nil, append(h.release, stop)
	}
	return err
}

// Cleanup lets go of what Provision acquired, which after a failed one may be
// less than all.
func (h *Handler) Cleanup() error {
	var errs []error
	for _, release := range slices.Backward(h.release) {
		errs = append(errs, release())
	}
	h.release = nil
	return errors.Join(errs...)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rest, ours := h.site.Ours(r)
	if !ours {
		return h.serveOther(w, r, next)
	}
	api := strings.HasPrefix(rest, "/v1/")
	if (api || rest == "/session" || rest == "/logout" || rest == "/events") && h.site.ServeCORS(w, r) {
		return nil
	}
	if api {
		return h.serveAPI(w, r, next)
	}
	if h.login.IsCallback(r) {
		// The access log would show it, whatever the answer is.
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	if h.keys != nil && (rest == "/keys" || strings.HasPrefix(rest, "/keys/")) {
		return h.keys.Serve(w, r, rest[len("/keys"):])
	}
	if h.devices != nil {
		if found, err := h.devices.Serve(w, r, rest); found {
			return err
		}
	}
	if below, ok := strings.CutPrefix(rest, "/account"); ok && (below == "" || below[0] == '/') {
		return h.account.Serve(w, r, below)
	}
	methods, serve := []string{http.MethodGet, http.MethodHead}, files[rest]
	switch rest {
	case "/login":
		serve = h.login.ServeLogin
	case browser.CallbackSegment:
		serve = h.login.ServeCallback
	case "/logout":
		methods, serve = append(methods, http.MethodPost), h.login.ServeLogout
	case "/session":
		serve = h.login.ServeSession
	case "/page.css":
		serve = h.site.Pages.ServeStyle
	case "/popup":
		serve = h.site.Pages.ServePopup
	case "/health":
		serve = h.serveHealth
	case "/health/live":
		serve = h.serveLive
	case "/token":
		if h.ExposeToken {
			methods, serve = []string{http.MethodPost}, h.login.ServeToken
		}
	case "/events", "/share/events":
		if h.push != nil && (rest == "/events" || h.share != nil) {
			methods, serve = []string{http.MethodGet}, h.push.Handler(rest == "/share/events", next)
		}
	case "/share", "/share/connect":
		if h.share != nil && rest == "/share" {
			serve = h.share.ServeStatus
		} else if h.share != nil {
			serve = h.share.ServeConnect
		}
	}
	if serve == nil {
		return h.site.Fail(w, r, problem.NotFound(h.site.Prefix))
	}
	if !slices.Contains(methods, r.Method) {
		return h.site.Fail(w, r, problem.MethodNotAllowed(methods))
	}
	return serve(w, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
