package telemetry

import (
	"context"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// O53: while configs change, the one in force is told, and nobody's events app
// is used before it has started or after it has ended.
func TestAudience(t *testing.T) {
	config := func() (one, two *Observer, end context.CancelFunc) {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		t.Cleanup(cancel)
		app := new(caddyevents.App)
		return &Observer{ctx: ctx, events: app}, &Observer{ctx: ctx, events: app}, cancel
	}
	var a Observers
	want := func(when string, o *Observer) {
		t.Helper()
		if a.Observer() != o {
			t.Errorf("%s: the wrong one is told", when)
		}
	}
	want("before any config", nil)
	old1, old2, endOld := config()
	a.Join(old1)
	a.Join(old2)
	want("one config with two sites", old1)

	broken, _, endBroken := config()
	a.Join(broken)
	want("a config that is about to start", old1)
	endBroken()
	a.Leave(broken)
	want("a config that did not start", old1)

	new1, new2, endNew := config()
	a.Join(new1)
	a.Join(new2)
	want("the next config is about to start", old1)
	endOld()
	want("the config before it has ended", new1)
	a.Leave(old1)
	a.Leave(old2)
	want("and is gone", new1)
	a.Leave(new1)
	want("a site less", new2)
	a.Leave(new2)
	want("nobody is left", new2)
	endNew()
	want("nothing is left", new2)
}
