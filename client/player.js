// What an account plays, for pages that ask for it: client.js loads this when player is called.

// follower returns what follows a stream of the proxy, by the stream's path. It is given what it needs of the client.
export function follower({ root, send, checked, session, onSessionChange }) {
  // Reads a stream of events to its end, and returns the last of them.
  const read = async (path, signal, hear) => {
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop);
    let silence;
    const alive = () => {
      clearTimeout(silence);
      // There is a comment every 25 seconds.
      silence = setTimeout(stop, 6e4);
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
        // The server has died.
        let wait = 500 + 6e3 * Math.random();
        try {
          const end = await read(path, signal, (e) => {
            if (e.event !== "login_required") failed = 0;
            heard(e);
          });
          if (end.retry) wait = end.retry;
          // Another tab may have logged in.
          if (end.event === "login_required" && (await session()).authenticated) throw { status: 401, ...end, loginURL: end.login_url };
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
  return (path, callback) => (players[path] ??= playerAt(path))(callback);
}
