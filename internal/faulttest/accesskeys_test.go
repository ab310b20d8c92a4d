package faulttest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

var shownKey = regexp.MustCompile(`>(spk_[A-Za-z0-9_-]{43})<`)

// createKey has a visitor create an access key.
func (v *visitor) createKey(in *instance) string {
	v.t.Helper()
	form := url.Values{"name": {"a"}, "life": {"max"}, "access": {"all"}}
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, in.origin+"/spotify/keys", strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	a, err := v.send(req)
	if err != nil {
		v.t.Fatal(err)
	}
	callback, err := spotifytest.Visit(v.client, a.Header.Get("Location"), v.user, "agree")
	if err != nil {
		v.t.Fatalf("creating a key: %v after %d %s", err, a.StatusCode, a.body)
	}
	if req, err = http.NewRequestWithContext(v.t.Context(), http.MethodGet, in.at(callback), nil); err != nil {
		v.t.Fatal(err)
	}
	if a, err = v.send(req); err != nil {
		v.t.Fatal(err)
	}
	found := shownKey.FindStringSubmatch(a.body)
	if found == nil {
		v.t.Fatalf("no key was created: %d %s", a.StatusCode, a.body)
	}
	return found[1]
}

// byKey calls the Web API as a program with a key does.
func (c *cluster) byKey(in *instance, key string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, in.origin+"/spotify/v1/me", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// keyRefs returns the references of a visitor's keys, as an instance lists them.
func (v *visitor) keyRefs(in *instance) (refs []string) {
	v.t.Helper()
	a := v.fetch(in, http.MethodGet, "/spotify/keys")
	var list struct{ Keys []struct{ Key string } }
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.StatusCode != http.StatusOK {
		v.t.Fatalf("listing the keys: %d %s", a.StatusCode, a.body)
	}
	for _, k := range list.Keys {
		refs = append(refs, k.Key)
	}
	return refs
}

// A key that was created on one instance works on the other, and one that is
// revoked there fails on both, as a session that is logged out does.
func TestRevokedKeyFailsOnAllInstances(t *testing.T) {
	t.Parallel()
	for _, store := range sharedStores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, spotifytest.Options{Rotation: spotifytest.RotateRevoke})
			store.use(c)
			c.options = "access_keys"
			here, there := c.start(), c.start()
			v := c.login(here)
			key, kept := v.createKey(here), v.createKey(there)
			for _, in := range []*instance{here, there} {
				want(t, c.byKey(in, key), http.StatusOK, "")
				want(t, c.byKey(in, kept), http.StatusOK, "")
				if n := len(v.keyRefs(in)); n != 2 {
					t.Fatalf("%s lists %d keys, want 2", in.name, n)
				}
			}
			// R28: at expiry one of the two instances renews the key's token.
			c.sim.ExpireAccessTokens()
			var wg sync.WaitGroup
			for _, in := range []*instance{here, there, here, there} {
				wg.Go(func() {
					if a := c.byKey(in, kept); a.StatusCode != http.StatusOK {
						t.Errorf("%s: %d %s", in.name, a.StatusCode, a.body)
					}
				})
			}
			wg.Wait()

			refs := v.keyRefs(there)
			for _, ref := range refs {
				want(t, v.fetch(there, http.MethodDelete, "/spotify/keys/"+ref), http.StatusNoContent, "")
			}
			for _, k := range []string{key, kept} {
				want(t, c.byKey(there, k), http.StatusUnauthorized, "invalid_access_key")
				eventually(t, "the other instance refuses the key", func() bool {
					return c.byKey(here, k).StatusCode == http.StatusUnauthorized
				})
			}
			want(t, c.byKey(here, key), http.StatusUnauthorized, "invalid_access_key")
			if n := len(v.keyRefs(here)); n != 0 {
				t.Errorf("%d keys are listed still", n)
			}
			want(t, v.me(here), http.StatusOK, "")
		})
	}
}
