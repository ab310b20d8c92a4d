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
    if (channel) return channel;
    const name = "caddy-spotify:" + root().pathname;
    const hear = (message) => [...hearers].forEach((f) => f(message));
    if (globalThis.BroadcastChannel) {
      channel = new BroadcastChannel(name);
      channel.onmessage = (e) => hear(e.data);
      return channel;
    }
    addEventListener("storage", (e) => e.key === name && e.newValue && hear(JSON.parse(e.newValue)));
    return (channel = {
      postMessage(message) {
        try {
          localStorage.setItem(name, JSON.stringify(message));
          localStorage.removeItem(name);
        } catch {} // no storage, no other tabs
      },
    });
  };

  // One redirect that nobody clicked for is enough until something has worked.
  const guard = {
    key: "caddy-spotify-login",
    take() {
      try {
        if (sessionStorage.getItem(this.key)) return false;
        sessionStorage.setItem(this.key, "1");
        return true;
      } catch {
        return false; // without storage there is no telling a loop
      }
    },
    drop() {
      try {
        sessionStorage.removeItem(this.key);
      } catch {}
    },
  };

  const markOf = (s) => JSON.stringify([s.account?.id, s.scopes, s.reauthorize_by, s.reauthorization_due]);

  const tell = (s) => {
    const mark = markOf(s);
    if (mark !== known) tune().postMessage({ session: (known = mark) });
    if (s.authenticated) guard.drop();
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
    there.opener = null; // Spotify's page has no business here
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
      guard.drop();
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
    if (safe && !leaving && guard.take()) leaving = leave({}).finally(() => (leaving = undefined));
    return (safe && leaving) || answer;
  };

  // Reads a stream of events to its end, and returns the last of them.
  const read = async (path, signal, hear) => {
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop);
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(stop, 6e4); // there is a comment every 25 seconds
    };
    alive();
    try {
      const answer = await checked(
        await send(path, { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: connection.signal }),
      );
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = "", last = {}; ; ) {
        const { done, value } = await reader.read();
        if (done) return last;
        alive();
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const e = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
          if (!e.event) continue;
          last = { ...JSON.parse(e.data), event: e.event, id: e.id, retry: +e.retry };
          hear(last);
        }
      }
    } finally {
      clearTimeout(silence);
      stop();
      signal.removeEventListener("abort", stop);
    }
  };

  // What an account plays. All tabs share one stream: that of the tab which holds the lock.
  const playerAt = (path) => {
    const name = "caddy-spotify:" + root().pathname + path;
    const callbacks = new Set();
    let turn, tabs, leads, last, hiding, ended, unfollow;

    const shown = ({ mark, since, ...state }) => {
      const { is_playing, progress_ms, item } = state.player ?? {};
      const position = () =>
        Math.max(0, Math.min(progress_ms + (is_playing ? Date.now() - since : 0), item?.duration_ms ?? Infinity));
      return state.player ? { ...state, position } : state;
    };

    const tellOne = (one, state) => {
      if (one.mark === state.mark) return;
      one.mark = state.mark;
      queueMicrotask(() => callbacks.has(one) && one.callback(shown(state)));
    };

    const hear = (state) => callbacks.forEach((one) => tellOne(one, (last = state)));

    const say = (status, mark, state) => {
      hear((state = { status, mark: `${status} ${mark}`, ...state }));
      tabs?.postMessage(state);
    };

    const heard = ({ event, id, observed_at, sent_at, until, reason, player }) => {
      const now = Date.now();
      if (event === "player") say(player.is_playing ? "playing" : "paused", id, { player, since: now - sent_at + observed_at });
      if (event === "idle") say(event, id);
      if (event === "limited") say(event, reason + until, { reason, until: now - sent_at + until });
    };

    const lead = async (signal) => {
      leads = signal;
      for (let failed = 0; !signal.aborted; ) {
        let wait = 500 + 6e3 * Math.random(); // the server has died
        try {
          const end = await read(path, signal, (e) => {
            if (e.event !== "login_required") failed = 0;
            heard(e);
          });
          if (end.retry) wait = end.retry;
          // Another tab may have logged in.
          if (end.event === "login_required" && (await session()).authenticated) throw new ProxyError(401, end);
        } catch (e) {
          if (signal.aborted) return;
          const { status = 0, reason = "unreachable", message, loginURL: login_url, retryAfter = 0 } = e;
          wait = Math.max(retryAfter * 1e3, Math.min(6e4, 1e3 * 2 ** failed++)) * (1 + Math.random() / 2);
          if (status >= 400 && status < 500 && status !== 401 && status !== 429) {
            wait = 3e5 * (1 + Math.random());
            say("refused", reason, { reason, message, login_url });
          } else if (failed > 1 || status > 401) {
            say("limited", reason + failed, { reason, until: Date.now() + wait });
          }
        }
        if (signal.aborted) return;
        await new Promise((resolve) => {
          setTimeout(resolve, wait);
          signal.addEventListener("abort", resolve);
        });
      }
    };

    const leave = () => {
      turn?.abort();
      tabs?.close();
      turn = tabs = undefined;
    };

    const join = () => {
      if (turn || ended || !callbacks.size) return;
      const { signal } = (turn = new AbortController());
      if (!navigator.locks || !globalThis.BroadcastChannel) return void lead(signal);
      tabs = new BroadcastChannel(name);
      tabs.onmessage = ({ data }) => {
        if (data.mark) hear(data);
        else if (leads === signal && last) tabs.postMessage(last);
      };
      tabs.postMessage({});
      navigator.locks.request(name, { signal }, () => lead(signal)).catch(() => {});
    };

    // A page that nobody sees does not listen for long.
    const look = () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(leave, 3e4);
      else join();
    };
    const again = () => {
      leave();
      look();
    };

    document.addEventListener("visibilitychange", look);
    document.addEventListener("freeze", leave);
    document.addEventListener("resume", look);
    addEventListener("pagehide", leave);
    addEventListener("pageshow", look);
    addEventListener("online", again);

    let account;
    const follow = ({ authenticated, account: { id } = {}, login_url }) => {
      ended = !authenticated;
      if (ended) {
        leave();
        hear({ status: "login_required", mark: "login_required", login_url });
      } else if (account !== undefined) {
        last = undefined;
        again();
      }
      account = id ?? "";
    };

    return (callback) => {
      const one = { callback };
      callbacks.add(one);
      if (last) tellOne(one, last);
      if (callbacks.size === 1 && path === "/events") unfollow = onSessionChange(follow);
      join();
      look();
      return () => {
        if (!callbacks.delete(one) || callbacks.size) return;
        unfollow?.();
        leave();
        last = account = ended = undefined;
      };
    };
  };

  const players = {};
  const player = (callback, { share } = {}) => {
    const path = share ? "/share/events" : "/events";
    return (players[path] ??= playerAt(path))(callback);
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
