// Package reason names why a request was refused, in one vocabulary for what
// Spotify refuses and what the proxy itself does.
package reason

// Header carries the Reason of a refused request.
const Header = "Spotify-Proxy-Reason"

// Reason says why a request was refused, in a word that programs can compare
// and that does not change when Spotify rephrases its messages. The empty
// Reason means that none is known.
type Reason string

// The reasons, each with the status codes it goes with and what helps.
const (
	// LoginRequired (401): there is no session. Log in.
	LoginRequired Reason = "login_required"
	// ReauthorizationRequired (401): Spotify no longer accepts what the user
	// once granted. Log in again.
	ReauthorizationRequired Reason = "reauthorization_required"
	// InsufficientScope (403; 401 from the player): the user has not granted a
	// scope that the operation needs. Log in with that scope.
	InsufficientScope Reason = "insufficient_scope"
	// UserNotAllowlisted (403): the app is in development mode and the user is
	// not on its list. The app's owner adds the user in Spotify's dashboard.
	UserNotAllowlisted Reason = "user_not_allowlisted"
	// PremiumRequired (403): the user, or in development mode the app's owner,
	// needs Spotify Premium.
	PremiumRequired Reason = "premium_required"
	// Forbidden (403): Spotify refused and gave no reason known here: someone
	// else's playlist, an operation that is gone, a restricted device. Of what a
	// site shares, also 400, 404 and 410.
	Forbidden Reason = "forbidden"
	// RateLimited (429): the app has sent too many requests in Spotify's
	// rolling window. Wait as Retry-After says.
	RateLimited Reason = "rate_limited"
	// QuotaExceeded (429): the quota of the developer's account, which all of
	// its apps in development mode share, is used up. Waiting seconds is no help.
	QuotaExceeded Reason = "quota_exceeded"
	// BudgetExceeded (429): what the operator lets the app send in a day is used up, or
	// the caller's fair share of it. Wait as Retry-After says.
	BudgetExceeded Reason = "budget_exceeded"
	// TooManyStreams (429): there are as many streams of events as there may be. Close some.
	TooManyStreams Reason = "too_many_streams"
	// NotAllowed (403): the proxy's configuration does not allow the operation.
	NotAllowed Reason = "not_allowed"
	// UpstreamUnavailable (502, 503, 504): Spotify cannot be reached. Try later.
	UpstreamUnavailable Reason = "upstream_unavailable"
	// StoreUnavailable (503): the session store cannot be reached. Try later.
	StoreUnavailable Reason = "store_unavailable"

	// LoginCancelled (403): the user said no at Spotify.
	LoginCancelled Reason = "login_cancelled"
	// LoginExpired (400): the login took too long, or began in another browser.
	// Log in again.
	LoginExpired Reason = "login_expired"
	// LoginFailed (400, 500, 502): Spotify, or the address it sent the user back
	// to, reported an error.
	LoginFailed Reason = "login_failed"
	// LoginLoop (401): the user has just logged in and comes without a session.
	// The browser does not keep the cookie.
	LoginLoop Reason = "login_loop"

	// CrossSite (403): the request came from a page on another origin.
	CrossSite Reason = "cross_site"
	// HTTPSRequired (403): plain http where the site is https.
	HTTPSRequired Reason = "https_required"
	// BadRequest (400): a query that cannot be read, or makes no sense.
	BadRequest Reason = "bad_request"
	// BadPath (400): a path that different servers read differently.
	BadPath Reason = "bad_path"
	// NotFound (404): there is no such endpoint below the prefix.
	NotFound Reason = "not_found"
	// MethodNotAllowed (405): the endpoint, or the Web API, has no such method.
	MethodNotAllowed Reason = "method_not_allowed"
	// Misconfigured (500): the parts of the configuration do not fit together.
	Misconfigured Reason = "misconfigured"

	// NotOwner (403): the account is not the one that the site shares. Log in as
	// its owner.
	NotOwner Reason = "not_owner"
	// ShareNotConnected (503): no owner has connected the account that the site
	// shares, or the access to it has ended.
	ShareNotConnected Reason = "share_not_connected"

	// InvalidAccessKey (401): the access key is unknown, expired or revoked. Create
	// another.
	InvalidAccessKey Reason = "invalid_access_key"
	// WrongAccount (403): an access key was to be created or renewed, but at Spotify another
	// account is logged in than here.
	WrongAccount Reason = "wrong_account"
	// NotRenewable (403, 409): an access key cannot be renewed so. Create another.
	NotRenewable Reason = "not_renewable"
	// TooManyKeys (409): the account has as many access keys as it may. Revoke one.
	TooManyKeys Reason = "too_many_keys"

	// TooManyCodes (429): as many codes of devices wait to be entered as may, or too many
	// wrong ones were entered. Wait as Retry-After says.
	TooManyCodes Reason = "too_many_codes"
)

// All returns every Reason there is.
func All() []Reason {
	return []Reason{
		LoginRequired, ReauthorizationRequired, InsufficientScope, UserNotAllowlisted, PremiumRequired, Forbidden,
		RateLimited, QuotaExceeded, BudgetExceeded, TooManyStreams, NotAllowed, UpstreamUnavailable, StoreUnavailable,
		LoginCancelled, LoginExpired, LoginFailed, LoginLoop,
		CrossSite, HTTPSRequired, BadRequest, BadPath, NotFound, MethodNotAllowed, Misconfigured,
		NotOwner, ShareNotConnected,
		InvalidAccessKey, WrongAccount, NotRenewable, TooManyKeys, TooManyCodes,
	}
}
