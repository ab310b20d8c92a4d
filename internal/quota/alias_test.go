package quota

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
)

// E03: no file names an account, whatever its ID, and an account that is forgotten is
// named nowhere. What it has sent goes on to count, and is its own again if it is back.
func TestFilesNameNoAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, budget := newDisk(), &Budget{Limit: 100}
		one, two := d.start("one"), d.start("two")
		who := Caller{Account, "6gY5IRPwmSgvhfRLwGhTKh"}
		for range 10 {
			e := one.Begin("GET /me", who)
			e.Sent()
		}
		two.Begin("GET /me", Caller{Account, "jonas"})
		for _, i := range []*instance{one, two} {
			if err := i.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		d.mu.Lock()
		for name, content := range d.files {
			if bytes.Contains(content, []byte(who.Name)) {
				t.Errorf("%s names the account", name)
			}
		}
		d.mu.Unlock()
		named := func(l *Ledger, known ...string) string {
			t.Helper()
			r := l.Report()
			l.Name(r, slices.Values(known))
			if len(r.Callers) != 1 || r.Callers[0].Used != 10 || r.Used != 10 {
				t.Fatalf("%+v", r)
			}
			return r.Callers[0].Name
		}
		if got := named(one.Ledger); got != who.Name {
			t.Errorf("here it is called %q", got)
		}
		if got := named(two.Ledger, "jonas", who.Name); got != who.Name {
			t.Errorf("elsewhere it is called %q", got)
		}
		// The other instance knows whose they are without a name: the fair share counts both.
		if here, there := one.Header(budget, who), two.Header(budget, who); here != there {
			t.Errorf("here %q, there %q", here, there)
		}
		one.Forget(who.Name)
		if got := named(one.Ledger); got == who.Name || got[0] != '~' {
			t.Errorf("forgotten, it is called %q", got)
		}
		one.Begin("GET /me", who)
		if got := named(one.Ledger); got != who.Name {
			t.Errorf("back again, it is called %q", got)
		}
		for _, i := range []*instance{one, two} {
			_ = i.Stop()
		}
	})
}
