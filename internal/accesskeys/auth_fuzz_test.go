package accesskeys

import (
	"strings"
	"testing"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
)

// Whatever stands in Authorization is one key, spelt in one way, or something
// that looks as if it was meant to be one and is refused, or none of ours. No two
// keys are taken for one, and a session's cookie for none.
func FuzzAuthorization(f *testing.F) {
	key := formatKey(tokenstore.SessionID{1, 2, 3})
	for _, seed := range [][2]string{
		{"Bearer " + key, ""}, {"bearer  " + key, ""}, {"BEARER " + key + " ", ""}, {"Bearer\t" + key, ""}, {"Bearer " + key, "Bearer " + key},
		{"Bearer x", "Bearer " + key}, {"Bearer spk_", ""}, {"Bearer spk_" + strings.Repeat("A", 42) + "B", ""}, {"Bearer " + key + "=", ""},
		{"Basic " + key, ""}, {key, ""}, {"Bearer SPK_" + key[4:], ""}, {"Bearer " + key[4:], ""}, {"Bearer " + key + "," + key, ""}, {"Bearer BQDx", ""}, {"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		values := []string{first}
		if second != "" {
			values = append(values, second)
		}
		id, found, err := bearerKey(values)
		switch {
		case err != nil && (!found || id != tokenstore.SessionID{}):
			t.Errorf("%q: refused, but found %v or an id", values, found)
		case !found && id != tokenstore.SessionID{}:
			t.Errorf("%q: an id, but none found", values)
		case !found || err != nil:
			return
		}
		const want = "bearer "
		got := strings.ToLower(first[:min(len(first), len(want))])
		if len(values) != 1 || got != want || strings.Trim(first[len(want):], " \t") != formatKey(id) {
			t.Errorf("%q is taken for a key", values)
		}
	})
}
