// The browser's side of caddy-spotify. What it does is told in client.d.ts.

const API = "https://api.spotify.com";

export class ProxyError extends Error {
  constructor(status, { message, reason, login_url, retryAfter } = {}) {
    super(message ?? `The proxy answered with status ${status}.`);
    Object.assign(this, { name: "ProxyError", status, reason, loginURL: login_url, retryAfter });
  }
}

export function createClient(prefix = import.meta.url.replace(/\/[^/]*$/, "")) {
  const root = () => new URL(prefix, location.href);
  const send = (path, init) => globalThis.fetch(prefix + path, init);
  const followers = new Set();
  const hearers = new Set();
  let channel, watching, popping, leaving, known;
  let asked = 0, told = 0;
  let standing;

  const checked = async (answer) => {
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({}));
    const header = (name) => answer.headers.get(name) ?? undefined;
    const retryAfter = +header("Retry-After") || undefined;
    throw new ProxyError(answer.status, { login_url: header("Spotify-Proxy-Login-Url"), ...error, retryAfter });
  };

  // All tabs of the origin are on one channel.
  const tune = () => {
    if (channel || !globalThis.BroadcastChannel) return channel;
    channel = new BroadcastChannel("caddy-spotify:" + root().pathname);
    channel.onmessage = ({ data }) => [...hearers].forEach((f) => f(data));
    return channel;
  };

  // One redirect that nobody clicked for is enough until something has worked. It is undefined without storage, where there
  // is no telling a loop.
  const mayRedirect = (taken) => {
    try {
      const key = "caddy-spotify-login";
      const first = !sessionStorage.getItem(key);
      if (taken) sessionStorage.setItem(key, 1);
      else sessionStorage.removeItem(key);
      return first;
    } catch {}
  };

  const markOf = (s) => JSON.stringify([s.account?.id, s.scopes, s.reauthorize_by, s.reauthorization_due]);

  const tell = (s) => {
    const mark = markOf(s);
    if (mark !== known) tune()?.postMessage({ session: (known = mark) });
    if (s.authenticated) mayRedirect();
    for (const f of followers) {
      if (f.mark === mark) continue;
      f.mark = mark;
      queueMicrotask(() => followers.has(f) && f.callback(s));
    }
  };

  const session = async () => {
    const turn = ++asked;
    const s = await (await checked(await send("/session"))).json();
    // An answer that was overtaken is old news.
    if (turn > told) {
      told = turn;
      tell(s);
    }
    return s;
  };

  const check = () => followers.size && session().catch(() => {});

  const onSessionChange = (callback) => {
    const follower = { callback };
    followers.add(follower);
    if (!watching) {
      watching = true;
      tune();
      hearers.add((m) => m.session !== known && check());
      document.addEventListener("visibilitychange", () => document.hidden || check());
      addEventListener("pageshow", (e) => e.persisted && check());
    }
    check();
    return () => void followers.delete(follower);
  };

  const onReauthorizationDue = (callback) => {
    let told;
    // A display stays in sight for months.
    const timer = setInterval(check, 36e5);
    const stop = onSessionChange((s) => {
      if (s.reauthorization_due && told !== (told = s.reauthorize_by)) callback(s);
    });
    return () => {
      clearInterval(timer);
      stop();
    };
  };

  const loginURL = ({ returnTo = location.pathname + location.search + location.hash, scope, showDialog }) => {
    const query = new URLSearchParams({ return_to: returnTo });
    if (scope) query.set("scope", [scope].flat().join(" "));
    if (showDialog) query.set("show_dialog", "true");
    return `${prefix}/login?${query}`;
  };

  const notCompleted = () => new DOMException("The login was not completed.", "AbortError");

  // Settles only if the browser comes back to this very page.
  const leave = (options) =>
    new Promise((_, reject) => {
      addEventListener("pageshow", (e) => e.persisted && reject(notCompleted()), { once: true });
      location.assign(loginURL(options));
    });

  // Returns nothing where pop-ups are blocked.
  const popUp = (options) => {
    const there = open("", "", "popup,width=480,height=760");
    if (!there || there.closed) return;
    const id = crypto.randomUUID();
    const before = known;
    // Spotify's page has no business here.
    there.opener = null;
    there.location.replace(loginURL({ ...options, returnTo: root().pathname + "/popup?id=" + id }));
    tune();
    return new Promise((resolve, reject) => {
      let gone = 0;
      const done = () => {
        hearers.delete(hear);
        clearInterval(timer);
        there.close();
        return session();
      };
      const hear = (m) => m.login === id && done().then(resolve, reject);
      // A window may look closed for as long as another origin shuts it off.
      const timer = setInterval(() => {
        gone = there.closed && document.hasFocus() ? gone + 1 : 0;
        if (gone < 4) return;
        done().then((s) => (s.authenticated && markOf(s) !== before ? resolve(s) : reject(notCompleted())), reject);
      }, 400);
      hearers.add(hear);
    });
  };

  const login = async (options = {}) => (options.popup && (await popUp(options))) || leave(options);

  const logout = async () => {
    await checked(await send("/logout", { method: "POST" }));
    told = ++asked;
    tell({ authenticated: false, login_url: root().pathname + "/login" });
  };

  const target = (input) => {
    // The SDK puts the API's address before links that are absolute already.
    let url = String(input.url ?? input).replace(/^https:\/\/api\.spotify\.com\/v1\/(?=https?:)/, "");
    if (url.startsWith(API + "/")) url = url.slice(API.length);
    if (url.startsWith("/v1/")) return root().href + url;
    url = new URL(url, location.href).href;
    if (url.startsWith(root().href + "/v1/")) return url;
    throw new TypeError("not an address of the Web API: " + url);
  };

  const noted = (answer) => {
    const header = answer.headers.get("Spotify-Proxy-Quota");
    if (header) {
      const { limit, remaining, reset } = Object.fromEntries(header.split(",").map((part) => part.trim().split("=")));
      standing = { limit: +limit, remaining: +remaining, resetsAt: new Date(Date.now() + reset * 1e3) };
    }
    return answer;
  };

  const quota = () => standing && { ...standing };

  const fetch = async (input, init = {}) => {
    const url = target(input);
    if (input instanceof Request && input.url !== url) {
      const { method, headers, signal } = input;
      init = { method, headers, signal, body: input.body && (await input.blob()), ...init };
      input = url;
    }
    let again = new Request(input instanceof Request ? input : url, init);
    let answer;
    const ended = async () => {
      const request = again;
      again = request.clone();
      answer = noted(await globalThis.fetch(request));
      if (answer.status === 401) return /^(login|reauthorization)_required$/.test(answer.headers.get("Spotify-Proxy-Reason"));
      mayRedirect();
    };
    if (!(await ended())) return answer;
    // Another tab may have logged in while this request was on its way.
    const now = await session().catch(() => {});
    if (now?.authenticated) await ended();
    if (now?.authenticated !== false || init.login === false) return answer;
    const safe = /^(GET|HEAD)$/.test(again.method);
    if (!safe || init.login === "popup") {
      popping ??= popUp({})?.finally(() => (popping = undefined));
      if (popping) {
        const loggedIn = await popping.catch(() => false);
        return loggedIn ? noted(await globalThis.fetch(again)) : answer;
      }
    }
    // A redirect would lose the body of anything but a reading.
    if (safe && !leaving && mayRedirect(true)) leaving = leave({}).finally(() => (leaving = undefined));
    return (safe && leaving) || answer;
  };

  // What plays is followed by a module of its own, which pages that do not show it need not load.
  // A browser may remember that it could not load a module, so it is asked for at another address
  // after that, which differs with the wait. In a bundle there is none.
  let follow;
  const player = (callback, { share } = {}) => {
    let over, stop;
    const start = async (wait = 1e3) => {
      try {
        const { follower } = await import("./player.js").catch(() => import(new URL("player.js?" + wait, import.meta.url)));
        follow ??= follower({ root, send, checked, session, onSessionChange });
        if (!over) stop = follow(share ? "/share/events" : "/events", callback);
      } catch {
        if (over) return;
        wait *= 1 + Math.random();
        callback({ status: "limited", reason: "unreachable", until: Date.now() + wait });
        setTimeout(() => over || start(Math.min(6e4, 2 * wait)), wait);
      }
    };
    start();
    return () => {
      over = true;
      stop?.();
    };
  };

  const token = () => ({ access_token: "-", token_type: "Bearer", expires_in: 3600, expires: Date.now() + 36e5, refresh_token: "" });
  const authStrategy = {
    setConfiguration() {},
    getOrCreateAccessToken: async () => token(),
    getAccessToken: async () => ((await session()).authenticated ? token() : null),
    removeAccessToken: () => logout(),
  };

  return { session, login, logout, fetch, onSessionChange, onReauthorizationDue, player, quota, authStrategy };
}

export const { session, login, logout, fetch, onSessionChange, onReauthorizationDue, player, quota, authStrategy } = /*#__PURE__*/ createClient();
