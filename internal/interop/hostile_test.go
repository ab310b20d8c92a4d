package interop

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/caddyspotify/caddy-spotify/internal/spotifytest"
)

// hostileWorld is a proxy whose visitor is logged in, and pages of others that
// the visitor has open in the same browser.
type hostileWorld struct {
	origin string // of the proxy
	// Where the attackers' pages are: a sibling subdomain or another port, which
	// browsers count as the same site, and a site of somebody else.
	sibling, stranger string
	sim               *spotifytest.Running
	victim            *browser
	attacker          *browser // another tab of it
}

// P45, P46, P47, L02: in a real browser, no page but the site's own gets
// anything from the visitor's session, on the web and on a developer's machine.
func TestHostilePages(t *testing.T) {
	t.Run("https", func(t *testing.T) {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(freeOrigin(t), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		w := startHostileWorld(t, "https://app.example.test:"+port, "https://www.example.test:"+port, "https://stranger.test:"+port, "")
		w.attackFrom(t, "a sibling subdomain", w.sibling)
		w.attackFrom(t, "another site", w.stranger)
		t.Run("planted cookies", w.plantCookies)
		w.expectUnharmed(t)
	})
	t.Run("loopback", func(t *testing.T) {
		origin, other := freeOrigin(t), freeOrigin(t)
		_, port, err := net.SplitHostPort(strings.TrimPrefix(other, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		w := startHostileWorld(t, origin, other, "http://localhost:"+port, "")
		w.attackFrom(t, "another port", w.sibling)
		w.attackFrom(t, "another name of the machine", w.stranger)
		w.expectUnharmed(t)
	})
}

// startHostileWorld serves all origins from one Caddy, whose proxy has more
// options, and logs the victim in.
func startHostileWorld(t *testing.T, origin, sibling, stranger, options string) *hostileWorld {
	t.Helper()
	w := &hostileWorld{origin: origin, sibling: sibling, stranger: stranger}
	w.sim = spotifytest.Start(t, spotifytest.Options{RedirectURIs: []string{origin + "/spotify/callback"}})
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https disable_redirects
	local_certs
	skip_install_trust
	storage file_system %q
	log {
		output discard
	}
	servers {
		# HTTP/3 would want a port of UDP's, too.
		protocols h1 h2
	}
}
(page) {
	header Content-Type "text/html; charset=utf-8"
	respond "<!doctype html><title>page</title><body>"
}
%s {
	spotify_proxy {
		client_id     0123456789abcdef0123456789abcdef
		redirect_uri  %s/spotify/callback
		scopes        user-read-private user-modify-playback-state
		authorize_url %s
		token_url     %s
		api_url       %s
		%s
	}
	import page
}
%s, %s {
	redir /away %s/spotify/v1/me/player
	import page
}
`, t.TempDir(), origin, origin, w.sim.AuthorizeURL, w.sim.TokenURL, w.sim.APIURL, options, sibling, stranger, origin)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatalf("adapting the Caddyfile: %v\n%s", err, text)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatalf("starting Caddy: %v", err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	w.victim = startBrowser(t,
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("disable-popup-blocking", true),
	)
	w.victim.do("opening the login", chromedp.Navigate(origin+"/spotify/login?return_to=/"))
	w.victim.logIn("mira")
	w.victim.arrive("the visitor is back", `location.href === "`+origin+`/"`)
	w.sim.ForgetRequests()
	w.attacker = w.victim.newTab()
	return w
}

// whoAmI is whose session the browser has, by the site's own page.
func (w *hostileWorld) whoAmI() string {
	w.victim.t.Helper()
	w.victim.do("opening the site", chromedp.Navigate(w.origin+"/"))
	return read(w.victim, "asking who is logged in", chromedp.Evaluate[string](
		`fetch("/spotify/session").then(r => r.json()).then(s => s.authenticated ? s.account.display_name : "nobody")`, chromedp.EvalAwaitPromise))
}

// expectUnharmed fails the test unless the visitor is still logged in, as
// before, and nothing has reached Spotify in the meantime.
func (w *hostileWorld) expectUnharmed(t *testing.T) {
	t.Helper()
	if who := w.whoAmI(); who != "Mira" && !strings.HasPrefix(who, "Mira ") {
		t.Errorf("logged in is %s", who)
	}
	for _, r := range w.sim.RequestsTo("/v1/") {
		t.Errorf("Spotify got %s %s?%s", r.Method, r.Path, r.RawQuery)
	}
	w.sim.ForgetRequests()
}

// attempt runs a script in a page of the attacker's. The script returns what it
// got hold of, or a promise of it, and nothing if it got nothing.
func (w *hostileWorld) attempt(t *testing.T, from, script string) {
	t.Helper()
	w.attacker.do("opening the attacker's page", chromedp.Navigate(from+"/"))
	got := read(w.attacker, "attacking", chromedp.Evaluate[string](
		`(async () => {`+attackerLibrary+strings.ReplaceAll(script, "$ORIGIN", w.origin)+`})().then(x => x || "")`, chromedp.EvalAwaitPromise))
	if got != "" {
		t.Errorf("the attacker got %q", got)
	}
	w.expectUnharmed(t)
}

// attackerLibrary are ways to send a request that need no leave.
const attackerLibrary = `
const wait = ms => new Promise(done => setTimeout(done, ms));
const element = (tag, props) => new Promise(done => {
	const e = Object.assign(document.createElement(tag), props);
	e.onload = () => done(tag + " loaded");
	e.onerror = () => done("");
	document.body.append(e);
	setTimeout(() => done(""), 3000);
});
const submit = (method, action, fields, target) => {
	const form = Object.assign(document.createElement("form"), { method, action, target });
	for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
	document.body.append(form);
	form.submit();
	return wait(500);
};
const ask = (url, init) => fetch(url, { credentials: "include", ...init }).then(
	async r => r.type === "opaque" ? "" : "answer " + r.status + " " + await r.text(), () => "");
`

func (w *hostileWorld) attackFrom(t *testing.T, name, from string) {
	for attack, script := range map[string]string{
		"reading session": `return await ask("$ORIGIN/spotify/session")`,
		"reading session without CORS": `
			await ask("$ORIGIN/spotify/session", { mode: "no-cors" });
			return await element("script", { src: "$ORIGIN/spotify/session" }) || await element("link", { rel: "stylesheet", href: "$ORIGIN/spotify/session" })`,
		"GET to the API": `return await ask("$ORIGIN/spotify/v1/me")`,
		"GET to the API by elements": `
			await ask("$ORIGIN/spotify/v1/me", { mode: "no-cors" });
			const got = await Promise.all([
				element("img", { src: "$ORIGIN/spotify/v1/me" }), element("script", { src: "$ORIGIN/spotify/v1/me?x" }),
				element("video", { src: "$ORIGIN/spotify/v1/me?y" }), element("link", { rel: "stylesheet", href: "$ORIGIN/spotify/v1/me?z" }),
				element("object", { data: "$ORIGIN/spotify/v1/me?o" }).then(() => ""), element("embed", { src: "$ORIGIN/spotify/v1/me?e" }).then(() => ""),
			]);
			return got.join("")`,
		"GET to the API by navigating": `
			await submit("GET", "$ORIGIN/spotify/v1/me", {}, "elsewhere");
			const w = open("$ORIGIN/spotify/v1/me/player");
			await wait(1000);
			w.close();`,
		"GET to the API by a redirect": `
			await ask("/away", { mode: "no-cors" });
			const got = await ask("/away") + await element("img", { src: "/away" }) + await element("script", { src: "/away?x" });
			const w = open("/away");
			await wait(1000);
			w.close();
			return got`,
		"GET to the API ahead of time": `
			for (const rel of ["prefetch", "preload", "modulepreload", "prerender", "icon", "manifest"])
				document.head.append(Object.assign(document.createElement("link"), { rel, as: "fetch", href: "$ORIGIN/spotify/v1/me?" + rel, crossOrigin: "use-credentials" }));
			document.head.append(Object.assign(document.createElement("script"), { type: "speculationrules",
				textContent: JSON.stringify({ prefetch: [{ urls: ["$ORIGIN/spotify/v1/me?rules"], eagerness: "immediate" }], prerender: [{ urls: ["$ORIGIN/spotify/v1/me?rules2"], eagerness: "immediate" }] }) }));
			document.body.style.backgroundImage = "url($ORIGIN/spotify/v1/me?css)";
			await wait(1000);`,
		"a socket and a stream": `
			const got = [];
			for (const path of ["/spotify/v1/me", "/spotify/session"]) {
				const socket = new WebSocket("$ORIGIN".replace(/^http/, "ws") + path);
				socket.onopen = () => got.push("socket of " + path);
				const stream = new EventSource("$ORIGIN" + path, { withCredentials: true });
				stream.onopen = stream.onmessage = () => got.push("stream of " + path);
			}
			await wait(1000);
			return got.join(" ")`,
		"POST to the API": `
			return await ask("$ORIGIN/spotify/v1/me/player/next", { method: "POST", body: "{}" })
				+ await ask("$ORIGIN/spotify/v1/me/player/next", { method: "POST", body: "{}", mode: "no-cors", headers: { "content-type": "text/plain" } })`,
		"PUT to the API with a preflight": `
			return await ask("$ORIGIN/spotify/v1/me/player/pause", { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" })`,
		"POST to the API by a form and a beacon": `
			navigator.sendBeacon("$ORIGIN/spotify/v1/me/player/next", "{}");
			await submit("POST", "$ORIGIN/spotify/v1/me/player/next", { a: "b" }, "elsewhere");`,
		"forced logout": `
			await ask("$ORIGIN/spotify/logout", { method: "POST", mode: "no-cors" });
			await ask("$ORIGIN/spotify/logout", { method: "POST" });
			navigator.sendBeacon("$ORIGIN/spotify/logout");
			await element("img", { src: "$ORIGIN/spotify/logout" });
			await submit("POST", "$ORIGIN/spotify/logout?return_to=/", {}, "elsewhere");`,
		"framing": `
			const inside = [];
			for (const path of ["/spotify/v1/me", "/spotify/session", "/spotify/nothing", "/spotify/callback", "/spotify/login?scope=x"]) {
				const frame = document.createElement("iframe");
				frame.src = "$ORIGIN" + path;
				const loaded = new Promise(done => frame.onload = done);
				document.body.append(frame);
				await Promise.race([loaded, wait(3000)]);
				try { if (frame.contentDocument?.body?.innerText) inside.push(path) } catch {}
			}
			return inside.join(" ")`,
		"the window it opened": `
			const got = [];
			for (const path of ["/spotify/session", "/spotify/v1/me", "/spotify/nothing", "/"]) {
				const w = open("$ORIGIN" + path);
				for (let i = 0; i < 20; i++) {
					await wait(50);
					try { if (w.location.href !== "about:blank") got.push(w.location.href) } catch {}
					try { if (w.document.body.innerText) got.push(w.document.body.innerText) } catch {}
					try { if (w.eval("origin") === "$ORIGIN") got.push("it ran a script there") } catch {}
				}
				w.postMessage({ login: "x" }, "*");
				if (w.length) got.push(w.length + " frames");
				w.close();
			}
			return got.join(" ")`,
		"the client module": `
			return await element("script", { src: "$ORIGIN/spotify/client.js", type: "module" }) && "the module, across origins"`,
	} {
		t.Run(name+"/"+attack, func(t *testing.T) {
			before := len(w.attacker.complaints())
			w.attempt(t, from, script)
			if attack == "framing" {
				w.expectNotFramed(t, w.attacker.complaints()[before:])
			}
		})
	}
	t.Run(name+"/a picture in the site's own page", func(t *testing.T) {
		// The site's page asks the attacker for it, who sends the browser back.
		w.victim.do("opening the site", chromedp.Navigate(w.origin+"/"))
		read(w.victim, "loading the picture", chromedp.Evaluate[bool](`new Promise(done => {
			const image = new Image();
			image.onload = image.onerror = () => done(true);
			image.src = "`+from+`/away";
		})`, chromedp.EvalAwaitPromise))
		w.expectUnharmed(t)
	})
	t.Run(name+"/forced login", func(t *testing.T) { w.forceLogin(t, from) })
}

// expectNotFramed fails the test unless the browser said of each page that it
// may not be framed. The attacker's page itself could not tell.
func (w *hostileWorld) expectNotFramed(t *testing.T, console []string) {
	t.Helper()
	refused := 0
	for _, line := range console {
		if strings.Contains(line, "frame-ancestors") || strings.Contains(line, "X-Frame-Options") {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 5 pages were refused: %q", refused, console)
	}
}

// forceLogin tries to have the visitor logged in as the attacker (login CSRF).
func (w *hostileWorld) forceLogin(t *testing.T, from string) {
	attacker := newAttacker(t)
	callback := spotifytest.Approve(t, attacker, w.origin+"/spotify/login", "jonas")
	w.attempt(t, from, `
		const w = open(`+fmt.Sprintf("%q", callback)+`);
		await wait(1500);
		w.close();
		await element("img", { src: `+fmt.Sprintf("%q", callback)+` });
		await submit("POST", `+fmt.Sprintf("%q", callback)+`, {}, "elsewhere");`)
}

// plantCookies has a sibling subdomain set cookies for the whole domain: the
// attacker's own session, and a login that the attacker has begun.
func (w *hostileWorld) plantCookies(t *testing.T) {
	attacker := newAttacker(t)
	first := spotifytest.Approve(t, attacker, w.origin+"/spotify/login", "jonas")
	res, err := attacker.Get(first)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	pending := spotifytest.Approve(t, attacker, w.origin+"/spotify/login?show_dialog=true", "jonas")
	w.sim.ForgetRequests() // the attacker's own
	site, err := url.Parse(w.origin)
	if err != nil {
		t.Fatal(err)
	}
	cookies := attacker.Jar.Cookies(site)
	if len(cookies) < 2 {
		t.Fatalf("the attacker has no session and no pending login: %v", cookies)
	}
	var plant strings.Builder
	for _, c := range cookies {
		for _, name := range []string{c.Name, strings.TrimPrefix(c.Name, "__Host-"), strings.ToLower(c.Name)} {
			for _, attributes := range []string{"; Domain=example.test; Path=/; Secure", "; Domain=example.test; Path=/spotify", "; Domain=example.test; Path=/spotify/session; Secure; SameSite=None", "; Path=/; Secure"} {
				fmt.Fprintf(&plant, "document.cookie = %q;\n", name+"="+c.Value+attributes)
			}
		}
	}
	w.attempt(t, w.sibling, plant.String()+`
		const w = open(`+fmt.Sprintf("%q", pending)+`);
		await wait(1500);
		w.close();`)
	// Some were planted, so that the test shows something, and none that counts.
	names := w.cookieNames(t)
	if !slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, "__Host-") }) {
		t.Errorf("nothing could be planted: %v", names)
	}
	sessions := 0
	for _, name := range names {
		if name == "__Host-spotify_session" {
			sessions++
		}
	}
	if sessions != 1 {
		t.Errorf("%d sessions among %v", sessions, names)
	}

	// A visitor who is not logged in does not become the attacker either.
	read(w.victim, "logging out", chromedp.Evaluate[int](`fetch("/spotify/logout", { method: "POST" }).then(r => r.status)`, chromedp.EvalAwaitPromise))
	if who := w.whoAmI(); who != "nobody" {
		t.Errorf("after a logout %s is logged in", who)
	}
	w.victim.do("logging in again", chromedp.Navigate(w.origin+"/spotify/login?return_to=/"))
	w.victim.arrive("the visitor is back", `location.href === "`+w.origin+`/"`)
	w.sim.ForgetRequests() // the login asks whose account it is
}

func (w *hostileWorld) cookieNames(t *testing.T) []string {
	t.Helper()
	result := read(w.victim, "reading the cookies", func(ctx context.Context, _ *chromedp.Target) (network.GetCookiesResult, error) {
		return chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{w.origin + "/spotify/session"}})
	})
	var names []string
	for _, c := range result.Cookies {
		names = append(names, c.Name)
	}
	return names
}
