package player

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubbleClock is the clock of a synctest bubble.
type bubbleClock struct{ start time.Time }

func newBubbleClock() bubbleClock { return bubbleClock{time.Now().Add(-time.Hour)} }

func (bubbleClock) Now() time.Time             { return time.Now().Round(0) }
func (c bubbleClock) Monotonic() time.Duration { return time.Since(c.start) }
func (bubbleClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// fakeSpotify is a player, and a source that asks for it.
type fakeSpotify struct {
	mu     sync.Mutex
	body   string
	err    error
	takes  time.Duration
	asked  int
	atOnce int // requests under way
	most   int // of atOnce
}

func (f *fakeSpotify) Ask(ctx context.Context) (Response, error) {
	f.mu.Lock()
	f.asked++
	f.atOnce++
	f.most = max(f.most, f.atOnce)
	takes := f.takes
	f.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atOnce--
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	return Response{Body: []byte(f.body), View: View{Whole: true, Episodes: true}}, f.err
}

func (f *fakeSpotify) play(body string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body, f.err = body, err
}

func (f *fakeSpotify) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func track(name string, rest string) string {
	return fmt.Sprintf(`{"device":{"name":"kitchen"},"is_playing":true,"progress_ms":0,%s"item":{"uri":%q,"duration_ms":200000}}`, rest, name)
}

// heard returns what a listener is told, once there is something to write.
func heard(t *testing.T, l *Listener) (text string, over bool) {
	t.Helper()
	synctest.Wait()
	select {
	case <-l.Ready():
	default:
		return "", false
	}
	var b bytes.Buffer
	over, err := l.Write(&b)
	if err != nil {
		t.Errorf("Write: %v", err)
	}
	return b.String(), over
}

func hears(t *testing.T, l *Listener, want ...string) string {
	t.Helper()
	got, _ := heard(t, l)
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("heard %q, want %q in it", got, w)
		}
	}
	if len(want) == 0 && got != "" {
		t.Errorf("heard %q, want nothing", got)
	}
	return got
}

func subscribe(t *testing.T, h *Hub, s Subscription) *Listener {
	t.Helper()
	if s.Account == "" {
		s.Account = "somebody"
	}
	l, err := h.Subscribe(s)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return l
}

func newTestHub(o Options) *Hub {
	o.Clock = newBubbleClock()
	return NewHub(o)
}

// Q07: a thousand listeners cost one request at a time, and none when they have gone.
func TestManyListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{body: track("one", ""), takes: 100 * time.Millisecond}
		h := newTestHub(Options{})
		defer h.Close()
		var all []*Listener
		for n := range 1000 {
			all = append(all, subscribe(t, h, Subscription{Owner: fmt.Sprint(n / 10), View: View{Whole: true, Episodes: true}, Source: spotify}))
		}
		time.Sleep(time.Second)
		for _, l := range all {
			hears(t, l, "event: player\nid: ", `"player":{"device":{"name":"kitchen"}`, `"uri":"one"`)
		}
		if n := spotify.requests(); n != 1 {
			t.Errorf("%d requests for the first state", n)
		}
		spotify.play(track("two", ""), nil)
		h.Commanded("somebody")
		time.Sleep(time.Second)
		for _, l := range all {
			hears(t, l, `"uri":"two"`)
			hears(t, l)
		}
		spotify.play("", nil)
		time.Sleep(time.Minute)
		for _, l := range all {
			hears(t, l, "event: idle\nid: ")
			l.Leave()
			l.Leave()
		}
		asked := spotify.requests()
		time.Sleep(24 * time.Hour)
		if n := spotify.requests() - asked; n != 0 {
			t.Errorf("%d requests although nobody listens", n)
		}
		if spotify.most != 1 {
			t.Errorf("%d requests at once", spotify.most)
		}
		if h.Streams() != 0 || len(h.topics) != 0 || len(h.owners) != 0 {
			t.Errorf("left over: %d streams, %d topics, %d owners", h.Streams(), len(h.topics), len(h.owners))
		}
	})
}

// A listener that is slow misses what is between and gets the newest.
func TestSlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{}
		h := newTestHub(Options{})
		defer h.Close()
		l := subscribe(t, h, Subscription{Source: spotify})
		defer l.Leave()
		for n := range 20 {
			spotify.play(track(fmt.Sprintf("no %d", n), ""), nil)
			time.Sleep(10 * time.Second)
		}
		got := hears(t, l, `"no 19"`)
		if strings.Count(got, "event:") != 1 {
			t.Errorf("heard %q, want one event", got)
		}
		hears(t, l)
	})
}

// Whoever comes back with the last id is told what is new only, and who comes often does
// not have Spotify asked each time.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{body: strings.Replace(track("one", ""), "true", "false", 1)}
		h := newTestHub(Options{})
		defer h.Close()
		l := subscribe(t, h, Subscription{Source: spotify})
		text := hears(t, l, `"one"`)
		_, rest, _ := strings.Cut(text, "id: ")
		id, _, _ := strings.Cut(rest, "\n")
		l.Leave()
		time.Sleep(time.Second)
		l = subscribe(t, h, Subscription{Source: spotify, LastID: id})
		hears(t, l)
		other := subscribe(t, h, Subscription{Source: spotify, LastID: "other"})
		hears(t, other, `"one"`)
		other.Leave()
		if n := spotify.requests(); n != 1 {
			t.Errorf("%d requests, want one", n)
		}
		for range 100 {
			subscribe(t, h, Subscription{Source: spotify}).Leave()
			time.Sleep(6 * time.Second)
		}
		if n := spotify.requests(); n > 1+maxArrivals+2+12 {
			t.Errorf("%d requests in ten minutes because people come", n)
		}
		l.Leave()
	})
}

// Those who may see what is played only see no device, and hear of no change of it.
func TestViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const louder = `"progress_ms":10000,"repeat_state":"off",`
		spotify := &fakeSpotify{body: track("one", "")}
		h := newTestHub(Options{})
		defer h.Close()
		whole := subscribe(t, h, Subscription{View: View{Whole: true, Episodes: true}, Source: spotify})
		part := subscribe(t, h, Subscription{Source: spotify})
		defer whole.Leave()
		defer part.Leave()
		hears(t, whole, "kitchen")
		if got := hears(t, part, `"one"`); strings.Contains(got, "kitchen") {
			t.Errorf("heard of the device: %q", got)
		}
		spotify.play(strings.Replace(track("one", louder), `"progress_ms":0,`, "", 1), nil)
		time.Sleep(10 * time.Second)
		hears(t, whole, "repeat_state")
		hears(t, part)
		spotify.play(track("two", louder), nil)
		time.Sleep(20 * time.Second)
		if got := hears(t, part, `"two"`); strings.Contains(got, "repeat_state") || strings.Contains(got, "kitchen") {
			t.Errorf("heard of the device: %q", got)
		}
	})
}

// Whoever does not ask for episodes sees none.
func TestEpisodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{body: strings.Replace(track("spotify:episode:one", ""), "{", `{"currently_playing_type":"episode",`, 1)}
		h := newTestHub(Options{})
		defer h.Close()
		for view, want := range map[View][2]bool{ // what is in it: the device, the item
			{}:                            {false, false},
			{Episodes: true}:              {false, true},
			{Whole: true}:                 {true, false},
			{Whole: true, Episodes: true}: {true, true},
		} {
			l := subscribe(t, h, Subscription{View: view, Source: spotify})
			text := hears(t, l, "event: player")
			if got := [2]bool{strings.Contains(text, "kitchen"), strings.Contains(text, "spotify:episode:one")}; got != want {
				t.Errorf("%+v: heard %q", view, text)
			}
			l.Leave()
		}
	})
}

// Q08: what ends a stream is its last event, and is heard by those alone whom it is about.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{body: track("one", "")}
		h := newTestHub(Options{})
		a := subscribe(t, h, Subscription{Grant: "a", Group: 1, Source: spotify, LoginURL: "/spotify/login"})
		b := subscribe(t, h, Subscription{Grant: "b", Group: 1, Source: spotify})
		c := subscribe(t, h, Subscription{Grant: "c", Group: 2, Source: spotify})
		for _, l := range []*Listener{a, b, c} {
			hears(t, l, `"one"`)
			defer l.Leave()
		}
		spotify.play(track("two", ""), nil)
		h.End("a", "logged_out")
		text, over := heard(t, a)
		if !over || text != "event: login_required\ndata: {\"reason\":\"logged_out\",\"login_url\":\"/spotify/login\"}\nretry: 60000\n\n" {
			t.Errorf("heard %q, over %t", text, over)
		}
		h.Dismiss(1, "reload")
		text, over = heard(t, b)
		if !over || !strings.HasPrefix(text, "event: bye\ndata: {\"reason\":\"reload\"}\nretry: ") || !strings.HasSuffix(text, "\n\n") {
			t.Errorf("heard %q, over %t", text, over)
		}
		hears(t, c)
		h.Close()
		if text, over = heard(t, c); !over || !strings.Contains(text, "shutdown") {
			t.Errorf("heard %q, over %t", text, over)
		}
		if _, err := h.Subscribe(Subscription{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Subscribe after Close: %v", err)
		}
	})
}

// Q08: those who are sent away come back over at least five seconds.
func TestComeBack(t *testing.T) {
	for _, of := range []int{1, 1000, 10_000} {
		first, last := time.Hour, time.Duration(0)
		for range 1000 {
			d := comeBack(of)
			first, last = min(first, d), max(last, d)
		}
		if last-first < 5*time.Second || first < soonestReturn || last > soonestReturn+longestSpread {
			t.Errorf("%d come back between %v and %v", of, first, last)
		}
	}
}

// The account's other sessions go on when the one that was asked with has ended.
func TestSourceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := &fakeSpotify{err: &EndedError{Reason: "reauthorization_required"}}
		spotify := &fakeSpotify{body: track("one", "")}
		h := newTestHub(Options{})
		defer h.Close()
		a := subscribe(t, h, Subscription{Grant: "a", View: View{Whole: true, Episodes: true}, Source: over})
		b := subscribe(t, h, Subscription{Grant: "b", Source: spotify})
		defer b.Leave()
		moved := subscribe(t, h, Subscription{
			Account: "moved", Source: &fakeSpotify{err: &EndedError{Reason: "account_changed", Return: true}},
		})
		defer moved.Leave()
		if text, over := heard(t, moved); !over || !strings.HasPrefix(text, "event: bye") || !strings.Contains(text, "\nretry: ") {
			t.Errorf("heard %q, over %t", text, over)
		}
		if text, over := heard(t, a); !over || !strings.Contains(text, "reauthorization_required") {
			t.Errorf("heard %q, over %t", text, over)
		}
		hears(t, b, `"one"`)
		a.Leave()
	})
}

// Listeners are told why there is nothing new, and when there is again.
func TestTroubleIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spotify := &fakeSpotify{body: track("one", "")}
		failures := 0
		h := newTestHub(Options{Failed: func(string, error) { failures++ }})
		defer h.Close()
		l := subscribe(t, h, Subscription{Source: spotify})
		defer l.Leave()
		hears(t, l, `"one"`)
		spotify.play("", &LimitedError{Wait: time.Hour, Reason: "quota_exceeded"})
		time.Sleep(10 * time.Second)
		hears(t, l, "event: limited\ndata: {\"reason\":\"quota_exceeded\",\"until\":")
		asked := spotify.requests()
		h.Commanded("somebody")
		time.Sleep(59 * time.Minute)
		if n := spotify.requests() - asked; n != 0 {
			t.Errorf("%d requests in the meantime", n)
		}
		late := subscribe(t, h, Subscription{Source: spotify})
		hears(t, late, `"one"`, "quota_exceeded")
		late.Leave()
		spotify.play(track("one", ""), nil)
		time.Sleep(2 * time.Minute)
		hears(t, l, `"one"`)
		spotify.play("", errors.New("connection refused"))
		time.Sleep(200 * time.Second)
		hears(t, l, "event: limited\ndata: {\"reason\":\"upstream_unavailable\"")
		spotify.play("<html>", nil)
		time.Sleep(200 * time.Second)
		hears(t, l, "event: limited")
		if failures == 0 {
			t.Error("failures are not reported")
		}
		spotify.play("", nil)
		time.Sleep(2 * time.Minute)
		hears(t, l, "event: idle")
	})
}
