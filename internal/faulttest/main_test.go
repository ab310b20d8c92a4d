package faulttest

import (
	"bufio"
	"flag"
	"os"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyspotify/caddy-spotify"
	_ "github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// asCaddy is set in the environment of the processes that the tests start.
const asCaddy = "FAULTTEST_AS_CADDY"

// orders are what a process does to itself when the test says so on its
// standard input.
var orders = map[string]func() error{}

// TestMain runs the tests, or Caddy: the test's binary is built with the race
// detector if the tests are, and has the store in it that stops on command.
func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) == "" {
		// They wait most of the time, for leases and tokens to expire, so more
		// of them than there are cores run at once. A flag given counts.
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	go obey()
	caddycmd.Main()
}

// obey carries out orders and says so, until the test closes the pipe or dies.
// Without a test there is nothing to serve for.
func obey() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer := "obeyed " + lines.Text()
		if err := orders[lines.Text()](); err != nil {
			answer = err.Error()
		}
		if _, err := os.Stdout.WriteString(answer + "\n"); err != nil {
			break
		}
	}
	os.Exit(1)
}
