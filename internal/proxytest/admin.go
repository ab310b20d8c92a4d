package proxytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/redis"
)

// Administrator calls Caddy's admin API at Addr, a host and port, and keeps the
// responses in Said.
type Administrator struct {
	T    testing.TB
	Addr string
	Said bytes.Buffer
}

// Call sends a request without a body. The response must have the status, and is
// decoded from JSON into what into points to, unless that is nil.
func (a *Administrator) Call(method, path string, status int, into any) *http.Response {
	a.T.Helper()
	req, err := http.NewRequest(method, "http://"+a.Addr+path, nil)
	if err != nil {
		a.T.Fatal(err)
	}
	var res *http.Response
	// After a reload Caddy closes the admin API of the config before beside what is
	// going on, along with the connections that this has been given.
	Eventually(a.T, "the admin API responds", func() bool {
		res, err = http.DefaultClient.Do(req)
		return err == nil || method != http.MethodGet
	})
	if err != nil {
		a.T.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		a.T.Fatal(err)
	}
	fmt.Fprintf(&a.Said, "%s %s: %d %v %s\n", method, path, res.StatusCode, res.Header, body)
	if res.StatusCode != status {
		a.T.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, body, status)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			a.T.Fatalf("%s %s: %v: %s", method, path, err, body)
		}
	}
	return res
}

// SessionList is what GET /spotify/sessions of the admin API returns.
type SessionList struct {
	Sessions []struct {
		Session, Account, Store, Site string
		CreatedAt                     time.Time `json:"created_at"`
		AuthorizedAt                  time.Time `json:"authorized_at"`
		ExpiresAt                     time.Time `json:"expires_at"`
	}
	Total      int
	NextCursor string `json:"next_cursor"`
}

// StoreSessions stores n sessions in the Redis at addr, of ten accounts bulk/0 to
// bulk/9. There are no cookies for them. It returns their keys in the store.
func StoreSessions(t testing.TB, addr string, n int) (keys []string) {
	t.Helper()
	provider := &redis.Provider{Addresses: []string{addr}}
	if err := provider.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	store, err := provider.Store()
	if err != nil {
		t.Fatal(err)
	}
	defer store.(io.Closer).Close()
	now := time.Now()
	for i := range n {
		key := tokenstore.NewSessionID().Key("bulk")
		rec := &tokenstore.Record{Sealed: []byte("sealed"), Meta: tokenstore.Meta{
			AccountID: fmt.Sprintf("bulk/%d", i%10), CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(time.Hour),
		}}
		if err := store.Create(t.Context(), key, rec); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}
