package caddyspotify

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// minGivenKey is the least length of a key that a person gives.
const minGivenKey = 32

// givenKey is a key from the config.
type givenKey struct {
	secret  string
	missing bool // it is a variable that is not set
}

// take resolves the placeholders in an option and empties it: with the option
// trace of Caddy's servers, the log shows what the fields of a handler hold.
func (k *givenKey) take(repl *caddy.Replacer, option *string) {
	k.secret = strings.TrimSpace(repl.ReplaceAll(*option, ""))
	k.missing = *option != "" && k.secret == ""
	*option = ""
}

// check refuses a key that is empty or that could be guessed.
func (k *givenKey) check(option string) error {
	if k.missing {
		return fmt.Errorf("%s is empty: set the variable it stands for, or leave the option out", option)
	}
	if k.secret != "" && len(k.secret) < minGivenKey {
		return fmt.Errorf("%s has %d characters: give at least %d random ones, for example from openssl rand -base64 32", option, len(k.secret), minGivenKey)
	}
	return nil
}
