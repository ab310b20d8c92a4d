package keys_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyspotify/caddy-spotify/internal/fakeclock"
	"github.com/caddyspotify/caddy-spotify/internal/proxytest"
	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// year is a site over 13 months of its clock, in days.
type year struct {
	*proxytest.Proxy
	t     *testing.T
	clock *fakeclock.Clock
	hook  *webhook
	start time.Time
	told  int // notices that have been waited for
}

const (
	yearDays = 396
	keyLife  = 180 * 24 * time.Hour
)

func startYear(t *testing.T) *year {
	y := &year{t: t, clock: fakeclock.New(time.Now()), hook: startWebhook(t)}
	y.clock.Install(t)
	y.start = y.clock.Now()
	y.Proxy = proxytest.Start(t, proxytest.Options{
		Auth: "session {\nidle 30d\n}\naccess_keys {\nlifetime 180d\n}\ndevice_login\nnotify " + y.hook.URL,
		Sim:  spotifytest.Options{Now: y.clock.Now, Rotation: spotifytest.RotateRevoke},
	})
	return y
}

func (y *year) day() int { return int(y.clock.Now().Sub(y.start) / (24 * time.Hour)) }

// logf adds a line to the timeline.
func (y *year) logf(format string, args ...any) {
	y.t.Helper()
	y.t.Logf("day %3d: %s", y.day(), fmt.Sprintf(format, args...))
}

// owned is an access key as its owner knows it, who never sees the key again.
type owned struct {
	name, user, ref string
	ends            time.Time
	told            []int // days left, of its notices
	renewAt         int   // days left in the notice on which its owner acts
	renewed         int
}

// listed returns an access key of the owner's.
func (o *owned) listed(b *proxytest.Browser) proxytest.ListedKey {
	b.T.Helper()
	keys := b.Keys()
	at := slices.IndexFunc(keys, func(k proxytest.ListedKey) bool { return k.Name == o.name })
	if at < 0 || o.ref != "" && keys[at].Key != o.ref || keys[at].Expired {
		b.T.Fatalf("%s is not listed as it was: %+v", o.name, keys)
	}
	return keys[at]
}

// due returns when the next notice of the key's term comes.
func (o *owned) due() time.Time {
	stages := map[int][]int{7: {30, 7}, 1: {30, 7, 1}}[o.renewAt]
	return o.ends.AddDate(0, 0, -stages[len(o.told)%len(stages)])
}

// notice waits for the notice about a key, and has its owner act on it.
func (y *year) notice(o *owned) {
	y.t.Helper()
	y.told++
	proxytest.Eventually(y.t, "a notice about "+o.name, func() bool {
		y.clock.Advance(time.Minute)
		return len(y.hook.received()) >= y.told
	})
	n := y.hook.received()[y.told-1]
	if n.Event != "reauthorization_due" || n.Name != o.name || n.Session != o.ref || !n.ReauthorizeBy.Equal(o.ends) || n.RenewURL != y.Origin+"/spotify/keys/renew?key="+o.ref {
		y.t.Fatalf("told %+v of %+v", n, o)
	}
	o.told = append(o.told, n.DaysLeft)
	y.logf("the webhook is told: %s", n.Title)
	if n.DaysLeft != o.renewAt {
		return
	}
	link := strings.TrimPrefix(n.RenewURL, y.Origin)
	b := y.NewBrowser() // the telephone that shows the notice
	b.WantStatus(b.Navigate(link), http.StatusFound)
	b.Login(o.user)
	says := map[int]string{7: "<strong>Ends in 7 days.</strong>", 1: "<strong>Ends within a day.</strong>"}[o.renewAt]
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Count(page, says) != 1 {
		y.t.Errorf("day %d: the page of %s does not say %q once: %s", y.day(), o.name, says, page)
	}
	if page := b.WantStatus(b.Navigate(link), http.StatusOK).Text; !strings.Contains(page, o.name) || !strings.Contains(page, `action="/spotify/keys/renew"`) {
		y.t.Errorf("day %d: the link leads to %s", y.day(), page)
	}
	b.RenewKey(o.ref)
	k := o.listed(b)
	if k.Renewal == nil || !k.Renewal.ExpiresAt.Equal(y.clock.Now().Add(keyLife).UTC().Truncate(time.Second)) {
		y.t.Fatalf("renewed: %+v", k)
	}
	if page := b.Navigate(proxytest.KeysPath).Text; strings.Contains(page, says) {
		y.t.Errorf("day %d: after the renewal the page still says %q", y.day(), says)
	}
	o.ends = k.Renewal.ExpiresAt
	o.renewed++
	y.logf("%s renews %s by the notice's link; it is good until day %d", o.user, o.name, int(o.ends.Sub(y.start)/(24*time.Hour)))
}

// E01 E02 E03: over 13 months a script has one key, which is renewed twice from the link
// of a notice; a kiosk that got its key by a code follows what plays; and a person logs in
// again when the page asks. Each of them works every week, hears what they are to hear and
// nothing else, and no credential changes but by their choice.
func TestThirteenMonths(t *testing.T) {
	y := startYear(t)
	owner := y.NewBrowser()
	owner.Login("mira")
	backup := &owned{name: "backup", user: "mira", renewAt: 7}
	script := y.Program(owner.CreateKey(proxytest.KeyForm(backup.name)))
	y.clock.Advance(3 * time.Hour) // so that notices have an order
	code := newDevice(y.Proxy).AskForCode("Kiosk")
	guest := y.NewBrowser()
	guest.WantStatus(guest.ComeBack(guest.AgreeToDevice("jonas", code.UserCode)), http.StatusOK)
	screen := &owned{name: "Kiosk", user: "jonas", renewAt: 1}
	kiosk := y.Program(newDevice(y.Proxy).FetchDeviceKey(code.DeviceCode))
	guest.Login("jonas")
	for o, b := range map[*owned]*proxytest.Browser{backup: owner, screen: guest} {
		k := o.listed(b)
		o.ref, o.ends = k.Key, k.ExpiresAt
	}
	y.logf("mira creates the key %s; jonas connects the %s by its code", backup.ref, screen.name)
	laptop := y.NewBrowser()
	laptop.Login("mira")
	cookie, logins, restarted := laptop.SessionCookie(), 0, false

	for y.day() < yearDays {
		step := 7 * 24 * time.Hour
		for _, o := range []*owned{backup, screen} {
			step = min(step, max(0, o.due().Sub(y.clock.Now())))
		}
		y.clock.Advance(step)
		if y.day() >= 200 && !restarted {
			restarted = true
			y.Restart()
			y.logf("the server restarts")
		}
		script.WantStatus(script.Me(), http.StatusOK)
		stream := kiosk.Stream("/spotify/events", proxytest.Header("Sec-Fetch-Site", ""))
		stream.NextNamed("player")
		stream.Close()

		info := laptop.Session()
		left := info.ReauthorizeBy.Sub(y.clock.Now())
		if !info.Authenticated || info.Due != (left <= 14*24*time.Hour) {
			t.Fatalf("day %d: the laptop's session: %+v", y.day(), info)
		}
		if laptop.SessionCookie() != cookie {
			t.Errorf("day %d: the cookie has changed", y.day())
		}
		a := laptop.WantStatus(laptop.Fetch("GET", "/spotify/v1/me", ""), http.StatusOK)
		if header := a.Header.Get("Spotify-Proxy-Reauthorize-By"); (header != "") != info.Due {
			t.Errorf("day %d: Spotify-Proxy-Reauthorize-By %q", y.day(), header)
		}
		if info.Due {
			laptop.Login("mira")
			cookie = laptop.SessionCookie()
			logins++
			y.logf("the laptop's page says that the login ends in %d days; mira logs in again", int(left/(24*time.Hour)))
			if laptop.Session().Due {
				t.Error("due after the login")
			}
		}
		for _, o := range []*owned{backup, screen} {
			if !y.clock.Now().Before(o.due()) {
				y.notice(o)
				script.WantStatus(script.Me(), http.StatusOK)
				kiosk.WantStatus(kiosk.Me(), http.StatusOK) // also takes a renewal
			}
		}
	}

	if !slices.Equal(backup.told, []int{30, 7, 30, 7}) || !slices.Equal(screen.told, []int{30, 7, 1, 30, 7, 1}) {
		t.Errorf("told of %s: %d, of %s: %d", backup.name, backup.told, screen.name, screen.told)
	}
	if got := y.hook.received(); len(got) != y.told {
		t.Errorf("also told: %+v", got[y.told:])
	}
	if backup.renewed != 2 || screen.renewed != 2 || logins != 2 {
		t.Errorf("renewed %d and %d times, %d logins; want two each", backup.renewed, screen.renewed, logins)
	}
	for _, o := range []*owned{backup, screen} {
		b := y.NewBrowser()
		b.Login(o.user)
		if k := o.listed(b); k.Renewal != nil || k.RenewedAt == nil || !k.ExpiresAt.Equal(o.ends) {
			t.Errorf("%s at the end: %+v", o.name, k)
		}
	}
	if refused := y.Sim.RefreshesRefused(); refused != 0 {
		t.Errorf("Spotify refused %d refreshes", refused)
	}
	y.logf("%d token refreshes, none refused; both keys and the session work", y.Sim.Refreshes())
}
