// Package e2e has tests of the whole: a real Caddy with this module, seen from
// outside, in front of a simulated Spotify. Each of its folders is a theme and a
// test binary, so that go test runs them beside each other:
//
//   - login: logging in, the pages people see, whose account it is
//   - session: what a session lasts through, refreshes among it
//   - upstream: what Spotify gets, and what of its responses passes
//   - attack: hostile pages, requests and servers, and secrets that must not leak
//   - keys: access keys and shared data
//   - operation: the admin API, metrics, events, health, logs
//
// The harness is internal/proxytest.
package e2e
