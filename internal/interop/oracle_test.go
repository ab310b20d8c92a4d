package interop

import (
	"net"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// S32: what a page of another origin sees of requests, frames, forms and windows is the
// same whether or not the visitor has a session, also where share and access_keys
// respond to some requests without one. Only what SECURITY.md names differs.
func TestPagesDoNotLearnOfTheSession(t *testing.T) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(freeOrigin(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	origin, sibling, stranger := "https://app.example.test:"+port, "https://www.example.test:"+port, "https://stranger.test:"+port
	w := startHostileWorld(t, origin, sibling, stranger, `
		access_keys
		require_login /app/*
		share {
			owner aiko
			allow /v1/me/player /v1/me/player/currently-playing /v1/me
			scopes user-read-private user-read-playback-state user-read-currently-playing
			key 0123456789abcdef0123456789abcdef0123
		}`)
	connect := newAttacker(t)
	back := spotifytest.Approve(t, connect, origin+"/spotify/share/connect", "aiko")
	resp, err := connect.Get(back)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()

	seen := make(map[string][2]string) // by the attack: with the session, and without
	look := func(state int) {
		for _, from := range []string{sibling, stranger} {
			for attack, script := range oracles {
				w.attacker.do("opening the attacker's page", chromedp.Navigate(from+"/"))
				got := read(w.attacker, "looking", chromedp.Evaluate[string](
					`(async () => {`+attackerLibrary+strings.ReplaceAll(script, "$ORIGIN", origin)+`})().then(x => x || "")`, chromedp.EvalAwaitPromise))
				both := seen[from+" "+attack]
				both[state] = got
				seen[from+" "+attack] = both
			}
		}
	}
	look(0)
	w.victim.do("opening the site", chromedp.Navigate(origin+"/"))
	read(w.victim, "logging out", chromedp.Evaluate[bool](`fetch("/spotify/logout", {method: "POST"}).then(r => r.ok)`, chromedp.EvalAwaitPromise))
	look(1)
	for attack, got := range seen {
		if told := strings.HasSuffix(attack, documented); (got[0] != got[1]) != told {
			t.Errorf("%s: with a session %q, without %q", attack, got[0], got[1])
		}
	}
}

// documented marks what differs, as SECURITY.md says.
const documented = ", as documented"

// opened tells what can be seen of a window that leads to a URL of the site.
const opened = `
const opened = async (url) => {
	const w = open(url), seen = [];
	// A window that stays where it is never gets elsewhere.
	const left = () => { try { return w.location.href !== "about:blank" } catch { return true } };
	for (let i = 0; i < 100 && !left(); i++) await wait(50);
	seen.push(left() ? "elsewhere" : "stayed", w.length, w.closed);
	// Nothing is read of the window's history: Chromium adds to it or not as the load
	// has come to its end or not, with a session and without.
	w.close();
	return seen.join(" ");
};
const under = policy => document.head.append(Object.assign(document.createElement("meta"), { httpEquiv: "Content-Security-Policy", content: policy }));
const violations = [];
addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
`

var oracles = map[string]string{
	"window, shared 204": opened + `return opened("$ORIGIN/spotify/v1/me/player/currently-playing")`,
	"window, shared":     opened + `return opened("$ORIGIN/spotify/v1/me")`,
	"window, not shared": opened + `return opened("$ORIGIN/spotify/v1/me/playlists")`,
	"window, session":    opened + `return opened("$ORIGIN/spotify/session")`,
	"window, logout":     opened + `return opened("$ORIGIN/spotify/logout")`,
	"window, callback":   opened + `return opened("$ORIGIN/spotify/callback?code=a&state=b")`,
	"window, share":      opened + `return opened("$ORIGIN/spotify/share")`,
	"requests without CORS": `
		const seen = [];
		for (const path of ["/spotify/v1/me", "/spotify/v1/me/player", "/spotify/v1/me/player/currently-playing", "/spotify/v1/me/playlists", "/spotify/session", "/spotify/keys",
			"/spotify/share", "/spotify/logout", "/spotify/login", "/spotify/token", "/spotify/health", "/app/x"]) {
			for (const init of [{}, { method: "HEAD" }, { method: "POST", body: "x" }, { redirect: "manual" }])
				seen.push(path + " " + await fetch("$ORIGIN" + path, { mode: "no-cors", credentials: "include", ...init }).then(r => r.type, e => "refused"));
		}
		return seen.join("\n")`,
	"elements": `
		const seen = [];
		for (const path of ["/spotify/v1/me", "/spotify/v1/me/player/currently-playing", "/spotify/session", "/spotify/keys", "/app/x"])
			for (const [tag, props] of [["img", { src: "$ORIGIN" + path }], ["script", { src: "$ORIGIN" + path }], ["link", { rel: "stylesheet", href: "$ORIGIN" + path }], ["object", { data: "$ORIGIN" + path }]])
				// What can be framed, an object shows; SECURITY.md says so.
				if (tag !== "object" || path !== "/app/x") seen.push(element(tag, props).then(loaded => path + " " + tag + " " + loaded));
		return (await Promise.all(seen)).join("\n")`,
	"frames": opened + `
		under("frame-src $ORIGIN");
		const seen = [];
		for (const path of ["/spotify/v1/me", "/spotify/v1/me/player/currently-playing", "/spotify/session", "/spotify/keys", "/spotify/logout", "/spotify/share", "/app/x"]) {
			const frame = document.createElement("iframe");
			frame.src = "$ORIGIN" + path;
			const loaded = new Promise(done => frame.onload = () => done("loaded"));
			document.body.append(frame);
			seen.push(Promise.race([loaded, wait(2000)]).then(how => path + " " + how + " " + frame.contentWindow.length));
		}
		return (await Promise.all(seen)).concat(violations).join("\n")`,
	"forms": opened + `
		under("form-action $ORIGIN");
		for (const path of ["/spotify/v1/me", "/spotify/v1/me/player/currently-playing", "/spotify/v1/me/playlists", "/spotify/session", "/spotify/logout", "/spotify/share", "/spotify/callback"])
			await submit("GET", "$ORIGIN" + path, { code: "a", state: "b" }, "elsewhere");
		for (const path of ["/spotify/v1/me", "/spotify/keys", "/spotify/logout", "/spotify/token", "/spotify/share/connect"])
			await submit("POST", "$ORIGIN" + path, { name: "a" }, "elsewhere");
		await wait(500);
		return violations.join("\n")`,
	"resource timing": `
		for (const path of ["/spotify/v1/me", "/spotify/v1/me/playlists", "/spotify/session"])
			await fetch("$ORIGIN" + path, { mode: "no-cors", credentials: "include" }).catch(() => 0);
		return performance.getEntriesByType("resource").filter(e => e.name.startsWith("$ORIGIN")).map(e => [e.name, e.transferSize, e.encodedBodySize, e.responseStatus, e.redirectStart, e.nextHopProtocol].join(" ")).join("\n")`,
	"keys by a form" + documented: opened + `
		under("form-action $ORIGIN");
		await submit("GET", "$ORIGIN/spotify/keys", {}, "elsewhere");
		await wait(500);
		return violations.join("\n")`,
	"a page of require_login by a form" + documented: opened + `
		under("form-action $ORIGIN");
		await submit("GET", "$ORIGIN/app/x", {}, "elsewhere");
		await wait(500);
		return violations.join("\n")`,
}
