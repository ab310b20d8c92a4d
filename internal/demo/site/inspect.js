// What the browser holds, what the server says about the session, and what went over the wire.

import { wire } from "./api.js";
import { $, element } from "./dom.js";

export async function showHoldings() {
  // Cookies know no ports: other programs on 127.0.0.1 may have left some that scripts can read.
  const names = document.cookie.split(";").map((c) => c.split("=")[0].trim()).filter(Boolean);
  $("holds-cookie").textContent = names.length === 0 ? "empty" : `of other programs: ${names.join(", ")}`;
  $("holds-local").textContent = entries(localStorage.length);
  $("holds-session-storage").textContent = entries(sessionStorage.length);
  const databases = await indexedDB.databases?.();
  $("holds-indexeddb").textContent = databases === undefined ? "not told" : entries(databases.length);
}

const entries = (n) => (n === 0 ? "empty" : n === 1 ? "1 entry" : `${n} entries`);

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export function showSession(session) {
  $("session-account").textContent = session.account.id;
  $("session-expires").textContent = day.format(new Date(session.expires_at));
  $("session-reauthorize").textContent = day.format(new Date(session.reauthorize_by));
  $("session-scope-count").textContent = session.scopes.length;
  $("session-scopes").replaceChildren(...session.scopes.map((s) => element("li", "", s)));
}

export function showWire() {
  $("wire").replaceChildren(...wire.map(line));
}

function line(entry) {
  const kind = entry.status === "failed" || entry.status >= 500 ? "bad" : entry.status >= 400 ? "warn" : "good";
  const [path, query] = entry.path.replace(/^\/spotify/, "").split("?");
  const head = element("div", "wire-head",
    element("span", "wire-method", entry.method), element("span", "wire-path", path),
    ...(entry.count > 1 ? [element("span", "wire-count", `×${entry.count}`)] : []),
    element("span", `wire-status ${kind}`, String(entry.status)),
    ...(entry.ms === undefined ? [] : [element("span", "wire-ms", `${Math.round(entry.ms)} ms`)]));
  const more = [];
  if (query) more.push(element("div", "wire-query", `?${query}`));
  if (entry.facts.length > 0) more.push(element("div", "wire-facts", entry.facts.join(" · ")));
  return element("li", "", head, ...more);
}
