import { fetch as spotify, login, onSessionChange, player as follow } from "/spotify/client.js";

const $ = (id) => document.getElementById(id);
const say = (text) => $("status").textContent === text || ($("status").textContent = text); // not announced twice
let player, here, playing; // here is the device that the page has become

onSessionChange(({ authenticated, account }) => {
  if (player) return authenticated || location.reload(); // the player has a token of its own
  say(authenticated ? `Logged in as ${account.display_name}` : "Playing takes a Premium account.");
  $("start").hidden = false;
  $("start").textContent = authenticated ? "Start playing" : "Log in with Spotify";
  $("start").onclick = authenticated ? start : () => login();
});

// What plays on another device. Nothing polls: the server tells.
follow((state) => {
  playing = state.status === "playing" ? state.player : undefined;
  showElsewhere();
});

function showElsewhere() {
  const { item, device } = playing ?? {};
  $("elsewhere").textContent = item && device?.id !== here ? `On ${device?.name ?? "another device"}: ${item.name}` : "";
}

// Browsers let a page play once somebody has pressed something in it.
async function start() {
  $("start").disabled = true;
  say("Connecting");
  try {
    await loadSDK();
  } catch {
    $("start").disabled = false;
    return say("Spotify's player could not be loaded.");
  }
  player = new Spotify.Player({ name: "This page", getOAuthToken, volume: 0.5 });
  player.addListener("ready", playHere);
  player.addListener("player_state_changed", show);
  for (const kind of ["initialization_error", "authentication_error", "account_error", "playback_error"]) {
    player.addListener(kind, ({ message }) => say(message));
  }
  player.activateElement();
  player.connect();
}

function loadSDK() {
  return new Promise((resolve, reject) => {
    window.onSpotifyWebPlaybackSDKReady = resolve;
    document.head.append(Object.assign(document.createElement("script"), { src: "/sdk.js", onerror: reject }));
  });
}

// The one thing that needs a token in the page. Called at the start and about once an hour.
async function getOAuthToken(give) {
  const answer = await fetch("/spotify/token", { method: "POST" });
  const body = await answer.json();
  if (answer.ok) give(body.access_token);
  else if (body.error.login_url) location.assign(body.error.login_url);
  else say(body.error.message);
}

// This, and everything else, needs none.
async function playHere({ device_id }) {
  const answer = await spotify("/v1/me/player", {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ device_ids: [device_id], play: true }),
  });
  if (!answer.ok) return say((await answer.json()).error.message);
  here = device_id;
  showElsewhere();
  say("Playing in this page");
  const hadFocus = document.activeElement === $("start") || document.activeElement === document.body;
  $("start").hidden = true;
  $("player").hidden = false;
  if (hadFocus) $("toggle").focus();
}

function show(state) {
  if (!state) return say("Playing elsewhere");
  const track = state.track_window.current_track;
  $("track").textContent = track.name;
  $("artists").textContent = track.artists.map(({ name }) => name).join(", ");
  if ($("cover").src !== track.album.images[0]?.url) $("cover").src = track.album.images[0]?.url ?? "";
  $("toggle").textContent = state.paused ? "Play" : "Pause";
  say(state.paused ? "Paused" : "Playing in this page");
}

$("previous").onclick = () => player.previousTrack();
$("toggle").onclick = () => player.togglePlay();
$("next").onclick = () => player.nextTrack();
