// What is playing, and the buttons for it.

import { player } from "/spotify/client.js";
import { api, events, heard, post, put, Problem } from "./api.js";
import { $, announce, clock, picture, showProblem } from "./dom.js";

let state = null; // what was heard last, if something plays or is paused
let stop, ticking;

export function startPlayer() {
  stopPlayer();
  stop = player(hear);
  ticking = setInterval(tick, 250);
}

export function stopPlayer() {
  stop?.();
  clearInterval(ticking);
  state = null;
}

// The server says what has changed. This page asks nothing.
function hear(news) {
  heard("/spotify/events", news.status);
  switch (news.status) {
    case "playing":
    case "paused":
      return show(news);
    case "idle":
      return show(null);
    case "limited":
      return fail(new Problem(`There is no news of the player until ${new Date(news.until).toLocaleTimeString()}.`, news));
    case "login_required":
      return void events.dispatchEvent(new Event("session-ended"));
    case "refused":
      return fail(new Problem(news.message, news));
  }
}

function fail(problem) {
  state = null;
  $("now").hidden = true;
  $("player-empty").hidden = true;
  $("player").setAttribute("aria-busy", "false");
  showProblem($("player-problem"), problem);
}

function show(news) {
  const before = state?.player.item?.id;
  state = news;
  showProblem($("player-problem"), null);
  $("player").setAttribute("aria-busy", "false");
  const item = state?.player.item ?? null;
  $("now").hidden = item === null;
  $("player-empty").hidden = item !== null;
  if (item === null) return;

  if (item.id !== before) {
    $("player-cover").classList.remove("bone");
    $("player-cover").replaceChildren(picture(item.album?.images, 300));
    $("track-name").textContent = item.name;
    $("track-artists").textContent = (item.artists ?? []).map((a) => a.name).join(", ");
    $("duration").textContent = clock(item.duration_ms);
    $("progress").max = item.duration_ms;
    if (before) announce(`Now playing ${item.name}`);
  }
  const { device } = state.player;
  const playing = state.status === "playing";
  $("player-device").textContent = device ? `on ${device.name}` : "";
  $("player").classList.toggle("playing", playing);
  $("play-pause").setAttribute("aria-label", playing ? "Pause" : "Play");
  for (const id of ["previous", "play-pause", "next"]) $(id).disabled = false;
  tick();
}

// Between two changes the position is counted here.
function tick() {
  if (!state?.player.item) return;
  $("progress").value = state.position();
  $("position").textContent = clock(state.position());
}

async function control(send, button) {
  button.setAttribute("aria-disabled", "true");
  try {
    await send();
    showProblem($("player-problem"), null);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (!problem.loginURL) showProblem($("player-problem"), problem);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

export function wirePlayer() {
  const command = (id, send) => $(id).addEventListener("click", (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") !== "true") control(send, event.currentTarget);
  });
  command("play-pause", () => put(api(state?.status === "playing" ? "me/player/pause" : "me/player/play")));
  command("player-start", () => put(api("me/player/play")));
  command("next", () => post(api("me/player/next")));
  command("previous", () => post(api("me/player/previous")));
}
