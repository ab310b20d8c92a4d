// A page as somebody would write it who uses the client module.
import * as spotify from "/spotify/client.js";

const show = (id, text) => (document.getElementById(id).textContent = text);
const on = (id, action) =>
  document.getElementById(id).addEventListener("click", () => {
    show("result", "…");
    action().then((text) => show("result", text), (error) => show("result", error.name));
  });

let changes = 0;
spotify.onSessionChange((session) => {
  show("who", session.authenticated ? session.account.display_name : "nobody");
  show("changes", ++changes);
});

const profile = async () => {
  const answer = await spotify.fetch("/v1/me");
  return answer.ok ? (await answer.json()).id : String(answer.status);
};
const create = async () => {
  const answer = await spotify.fetch("https://api.spotify.com/v1/me/playlists", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: "Made after a login", public: false }),
  });
  return answer.ok ? (await answer.json()).name : String(answer.status);
};

on("profile", profile);
on("create", create);
on("popup", async () => (await spotify.login({ popup: true })).account.display_name);
on("logout", async () => (await spotify.logout(), "out"));

// What plays, for pages that ask for it. The streams are counted, and broken on demand.
let stop;
window.streams = { open: 0, opened: 0 };
window.broken = 0;
window.fetch = ((real) => async (input, init) => {
  if (!String(input).endsWith("/events")) return real(input, init);
  if (broken) {
    const reason = broken === 403 ? "insufficient_scope" : "store_unavailable";
    return new Response(JSON.stringify({ error: { status: broken, message: reason, reason } }), {
      status: broken,
      headers: { "Spotify-Proxy-Login-Url": "/spotify/login?scope=x" },
    });
  }
  streams.open++;
  streams.opened++;
  init.signal.addEventListener("abort", () => streams.open--, { once: true });
  return real(input, init);
})(window.fetch);
const listen = () => {
  window.states = [];
  stop = spotify.player((state) => {
    states.push(state);
    show("player", state.player?.item?.name ?? state.status);
  });
};
const silence = () => stop();
if (location.search === "?player") listen();

window.act = { spotify, profile, create, listen, silence };
if (location.search === "?at-once") profile().then((text) => show("result", text));
