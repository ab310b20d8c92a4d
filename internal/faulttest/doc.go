// Package faulttest holds the tests that need whole Caddy processes: instances
// that share a store, and what happens to sessions when something dies, hangs
// or fills up. The processes are the test's own binary, run as Caddy.
package faulttest
