// The page: logged out, or logged in with its parts.

import { api, events, get, post, session } from "./api.js";
import { $, announce, picture } from "./dom.js";
import { showHoldings, showSession, showWire } from "./inspect.js";
import { belongTo, clearLibrary, loadArtists, loadPlaylists, wireLibrary } from "./library.js";
import { startPlayer, stopPlayer, wirePlayer } from "./player.js";

let logoutURL = "";
let shown; // the account on the page, "" for nobody, undefined before that is known

// The page's other tabs, which may log in or out.
const tabs = new BroadcastChannel("spotify_proxy demo");

function show(state) {
  document.body.dataset.state = state;
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== state;
}

async function start() {
  let current;
  try {
    current = await session();
  } catch (problem) {
    show("out");
    notice(problem.message);
    return;
  }
  tell(current.authenticated ? current.account.id : "");
  if (!current.authenticated) {
    showLoggedOut(current.login_url);
    return;
  }
  logoutURL = current.logout_url;
  show("in");
  showSession(current);
  showHoldings();
  loadProfile(current.account);
  startPlayer();
  loadArtists();
  loadPlaylists();
}

function tell(account) {
  if (account === shown) return;
  shown = account;
  tabs.postMessage(account);
}

// Looks whether somebody has logged in or out in another tab.
async function follow() {
  const current = await session().catch(() => null);
  if (!current || (current.authenticated ? current.account.id : "") === shown) return;
  notice("");
  stopPlayer();
  clearLibrary();
  await start();
  announce(current.authenticated ? `You are logged in as ${current.account.display_name}.` : "You are logged out.");
}

function showLoggedOut(loginURL) {
  tell("");
  stopPlayer();
  clearLibrary();
  $("profile-name").textContent = "";
  $("profile-picture").replaceChildren();
  const login = `${loginURL}?return_to=${encodeURIComponent(location.pathname)}`;
  $("login").href = $("notice-login").href = login;
  $("login-other").href = `${login}&show_dialog=true`;
  show("out");
}

async function loadProfile(account) {
  const name = (text) => {
    $("profile-name").textContent = text;
    $("profile-name").classList.remove("loading");
    $("profile-picture").textContent = text.charAt(0);
  };
  try {
    const me = await get(api("me"));
    name(me.display_name ?? me.id);
    $("profile-id").textContent = me.id;
    belongTo(me.id);
    if (me.images?.length > 0) $("profile-picture").replaceChildren(picture(me.images, 64));
  } catch (problem) {
    // The proxy knows a name from the login. What went wrong is said where the lists would be.
    name(account.display_name || account.id);
    $("profile-id").textContent = problem.reason || "profile not available";
  }
}

async function logout() {
  $("logout").disabled = true;
  try {
    await post(logoutURL);
    notice("");
    const { login_url } = await session();
    showLoggedOut(login_url);
    announce("You are logged out.");
    $("login").focus();
  } catch (problem) {
    notice(problem.message, problem.reason);
  } finally {
    $("logout").disabled = false;
  }
}

function notice(message, reason = "", { login = false } = {}) {
  $("notice").hidden = message === "";
  $("notice-text").textContent = reason ? `${message} (${reason})` : message;
  $("notice-login").hidden = !login;
  if (message === "") return;
  $("notice").scrollIntoView({ block: "nearest" });
  // What had the focus may be gone.
  if (login) $("notice-login").focus();
}

// Any call may find that the session is over: logged out in another tab, or ended at Spotify.
events.addEventListener("login-required", ({ detail }) => {
  if (document.body.dataset.state !== "in") return;
  showLoggedOut(detail.loginURL);
  notice("Your session is over. Log in to go on.", detail.reason, { login: true });
});
// So may the stream of what is played. Another tab may have logged in again.
events.addEventListener("session-ended", follow);
events.addEventListener("wire", showWire);

$("logout").addEventListener("click", logout);
$("notice-close").addEventListener("click", () => {
  notice("");
  $(document.body.dataset.state === "out" ? "login" : "main").focus();
});
tabs.addEventListener("message", ({ data }) => data !== shown && follow());
document.addEventListener("visibilitychange", () => document.hidden || shown === undefined || follow());
addEventListener("pageshow", (e) => e.persisted && follow());
wirePlayer();
wireLibrary();
start();
