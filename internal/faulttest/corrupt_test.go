package faulttest

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// S25, S26: a record that is damaged, or belongs to another session, is no session:
// the user is asked to log in, once, whether it is found when the session is
// read or when a session in memory is refreshed.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(record, other []byte) []byte{
		"empty":            func(_, _ []byte) []byte { return nil },
		"cut":              func(record, _ []byte) []byte { return record[:len(record)/2] },
		"garbage":          func(record, _ []byte) []byte { return bytes.Repeat([]byte{0xa5}, len(record)) },
		"zeros":            func(record, _ []byte) []byte { return make([]byte, len(record)) },
		"another's":        func(_, other []byte) []byte { return other },
		"one bit, sealed":  func(record, _ []byte) []byte { return flip(record, `"sealed":"`, 40) },
		"one bit, version": func(record, _ []byte) []byte { return flip(record, `"version":"`, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{})
			in := c.start()
			v, other := c.login(in), c.login(in)
			record, err := os.ReadFile(c.file(v))
			if err != nil {
				t.Fatal(err)
			}
			others, err := os.ReadFile(c.file(other))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.file(v), damage(record, others), 0o600); err != nil {
				t.Fatal(err)
			}
			c.sim.ExpireAccessTokens()
			if name == "one bit, version" {
				// It says nothing about what is sealed.
				want(t, v.me(in), http.StatusOK, "")
				return
			}
			want(t, v.me(in), http.StatusUnauthorized, "reauthorization_required")
			want(t, v.me(in), http.StatusUnauthorized, "login_required")
			in.stop()
			in.start()
			want(t, v.me(in), http.StatusUnauthorized, "login_required")
			v.login(in)
			want(t, v.me(in), http.StatusOK, "")
			want(t, other.me(in), http.StatusOK, "")
		})
	}
}

// file is where the default store keeps a visitor's record.
func (c *cluster) file(v *visitor) string {
	key := v.key()
	return filepath.Join(c.storage, "spotify", "sessions", key[:2], key+".json")
}

// flip changes the letter that comes some way behind a text.
func flip(record []byte, behind string, by int) []byte {
	record = bytes.Clone(record)
	i := bytes.Index(record, []byte(behind)) + len(behind) + by
	if record[i] == 'A' {
		record[i] = 'B'
	} else {
		record[i] = 'A'
	}
	return record
}
