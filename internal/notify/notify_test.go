package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/pkce"
	"github.com/caddyspotify/caddy-spotify/tokenstore"
	"github.com/caddyspotify/caddy-spotify/tokenstore/memory"
)

// hook is a webhook that keeps what it has accepted.
type hook struct {
	*httptest.Server
	status atomic.Int32 // 0 is 200

	mu       sync.Mutex
	tries    int
	accepted []Notice
	bodies   []string
	header   http.Header
}

func newHook(t *testing.T) *hook {
	h := new(hook)
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var n Notice
	err := json.Unmarshal(body, &n)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	h.header = r.Header
	if status := h.status.Load(); status != 0 {
		w.WriteHeader(int(status))
		return
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.accepted = append(h.accepted, n)
	h.bodies = append(h.bodies, string(body))
}

// take returns what has been accepted since the last call.
func (h *hook) take() []Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.accepted = nil }()
	return h.accepted
}

// days returns the days left of the notices accepted since the last call.
func (h *hook) days() []int {
	var days []int
	for _, n := range h.take() {
		days = append(days, n.DaysLeft)
	}
	return days
}

// keys is a source of access keys, all called backup.
type keys struct{ id tokenstore.SessionID }

func (keys) Kind() string { return tokenstore.KindKey }

func (keys) Ends(m tokenstore.Meta) time.Time { return m.ExpiresAt }

func (k keys) SealingID(context.Context) (tokenstore.SessionID, error) { return k.id, nil }

func (keys) Describe(_ context.Context, e tokenstore.Entry) (*Subject, error) {
	return &Subject{Kind: e.Kind, Name: "backup", Account: e.AccountID, Session: tokenstore.Ref(e.Key),
		RenewURL: "https://app.example/spotify/keys/renew", AgainURL: "https://app.example/spotify/keys"}, nil
}

// world is a store, a clock that stands still, and a webhook.
type world struct {
	t     *testing.T
	clock *fakeclock.Clock
	store *memory.Store
	hook  *hook
	id    tokenstore.SessionID
	logs  *observer.ObservedLogs
	log   *zap.Logger
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: fakeclock.New(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)), id: tokenstore.NewSessionID()}
	w.store = memory.New(memory.Config{Now: w.clock.Now})
	w.hook = newHook(t)
	core, logs := observer.New(zapcore.InfoLevel)
	w.logs, w.log = logs, zap.New(core)
	return w
}

// instance returns the notifier of another instance of the site.
func (w *world) instance() *notifier {
	w.t.Helper()
	target, err := newTarget(Webhook{URL: w.hook.URL + "/secret-path"})
	if err != nil {
		w.t.Fatal(err)
	}
	return &notifier{
		target: target, sources: []Source{keys{w.id}}, clientID: "client", base: "https://app.example/spotify", site: "app.example",
		store: w.store.Peer(), clock: w.clock, logger: w.log,
	}
}

// addKey stores an access key with a life, and returns its key in the store.
func (w *world) addKey(life time.Duration) string {
	w.t.Helper()
	key := tokenstore.NewSessionID().Key("client")
	if err := w.store.Create(w.t.Context(), key, w.keyRecord(life)); err != nil {
		w.t.Fatal(err)
	}
	return key
}

func (w *world) keyRecord(life time.Duration) *tokenstore.Record {
	now := w.clock.Now()
	return &tokenstore.Record{Sealed: []byte("sealed"), Meta: tokenstore.Meta{
		Kind: tokenstore.KindKey, AccountID: "mira", CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(life),
	}}
}

// pass lets time pass, in steps of some hours, after each of which the instances do a round.
func (w *world) pass(d time.Duration, instances ...*notifier) {
	w.t.Helper()
	const step = 5*time.Hour + 2*time.Minute
	for ; d > 0; d -= step {
		w.clock.Advance(step)
		for _, n := range instances {
			n.round(w.t.Context())
		}
	}
}

// marks returns how many marks there are, the one whose turn it is included.
func (w *world) marks() int {
	w.t.Helper()
	n := 0
	for entry, err := range w.store.Walk(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if entry.Kind == tokenstore.KindMark {
			n++
		}
	}
	return n
}

// E02: a person is told 30, 7 and 1 days before and at the end, once, however many instances there
// are and however often they start.
func TestNoticesOverSixMonths(t *testing.T) {
	for name, c := range map[string]struct {
		instances int
		restart   bool
	}{"one": {1, false}, "two": {2, false}, "two that restart every day": {2, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ends := w.clock.Now().Add(180 * day)
			key := w.addKey(180 * day)
			var instances []*notifier
			var told []Notice
			for w.clock.Now().Before(ends.Add(20 * day)) {
				if instances == nil || c.restart {
					instances = nil
					for range c.instances {
						instances = append(instances, w.instance())
					}
				}
				w.pass(day, instances...)
				for _, n := range w.hook.take() {
					if late := w.clock.Now().Sub(ends.Add(-time.Duration(n.DaysLeft) * day)); late < 0 || late > 30*time.Hour {
						t.Errorf("told %s late: %+v", late, n)
					}
					told = append(told, n)
				}
			}
			want := []int{30, 7, 1, 0}
			if len(told) != len(want) {
				t.Fatalf("told %+v", told)
			}
			for i, n := range told {
				event, priority, renew := EventDue, min(5, 3+i), "https://app.example/spotify/keys/renew"
				if n.DaysLeft == 0 {
					event, renew = EventEnded, "https://app.example/spotify/keys"
				}
				if n.DaysLeft != want[i] || n.Event != event || n.Priority != priority || n.Name != "backup" || n.Account != "mira" || n.Session != tokenstore.Ref(key) ||
					n.Kind != "key" || n.Site != "app.example" || n.Click != renew || n.RenewURL != renew || n.AgainURL != "" || n.ReauthorizeBy != "2026-11-28T12:00:00Z" {
					t.Errorf("notice %d: %+v", i, n)
				}
			}
			if n := w.marks(); n > 1 {
				t.Errorf("%d marks are left", n)
			}
		})
	}
}

// E02: what is told is counted from the life of the key, and what its owner knows anyway is not told.
func TestShortLives(t *testing.T) {
	for life, want := range map[time.Duration][]int{
		90 * day:         {30, 7, 1, 0},
		30 * day:         {7, 1, 0},
		7 * day:          {1, 0},
		day:              {0},
		90 * time.Minute: {0},
	} {
		t.Run(life.String(), func(t *testing.T) {
			w := newWorld(t)
			w.addKey(life)
			n := w.instance()
			n.round(t.Context())
			w.pass(life+2*day, n)
			if got := w.hook.days(); !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
		})
	}
}

// E02: after a time without any instance, only the last of the notices that were missed is sent.
func TestNoticesAfterDowntime(t *testing.T) {
	w := newWorld(t)
	w.addKey(180 * day)
	w.pass(100*day, w.instance())
	w.clock.Advance(75 * day)
	n := w.instance()
	w.pass(2*time.Hour, n)
	if got := w.hook.days(); !slices.Equal(got, []int{5}) {
		t.Errorf("told %v after the downtime", got)
	}
	// The end is told even if it came while no instance was running, and the record is gone.
	w.clock.Advance(20 * day)
	w.pass(2*time.Hour, w.instance())
	got := w.hook.take()
	if len(got) != 1 || got[0].Event != EventEnded || got[0].Name != "backup" || got[0].Account != "mira" {
		t.Errorf("told %+v after the end", got)
	}
	w.pass(3*day, w.instance())
	if got := w.hook.take(); len(got) != 0 {
		t.Errorf("told again: %+v", got)
	}
}

// E02: a key that is revoked ends without a word, and one that is renewed begins again.
func TestRevokedAndRenewed(t *testing.T) {
	w := newWorld(t)
	revoked, renewed := w.addKey(60*day), w.addKey(60*day)
	n := w.instance()
	w.pass(31*day, n)
	if got := w.hook.days(); !slices.Equal(got, []int{30, 30}) {
		t.Fatalf("told %v", got)
	}
	if err := w.store.Delete(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	old, err := w.store.Load(t.Context(), renewed)
	if err != nil {
		t.Fatal(err)
	}
	rec := w.keyRecord(60 * day)
	rec.Version = old.Version
	if err := w.store.Update(t.Context(), renewed, rec); err != nil {
		t.Fatal(err)
	}
	w.pass(2*time.Hour, n)
	if got := w.marks(); got > 1 {
		t.Errorf("%d marks are left", got)
	}
	w.pass(62*day, n)
	if got := w.hook.days(); !slices.Equal(got, []int{30, 7, 1, 0}) {
		t.Errorf("told %v after the renewal", got)
	}
}

// E02: a webhook that is down for a day is asked some thirty times, and told once when it is back.
func TestWebhookDown(t *testing.T) {
	w := newWorld(t)
	w.addKey(60 * day)
	n := w.instance()
	w.pass(29*day, n)
	w.hook.status.Store(http.StatusBadGateway)
	began := w.clock.Now()
	var waits []time.Duration
	for w.clock.Now().Sub(began) < 2*day {
		wait := n.round(t.Context())
		waits = append(waits, wait)
		w.clock.Advance(wait)
	}
	if w.hook.tries < 20 || w.hook.tries > 60 {
		t.Errorf("%d tries", w.hook.tries)
	}
	if got := w.hook.take(); len(got) != 0 {
		t.Fatalf("accepted: %+v", got)
	}
	first := slices.IndexFunc(waits, func(d time.Duration) bool { return d < scanEvery })
	if first < 0 || !slices.Equal(waits[first:first+7], []time.Duration{
		time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour,
	}) {
		t.Errorf("waited %v", waits)
	}
	// Another instance takes over.
	w.hook.status.Store(0)
	w.pass(3*time.Hour, w.instance(), n)
	if got := w.hook.days(); len(got) != 1 {
		t.Errorf("told %v", got)
	}
	for _, line := range w.logs.All() {
		if text, _ := json.Marshal(line.ContextMap()); strings.Contains(string(text), "secret-path") {
			t.Errorf("the log shows the webhook's address: %s", text)
		}
	}
	if w.logs.FilterMessage("sending notice failed; will retry").Len() == 0 || w.logs.FilterMessage("notice sent").Len() != 1 {
		t.Errorf("logged: %v", w.logs.All())
	}
}

// E03: what is left of a key that its owner has revoked goes also while the webhook is down.
func TestRevokedWhileWebhookIsDown(t *testing.T) {
	w := newWorld(t)
	revoked := w.addKey(60 * day)
	for range 5 {
		w.addKey(60 * day)
	}
	n := w.instance()
	w.pass(31*day, n)
	if got := w.marks(); got < 6 {
		t.Fatalf("%d marks", got)
	}
	w.hook.status.Store(http.StatusBadGateway)
	w.pass(22*day+12*time.Hour, n) // all others are due again
	if err := w.store.Delete(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	w.pass(6*time.Hour, n)
	mark := n.markKey(revoked)
	for entry, err := range w.store.Walk(t.Context()) {
		if err != nil || entry.Key == mark {
			t.Errorf("left: %+v, %v", entry, err)
		}
	}
	if len(n.pending) != 5 {
		t.Errorf("%d notices wait, want 5", len(n.pending))
	}
}

// One notice that a webhook does not like does not hold up the others.
func TestOneRefused(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.addKey(60 * day)
	}
	n := w.instance()
	w.pass(29*day, n)
	var bad atomic.Value
	handler := w.hook.Config.Handler
	w.hook.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var notice Notice
		_ = json.Unmarshal(body, &notice)
		bad.CompareAndSwap(nil, notice.Session)
		if bad.Load() == notice.Session {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		handler.ServeHTTP(rw, r)
	})
	w.pass(2*day, n)
	if got := w.hook.days(); !slices.Equal(got, []int{30, 30, 30, 30}) {
		t.Errorf("told %v", got)
	}
}

// failingStore fails to write marks as often as it is told.
type failingStore struct {
	tokenstore.Store
	times int
}

var errStore = errors.New("the store is gone")

func (s *failingStore) Create(ctx context.Context, key string, rec *tokenstore.Record) error {
	if rec.Kind == tokenstore.KindMark && !rec.UsedAt.IsZero() && s.times > 0 {
		s.times--
		return errStore
	}
	return s.Store.Create(ctx, key, rec)
}

// A process that dies, or loses the store, after the webhook has accepted a notice and before that is
// noted tells it once more. A notice is told at least once.
func TestDiesBetweenSendingAndMarking(t *testing.T) {
	w := newWorld(t)
	w.addKey(60 * day)
	n := w.instance()
	w.pass(29*day, n)
	n.store = &failingStore{n.store, 1}
	w.pass(28*time.Hour, n)
	w.pass(3*day, w.instance(), w.instance())
	if got := w.hook.days(); !slices.Equal(got, []int{30, 30}) {
		t.Errorf("told %v", got)
	}
}

// E02: instances that look at the same moment tell once between them.
func TestInstancesAtOnce(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.addKey(60 * day)
	}
	instances := []*notifier{w.instance(), w.instance(), w.instance()}
	w.pass(29*day, instances...)
	w.clock.Advance(2 * day)
	for _, n := range instances {
		// Each has walked the store, as if the turns had gone wrong.
		n.turn = true
		if err := n.look(t.Context()); err != nil || len(n.pending) != 20 {
			t.Fatalf("%d pending, %v", len(n.pending), err)
		}
	}
	var wg sync.WaitGroup
	for _, n := range instances {
		wg.Go(func() { n.round(t.Context()) })
	}
	wg.Wait()
	if got := w.hook.days(); len(got) != 20 {
		t.Errorf("told %d times, want 20", len(got))
	}
}

// Two sites with one app and one store know nothing of each other's marks.
func TestTwoSites(t *testing.T) {
	w := newWorld(t)
	w.addKey(60 * day)
	n, other := w.instance(), w.instance()
	other.base, other.sources = "https://other.example/spotify", []Source{none{keys{tokenstore.NewSessionID()}}}
	w.pass(62*day, n, other)
	if got := w.hook.days(); !slices.Equal(got, []int{30, 7, 1, 0}) {
		t.Errorf("told %v", got)
	}
}

// none is a source that has no record.
type none struct{ keys }

func (none) Describe(context.Context, tokenstore.Entry) (*Subject, error) { return nil, nil }

// hanging is a server that never responds.
type hanging struct{ began chan struct{} }

func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	close(h.began)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// E02: a webhook that does not respond is given up after ten seconds, and whoever stops waits no longer.
func TestSlowWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target, err := newTarget(Webhook{URL: "https://slow.example"})
		if err != nil {
			t.Fatal(err)
		}
		hanging := hanging{make(chan struct{})}
		target.client.Transport = hanging
		store := memory.New(memory.Config{})
		now := time.Now()
		rec := &tokenstore.Record{Sealed: []byte("sealed"), Meta: tokenstore.Meta{
			Kind: tokenstore.KindKey, AccountID: "mira", CreatedAt: now, AuthorizedAt: now, ExpiresAt: now.Add(40 * day),
		}}
		if err := store.Create(t.Context(), tokenstore.NewSessionID().Key("client"), rec); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * day)
		stop := start(&notifier{
			target: target, sources: []Source{keys{}}, clientID: "client", base: "base", store: store, clock: pkce.SystemClock{}, logger: zap.NewNop(),
		})
		<-hanging.began
		sent := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(sent); waited != sendTimeout {
			t.Errorf("stopping took %s", waited)
		}
	})
}

// A configuration that is only validated touches neither the store nor the webhook.
func TestStoppedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.addKey(time.Hour)
	if err := start(w.instance())(); err != nil {
		t.Fatal(err)
	}
	if n := w.marks(); n != 0 || w.hook.tries != 0 || w.clock.Timers() != 0 {
		t.Errorf("%d marks, %d tries, %d timers", n, w.hook.tries, w.clock.Timers())
	}
}
