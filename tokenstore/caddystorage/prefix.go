package caddystorage

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultPrefix is the folder of the records unless told otherwise.
const DefaultPrefix = "spotify/sessions"

// maxPrefix leaves room for the key in the name of a lock's file, which holds
// both and may have 255 characters.
const maxPrefix = 100

// reservedFolders are those that Caddy itself keeps in its storage.
var reservedFolders = []string{"acme", "certificates", "locks", "ocsp", "pki", "stek"}

// checkPrefix reports why a prefix is not fit for a folder of records, in one
// line with the remedy. Storages do not clean the names they are given.
func checkPrefix(prefix string) error {
	if len(prefix) > maxPrefix {
		return fmt.Errorf("prefix has %d characters; use %d at most, as in %s", len(prefix), maxPrefix, DefaultPrefix)
	}
	for i, part := range strings.Split(prefix, "/") {
		if !fitForName(part) {
			return fmt.Errorf("prefix %q is not a folder name; use letters, digits, - and _, with / between folders, such as %s", prefix, DefaultPrefix)
		}
		if i == 0 && slices.Contains(reservedFolders, strings.ToLower(part)) {
			return fmt.Errorf("prefix %q lies in a folder that Caddy keeps for itself; choose another, such as %s", prefix, DefaultPrefix)
		}
	}
	return nil
}

func fitForName(part string) bool {
	return part != "" && strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
