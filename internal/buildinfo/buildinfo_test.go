package buildinfo

import (
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
)

// What go version -m prints of builds of each kind.
func TestFill(t *testing.T) {
	const header = "go\tgo1.26.8\npath\tx\n"
	for _, test := range []struct {
		name, build string
		want        Info
		text        string
	}{{
		name: "a release, built in a clone",
		build: "mod\tgithub.com/caddyspotify/caddy-spotify\tv0.1.0\t\n" +
			"dep\tgithub.com/caddyserver/caddy/v2\tv2.11.9\th1:x=\n" +
			"build\t-tags=nodemo,noredis\nbuild\tvcs=git\nbuild\tvcs.revision=47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de\n" +
			"build\tvcs.time=2026-11-28T21:25:02Z\nbuild\tvcs.modified=false\n",
		want: Info{Plugin: "v0.1.0", Commit: "47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de", Time: "2026-11-28T21:25:02Z",
			Caddy: "v2.11.9", Tags: []string{"nodemo", "noredis"}},
		text: "caddy-spotify  v0.1.0\ncommit         47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de of 2026-11-28T21:25:02Z\n" +
			"caddy          v2.11.9\ngo              \ntags           nodemo noredis\n",
	}, {
		name: "a clone with changes",
		build: "mod\tgithub.com/caddyspotify/caddy-spotify\tv0.1.1-0.20261128212502-47d4f7e1b0a8+dirty\t\n" +
			"dep\tgithub.com/caddyserver/caddy/v2\tv2.11.9\th1:x=\n" +
			"build\tvcs.revision=47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de\nbuild\tvcs.modified=true\n",
		want: Info{Plugin: "v0.1.1-0.20261128212502-47d4f7e1b0a8+dirty", Commit: "47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de",
			Modified: true, Caddy: "v2.11.9"},
		text: "caddy-spotify  v0.1.1-0.20261128212502-47d4f7e1b0a8+dirty\n" +
			"commit         47d4f7e1b0a8b86c0a2a5a6dc8b0a3e3a5a4c0de, modified\ncaddy          v2.11.9\ngo              \n",
	}, {
		name: "a clone without -buildvcs",
		build: "mod\tgithub.com/caddyspotify/caddy-spotify\t(devel)\t\n" +
			"dep\tgithub.com/caddyserver/caddy/v2\tv2.11.9\th1:x=\n",
		want: Info{Plugin: "(devel)", Caddy: "v2.11.9"},
		text: "caddy-spotify  (devel)\ncaddy          v2.11.9\ngo              \n",
	}, {
		name: "xcaddy with a commit, in another repository",
		build: "mod\tcaddy\t(devel)\t\n" +
			"dep\tgithub.com/caddyserver/caddy/v2\tv2.11.9\th1:x=\n" +
			"dep\tgithub.com/caddyspotify/caddy-spotify\tv0.0.0-20261128212502-47d4f7e1b0a8\th1:x=\n" +
			"build\tvcs.revision=ffffffffffffffffffffffffffffffffffffffff\nbuild\tvcs.modified=true\n",
		want: Info{Plugin: "v0.0.0-20261128212502-47d4f7e1b0a8", Commit: "47d4f7e1b0a8", Caddy: "v2.11.9"},
		text: "caddy-spotify  v0.0.0-20261128212502-47d4f7e1b0a8\ncommit         47d4f7e1b0a8\ncaddy          v2.11.9\ngo              \n",
	}, {
		name: "xcaddy with a folder, and a fork of Caddy",
		build: "mod\tcaddy\t(devel)\t\n" +
			"dep\tgithub.com/caddyserver/caddy/v2\tv2.11.9\n=>\texample.com/caddy\tv2.11.10\th1:x=\n" +
			"dep\tgithub.com/caddyspotify/caddy-spotify\tv0.0.0-00010101000000-000000000000\n=>\t/src/caddy-spotify\t(devel)\t\n",
		want: Info{Plugin: "v0.0.0-00010101000000-000000000000", Replaced: "/src/caddy-spotify (devel)", Caddy: "example.com/caddy v2.11.10"},
		text: "caddy-spotify  v0.0.0-00010101000000-000000000000\nreplaced by    /src/caddy-spotify (devel)\n" +
			"caddy          example.com/caddy v2.11.10\ngo              \n",
	}} {
		t.Run(test.name, func(t *testing.T) {
			build, err := debug.ParseBuildInfo(header + test.build)
			if err != nil {
				t.Fatal(err)
			}
			var got Info
			got.fill(build)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			var text strings.Builder
			if err := got.print(&text); err != nil || text.String() != test.text {
				t.Errorf("printed %v\n%q, want\n%q", err, text.String(), test.text)
			}
		})
	}
}
