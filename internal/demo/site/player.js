// What is playing, and the buttons for it.

import { api, get, post, put, Problem } from "./api.js";
import { $, announce, clock, element, picture, showProblem } from "./dom.js";

const pollEvery = 5000;

let state = null; // the last answer of me/player
let heardAt = 0; // when it came, on performance's clock
let polling, ticking;

export function startPlayer() {
  stopPlayer();
  refresh();
  ticking = setInterval(tick, 250);
}

export function stopPlayer() {
  clearTimeout(polling);
  clearInterval(ticking);
  state = null;
}

async function refresh({ poll = false } = {}) {
  clearTimeout(polling);
  try {
    show(await get(api("me/player"), { poll }));
    if (!poll) showProblem($("player-problem"), null);
  } catch (problem) {
    if (problem.loginURL) return;
    if (!poll || state === null) {
      $("now").hidden = true;
      showProblem($("player-problem"), problem, () => refresh());
      $("player").setAttribute("aria-busy", "false");
      return;
    }
  }
  schedule();
}

// A hidden tab does not ask; the next look at it does.
function schedule() {
  clearTimeout(polling);
  polling = setTimeout(() => (document.hidden ? schedule() : refresh({ poll: true })), pollEvery);
}

function show(answer) {
  const before = state?.item?.id;
  state = answer;
  heardAt = performance.now();
  $("player").setAttribute("aria-busy", "false");
  const item = state?.item ?? null;
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
  $("player-device").textContent = state.device ? `on ${state.device.name}` : "";
  $("player").classList.toggle("playing", state.is_playing);
  $("play-pause").setAttribute("aria-label", state.is_playing ? "Pause" : "Play");
  for (const id of ["previous", "play-pause", "next"]) $(id).disabled = false;
  tick();
}

// Between two answers the position is reckoned from the time that has passed.
function tick() {
  if (!state?.item) return;
  const passed = state.is_playing ? performance.now() - heardAt : 0;
  const position = Math.min(state.progress_ms + passed, state.item.duration_ms);
  $("progress").value = position;
  $("position").textContent = clock(position);
  if (state.is_playing && position >= state.item.duration_ms) {
    state.is_playing = false;
    refresh({ poll: true });
  }
}

async function control(send, button) {
  button.setAttribute("aria-disabled", "true");
  try {
    await send();
    await refresh();
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
  command("play-pause", () => put(api(state?.is_playing ? "me/player/pause" : "me/player/play")));
  command("player-start", () => put(api("me/player/play")));
  command("next", () => post(api("me/player/next")));
  command("previous", () => post(api("me/player/previous")));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state !== null) refresh({ poll: true });
  });
}
