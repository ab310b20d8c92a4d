package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/webapi"
)

func newCache(t *testing.T, o Options) (*Cache, *fakeclock.Clock) {
	t.Helper()
	clock := fakeclock.New(time.Unix(1_700_000_000, 0))
	o.Clock = clock
	c := New(NewAccounts(), o)
	t.Cleanup(c.Close)
	return c, clock
}

var anything = Asks{MaxAge: -1}

// put keeps a response.
func put(t *testing.T, c *Cache, account, family, path string, size int) bool {
	t.Helper()
	_, f, state := c.Begin(new(Flight), account, family, Key{Path: path}, anything)
	if state != Leads {
		t.Fatalf("%s %s: %v", account, path, state)
	}
	return f.Finish(Outcome{Response: c.NewResponse(http.StatusOK, http.Header{}, make([]byte, size), ""), Fresh: time.Minute, Stale: time.Minute})
}

func has(c *Cache, account, path string) bool {
	return c.Peek(account, Key{Path: path}).Response != nil
}

// Q06: whatever is put into it, a cache keeps no more bytes than it may, and what is
// used last.
func TestSizeIsBounded(t *testing.T) {
	const size = 256 << 10
	c, _ := newCache(t, Options{Size: size})
	for i := range 2000 {
		put(t, c, fmt.Sprint("account-", i%50), webapi.FamilyLibrary, fmt.Sprint("/v1/", i), i%5000)
		if used := c.Used(); used > size {
			t.Fatalf("%d bytes are kept", used)
		}
	}
	if !has(c, "account-49", "/v1/1999") || has(c, "account-0", "/v1/0") {
		t.Error("it is not the oldest that went")
	}
	if put(t, c, "a", webapi.FamilyLibrary, "/v1/large", size) || has(c, "a", "/v1/large") {
		t.Error("more than all of it is kept")
	}
	c.Close()
	if used := c.Used(); used != 0 {
		t.Errorf("%d bytes are kept after the end", used)
	}
	if n := len(c.accounts.byID); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
	if put(t, c, "a", webapi.FamilyLibrary, "/v1/late", 1) {
		t.Error("something is kept after the end")
	}
}

// Q06: what nobody asks for again leaves the memory as well.
func TestOldResponsesAreSwept(t *testing.T) {
	c, clock := newCache(t, Options{Size: 1 << 20})
	put(t, c, "a", webapi.FamilyLibrary, "/v1/me", 10)
	for range 4 {
		clock.Advance(time.Minute)
		for clock.Timers() == 0 && c.Used() > 0 { // the sweep runs beside the test
			time.Sleep(time.Millisecond)
		}
	}
	if c.Used() != 0 || clock.Timers() != 0 {
		t.Errorf("%d bytes and %d timers are left", c.Used(), clock.Timers())
	}
}

// Q06
func TestWritesDropTheirFamily(t *testing.T) {
	c, _ := newCache(t, Options{Size: 1 << 20})
	families := webapi.Families()
	for changed, dropped := range map[string][]string{
		webapi.FamilyPlayer:    {webapi.FamilyPlayer},
		webapi.FamilyLibrary:   {webapi.FamilyLibrary, webapi.FamilyPlaylists, webapi.FamilyUsers, webapi.FamilyOther},
		webapi.FamilyPlaylists: {webapi.FamilyLibrary, webapi.FamilyPlaylists, webapi.FamilyUsers, webapi.FamilyOther},
		webapi.FamilyOther:     families,
	} {
		for _, account := range []string{"a", "b"} {
			c.accounts.End(account)
			for _, family := range families {
				put(t, c, account, family, "/v1/"+family, 1)
			}
		}
		c.accounts.Write("a", changed)
		want := make(map[string]bool)
		for _, family := range dropped {
			want[family] = true
		}
		for _, family := range families {
			if kept := has(c, "a", "/v1/"+family); kept == want[family] {
				t.Errorf("a write to %s, and %s is kept: %t", changed, family, kept)
			}
			if !has(c, "b", "/v1/"+family) {
				t.Errorf("a write to %s of another account drops %s", changed, family)
			}
		}
	}
}

// Q05: a request joins only one of its own epoch, of which nothing is kept once the
// account has changed something.
func TestEpochs(t *testing.T) {
	c, _ := newCache(t, Options{Size: 1 << 20})
	begin := func(account string, asks Asks) (*Flight, State) {
		_, f, state := c.Begin(new(Flight), account, webapi.FamilyPlayer, Key{Path: "/v1/me/player"}, asks)
		return f, state
	}
	first, _ := begin("a", anything)
	if joined, state := begin("a", anything); state != Joined || joined != first {
		t.Errorf("an identical request: %v", state)
	}
	if _, state := begin("b", anything); state != Leads {
		t.Errorf("another account: %v", state)
	}
	if _, state := begin("a", Asks{NoCache: true, MaxAge: -1}); state != Leads {
		t.Errorf("no-cache: %v", state)
	}
	c.accounts.Write("a", webapi.FamilyPlayer)
	second, state := begin("a", anything)
	if state != Leads {
		t.Errorf("after a write: %v", state)
	}
	response := c.NewResponse(http.StatusOK, http.Header{}, []byte("x"), "")
	if first.Finish(Outcome{Response: response, Fresh: time.Minute}) || has(c, "a", "/v1/me/player") {
		t.Error("what began before a write is kept")
	}
	if !second.Finish(Outcome{Response: response, Fresh: time.Minute}) || !has(c, "a", "/v1/me/player") {
		t.Error("what began after it is not")
	}
}

func TestLastCallerCancels(t *testing.T) {
	c, _ := newCache(t, Options{Size: 1 << 20})
	cancelled := false
	_, f, _ := c.Begin(new(Flight), "a", "", Key{}, anything)
	f.OnAbandon(func() { cancelled = true })
	_, joined, _ := c.Begin(new(Flight), "a", "", Key{}, anything)
	f.Leave()
	if cancelled {
		t.Error("the request ends though somebody waits for it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := joined.Wait(ctx); !errors.Is(err, context.Canceled) || !cancelled {
		t.Errorf("%v, and the request goes on: %t", err, !cancelled)
	}
	if _, _, state := c.Begin(new(Flight), "a", "", Key{}, anything); state != Leads {
		t.Error("a request that was given up is joined")
	}
}

// RFC 9111 §4.2, §5.2
func TestLifetime(t *testing.T) {
	c, _ := newCache(t, Options{Size: 1, Rules: []Rule{
		{For: 5 * time.Second, Paths: []string{"/v1/me/player", "/v1/me/player/*"}},
		{Paths: []string{"/v1/me"}},
	}})
	header := func(lines ...string) http.Header {
		h := make(http.Header)
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		return h
	}
	for name, test := range map[string]struct {
		path         string
		status       int
		header       http.Header
		fresh, stale time.Duration
	}{
		"nothing said":         {"/v1/albums/x", 200, header(), 0, 0},
		"max-age":              {"/v1/albums/x", 200, header("Cache-Control: private, max-age=120"), 2 * time.Minute, MaxStale},
		"aged":                 {"/v1/albums/x", 200, header("Cache-Control: max-age=120", "Age: 100"), 20 * time.Second, MaxStale},
		"too old":              {"/v1/albums/x", 200, header("Cache-Control: max-age=120", "Age: 120"), 0, 0},
		"max-age=0":            {"/v1/albums/x", 200, header("Cache-Control: private, max-age=0"), 0, 0},
		"twice":                {"/v1/albums/x", 200, header("Cache-Control: max-age=120, max-age=60"), time.Minute, MaxStale},
		"not a number":         {"/v1/albums/x", 200, header("Cache-Control: max-age=x"), 0, 0},
		"quoted":               {"/v1/albums/x", 200, header(`Cache-Control: x="no-store, \", max-age=9", max-age="60"`), time.Minute, MaxStale},
		"very long":            {"/v1/albums/x", 200, header("Cache-Control: max-age=99999999999999999"), MaxLifetime, MaxStale},
		"must-revalidate":      {"/v1/albums/x", 200, header("Cache-Control: max-age=60, must-revalidate"), time.Minute, 0},
		"no-cache":             {"/v1/albums/x", 200, header("Cache-Control: max-age=60, no-cache"), 0, 0},
		"no-store":             {"/v1/albums/x", 200, header("Cache-Control: max-age=60, No-Store"), 0, 0},
		"Expires":              {"/v1/albums/x", 200, header("Date: Tue, 01 Sep 2026 00:00:00 GMT", "Expires: Tue, 01 Sep 2026 00:00:30 GMT"), 30 * time.Second, MaxStale},
		"Expires and max-age":  {"/v1/albums/x", 200, header("Cache-Control: max-age=1", "Date: Tue, 01 Sep 2026 00:00:00 GMT", "Expires: Tue, 01 Sep 2026 00:00:30 GMT"), time.Second, MaxStale},
		"a rule":               {"/v1/me/player", 200, header("Cache-Control: private, max-age=0"), 5 * time.Second, MaxStale},
		"a rule below":         {"/v1/me/player/queue", 200, header("Cache-Control: no-cache"), 5 * time.Second, MaxStale},
		"a rule, and no-store": {"/v1/me/player", 200, header("Cache-Control: no-store"), 0, 0},
		"nothing plays":        {"/v1/me/player", 204, header(), 5 * time.Second, MaxStale},
		"off":                  {"/v1/me", 200, header("Cache-Control: max-age=60"), 0, 0},
		"an error":             {"/v1/me/player", 404, header("Cache-Control: max-age=60"), 0, 0},
		"Vary *":               {"/v1/me/player", 200, header("Vary: Accept-Encoding, *"), 0, 0},
		"Vary by browser":      {"/v1/me/player", 200, header("Vary: user-agent"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fresh, stale := c.Lifetime(test.path, test.status, test.header)
			if fresh != test.fresh || stale != test.stale {
				t.Errorf("%v, %v, want %v, %v", fresh, stale, test.fresh, test.stale)
			}
		})
	}
}

func TestAsks(t *testing.T) {
	for value, want := range map[string]Asks{
		"":                     {MaxAge: -1},
		"no-cache":             {NoCache: true, MaxAge: -1},
		"no-store":             {NoCache: true, NoStore: true, MaxAge: -1},
		"max-age=0":            {NoCache: true},
		"max-age=9, no-x":      {MaxAge: 9 * time.Second},
		`private="no-cache"`:   {MaxAge: -1},
		`x="\\", NO-CACHE, , `: {NoCache: true, MaxAge: -1},
	} {
		h := make(http.Header)
		if value != "" {
			h.Set("Cache-Control", value)
		}
		if got := AsksOf(h); got != want {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
	if got := AsksOf(http.Header{"Pragma": {"no-cache"}}); !got.NoCache {
		t.Error("Pragma counts for nothing")
	}
	if got := AsksOf(http.Header{"Pragma": {"no-cache"}, "Cache-Control": {"max-age=9"}}); got.NoCache {
		t.Error("Pragma counts beside Cache-Control")
	}
}

// Q06: each rule that cannot work is refused by a line that says what to do.
func TestRules(t *testing.T) {
	for text, want := range map[string]string{
		"5s /v1/me/player":         "",
		"1h /v1/albums/*":          "",
		"off /v1/me":               "",
		"5 /v1/me":                 "neither a duration nor off",
		"never /v1/me":             "write a rule like",
		"0s /v1/me":                "write off",
		"100ms /v1/me":             "give at least 1s",
		"61m /v1/me":               "give at most 1h",
		"-5s /v1/me":               "give at least 1s",
		"5s":                       "names no path",
		"5s /me":                   "begin with /v1/",
		"5s /v1/me?x=1":            "without a query",
		"5s /v1/x*":                "use * for whole segments",
		"5s /v1/* ; 1s /v1/me":     "move it up",
		"5s /v1/me ; 1s /v1/*":     "",
		"5s /v1/me ; off /v1/me":   "move it up",
		"5s /v1/*/x ; 1s /v1/me/*": "",
	} {
		err := checkText(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if CheckRules(nil, 1) == nil || CheckRules(nil, 2<<30) == nil {
		t.Error("any size is accepted")
	}
}

func checkText(text string) error {
	var rules []Rule
	for part := range strings.SplitSeq(text, ";") {
		rule, err := ParseRule(strings.Fields(part))
		if err != nil {
			return err
		}
		rules = append(rules, rule)
	}
	return CheckRules(rules, DefaultSize)
}

// Q06: what is accepted is within the bounds, is written as it was read, and covers no
// other path than it says.
func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{"5s /v1/me/player /v1/me/player/*", "off /v1/me", "1d /v1/x", "1h0m0.000000001s /v1/*", "5s", "", "5s /v1/a b", "-1s /v1/me", "1e9h /v1/me"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ParseRule(strings.Fields(text))
		if err != nil {
			return
		}
		if rule.For != 0 && (rule.For < minLifetime || rule.For > MaxLifetime) {
			t.Errorf("%q is kept for %v", text, rule.For)
		}
		again, err := ParseRule(strings.Fields(rule.String()))
		if err != nil || again.String() != rule.String() {
			t.Errorf("%q is written as %q: %v", text, rule, err)
		}
		if rule.covers("/v2/me") {
			t.Errorf("%q covers another API", text)
		}
	})
}
