// Calls to the Web API. They go to this page's own origin and carry no token:
// the browser adds the session cookie by itself, and the server does the rest.

const base = "/spotify";
const remembered = 9;

/** The requests this page made, and the events that it heard of, newest first. Events of one kind share a line. */
export const wire = [];

/** Dispatches "wire" after every request, "login-required" when one finds that a session has ended, and "session-ended" when a stream does. */
export const events = new EventTarget();

/** An answer that was not a success, from the Web API or from the proxy before it. */
export class Problem extends Error {
  constructor(message, { status = 0, reason = "", loginURL = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, reason, loginURL, retryAfter });
  }
}

export const get = (path, options) => request("GET", path, options);
export const put = (path, options) => request("PUT", path, options);
export const post = (path, options) => request("POST", path, options);

/** Who is logged in, as the proxy tells it. It answers 200 to everybody. */
export const session = () => request("GET", `${base}/session`);

/** The path of a Web API endpoint on this origin: api("me") is /spotify/v1/me. */
export const api = (path) => `${base}/v1/${path}`;

/** The path on this origin for one of the absolute links that the Web API puts into its pages. */
export function follow(link) {
  const url = new URL(link);
  return url.origin === location.origin ? url.pathname + url.search : base + url.pathname + url.search;
}

/** Notes that a stream, of this tab or of another, has brought news. */
export const heard = (path, news) => record({ method: "GET", path, status: news, facts: ["text/event-stream"] });

// Answers JSON, or null where there is no body.
async function request(method, path, { signal } = {}) {
  const started = performance.now();
  let response, text;
  try {
    response = await fetch(path, { method, headers: { Accept: "application/json" }, signal });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    record({ method, path, status: "failed", ms: performance.now() - started, facts: [] });
    throw new Problem("The server cannot be reached. Is the demo still running?", { reason: "network" });
  }
  record({ method, path, status: response.status, ms: performance.now() - started, facts: facts(response) });
  if (response.ok) return text === "" ? null : parse(text);

  const problem = problemOf(response, text);
  if (problem.loginURL !== "") events.dispatchEvent(new CustomEvent("login-required", { detail: problem }));
  throw problem;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // success said in words, not JSON
  }
}

// The errors of the Web API and of the proxy have one shape; a few of the former are plain text or empty.
function problemOf(response, text) {
  const error = parse(text)?.error;
  const plain = text.length > 0 && text.length < 300 && !text.trimStart().startsWith("<") ? text.trim() : "";
  return new Problem(error?.message ?? (plain || `The answer was ${response.status} ${response.statusText}.`), {
    status: response.status,
    reason: error?.reason ?? response.headers.get("Spotify-Proxy-Reason") ?? "",
    loginURL: error?.login_url ?? "",
    retryAfter: Number(response.headers.get("Retry-After") ?? 0),
  });
}

function facts(response) {
  return ["Content-Type", "Cache-Control", "Retry-After", "Spotify-Proxy-Reason"]
    .filter((name) => response.headers.has(name))
    .map((name) => `${name}: ${response.headers.get(name).replace(/; charset=utf-8$/, "")}`);
}

function record(entry) {
  entry.count = 1;
  if (entry.ms === undefined) {
    const same = wire.findIndex((e) => e.ms === undefined && e.path === entry.path && e.status === entry.status);
    if (same >= 0) entry.count += wire.splice(same, 1)[0].count;
  }
  wire.unshift(entry);
  wire.length = Math.min(wire.length, remembered);
  events.dispatchEvent(new Event("wire"));
}
