// Package spotifytest is a simulator of Spotify: the accounts service with its
// consent page, and a Web API whose data looks like music. It exists for tests
// and for the demo, needs no network, and has nothing to do with Spotify AB.
//
// It is strict where Spotify is strict (redirect URIs, PKCE, single-use codes,
// scopes, one well-formed bearer token) and gives Spotify's own error bodies, so
// that a client which works here does not fail there. Faults are injected on
// command with [Server.Inject], or over HTTP through /_control when
// [Options.Control] is set. Everything it is sent is recorded and everything it
// ever issued is listed, so that a test can prove what did not leak.
//
// Its apps are in the quota mode that [Options.Mode] says.
//
// A test starts it with [Start] and logs in without a browser with [Approve].
package spotifytest
