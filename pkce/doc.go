// Package pkce is an OAuth 2.0 public client for Spotify's Authorization Code
// flow with PKCE (RFC 6749 §4.1, RFC 7636): it makes the codes, builds the
// login URL, exchanges the code, refreshes the token, and keeps it fresh for
// as long as a session lives.
//
// The steps of a login are:
//
//	codes := pkce.GenerateCodes()
//	login, err := pkce.LoginRequest{
//		ClientID:    clientID,
//		RedirectURI: redirectURI,
//		State:       state,
//		Codes:       codes,
//		Scopes:      []string{pkce.ScopeUserReadPrivate},
//	}.URL()
//	// send the browser to login; it comes back to redirectURI with a code
//	token, err := config.Exchange(ctx, code, codes.Verifier)
//	auth := config.NewAuthenticator(token, nil)
//	client := auth.Client() // an *http.Client whose token never runs out
//
// The package knows nothing of Caddy and can be used on its own. The wire
// format is golang.org/x/oauth2's; this package adds what that one leaves to
// its callers: one refresh at a time, refresh ahead of expiry, persistence
// before use, refresh token rotation, and errors that say what to do next.
//
// See https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow.
package pkce
