// Top artists, and playlists page by page.

import { api, follow, get } from "./api.js";
import { $, between, bones, element, isolated, picture, showProblem } from "./dom.js";

const pageSize = 6;

let page = null; // the last page of playlists
let user = ""; // whose playlists they are, once that is known
let artistsWanted = 0, playlistsWanted = 0; // so that a late answer does not replace a newer one

export async function loadArtists() {
  const wanted = ++artistsWanted;
  const range = document.querySelector("input[name=range]:checked").value;
  const list = $("artists-list");
  $("artists").setAttribute("aria-busy", "true");
  $("artists-empty").hidden = true;
  showProblem($("artists-problem"), null);
  if (list.children.length === 0) bones(list, 12, "artist");
  try {
    const { items } = await get(api(`me/top/artists?limit=12&time_range=${range}`));
    if (wanted !== artistsWanted) return;
    list.replaceChildren(...items.map(artist));
    $("artists-empty").hidden = items.length > 0;
  } catch (problem) {
    if (wanted !== artistsWanted || problem.loginURL) return;
    list.replaceChildren();
    showProblem($("artists-problem"), problem, loadArtists);
  }
  $("artists").setAttribute("aria-busy", "false");
}

function artist(a) {
  const genre = a.genres?.[0];
  return element("li", "artist",
    element("span", "frame", picture(a.images, 160)),
    element("b", "", isolated(a.name)),
    ...(genre ? [element("small", "", genre)] : []));
}

/** Whose library it is, by the id that owners of playlists have. */
export function belongTo(id) {
  user = id;
}

export async function loadPlaylists(path = api(`me/playlists?limit=${pageSize}`)) {
  const wanted = ++playlistsWanted;
  const list = $("playlists");
  $("playlists-card").setAttribute("aria-busy", "true");
  showProblem($("playlists-problem"), null);
  if (list.children.length === 0) bones(list, pageSize, "playlist");
  try {
    const answer = await get(path);
    if (wanted !== playlistsWanted) return;
    page = answer;
    showPage();
  } catch (problem) {
    if (wanted !== playlistsWanted || problem.loginURL) return;
    list.replaceChildren();
    $("pager").hidden = true;
    showProblem($("playlists-problem"), problem, () => loadPlaylists(path));
  }
  $("playlists-card").setAttribute("aria-busy", "false");
}

function showPage() {
  const { items, total, offset, limit } = page;
  $("playlists").replaceChildren(...items.map(playlist));
  $("playlists-count").textContent = total > 0 ? `${total} in all` : "";
  $("playlists-empty").hidden = total > 0;
  const pages = Math.ceil(total / limit);
  $("pager").hidden = pages < 2;
  $("page-number").textContent = `Page ${Math.floor(offset / limit) + 1} of ${pages}`;
  // aria-disabled and not disabled: the button that was just pressed keeps the focus.
  setEnabled($("previous-page"), page.previous !== null);
  setEnabled($("next-page"), page.next !== null);
}

function setEnabled(button, enabled) {
  button.disabled = false;
  button.setAttribute("aria-disabled", String(!enabled));
}

function playlist(p) {
  const count = p.items?.total;
  const about = [p.owner?.display_name && isolated(p.owner.display_name), count === undefined ? null : `${count} ${count === 1 ? "track" : "tracks"}`];
  const details = element("details", "",
    element("summary", "",
      element("span", "frame", picture(p.images, 64)),
      element("span", "playlist-text", element("b", "", isolated(p.name)), element("small", "", ...between(about.filter(Boolean), " · ")))));
  details.addEventListener("toggle", () => details.open && loadTracks(p, details));
  return element("li", "playlist", details);
}

async function loadTracks(p, details) {
  if (details.lastChild.matches(".tracks")) return;
  if (user !== "" && p.owner?.id !== user && !p.collaborative) {
    // Asked for them, Spotify would say Forbidden.
    details.append(element("ol", "tracks", element("li", "", "Spotify lets apps in development mode read your own playlists and those you collaborate on.")));
    return;
  }
  const problems = details.querySelector(".problem") ?? element("div", "problem");
  problems.hidden = true;
  details.append(problems);
  try {
    const { items, total } = await get(api(`playlists/${encodeURIComponent(p.id)}/items?limit=20`));
    const tracks = items.map((i) => i.item).filter(Boolean);
    const rows = tracks.map((t) => element("li", "", isolated(t.name), ...(t.artists?.length ? [" · ", isolated(t.artists.map((a) => a.name).join(", "))] : [])));
    if (total > items.length) rows.push(element("li", "", `and ${total - items.length} more`));
    if (rows.length === 0) rows.push(element("li", "", "It is empty."));
    problems.remove();
    details.append(element("ol", "tracks", ...rows));
  } catch (problem) {
    if (!problem.loginURL) showProblem(problems, problem, () => loadTracks(p, details));
  }
}

export function clearLibrary() {
  artistsWanted++;
  playlistsWanted++;
  page = null;
  user = "";
  for (const id of ["artists-list", "playlists"]) $(id).replaceChildren();
}

export function wireLibrary() {
  for (const input of document.querySelectorAll("input[name=range]")) input.addEventListener("change", loadArtists);
  const turn = (id, link) => $(id).addEventListener("click", () => {
    if (page?.[link]) loadPlaylists(follow(page[link]));
  });
  turn("next-page", "next");
  turn("previous-page", "previous");
}
