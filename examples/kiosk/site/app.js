// A screen without a keyboard. It shows a code until a person has connected it, and then what
// their account plays, until the key that it was given ends.
const prefix = "/spotify";
const name = new URLSearchParams(location.search).get("name") || "Kiosk";
const stored = "spotify-kiosk-key";
const $ = (id) => document.getElementById(id);
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

const show = (id) => { for (const part of ["connect", "playing"]) $(part).hidden = part !== id; };

const post = (path, parameters) => fetch(prefix + path, { method: "POST", body: new URLSearchParams(parameters) });

// connect shows codes, one after the other, until the screen has a key (RFC 8628).
async function connect() {
  for (let note = ""; ; ) {
    const response = await post("/device", { client_name: name, scope: "user-read-playback-state" });
    if (!response.ok) {
      await pause(Number(response.headers.get("Retry-After")) || 30);
      continue;
    }
    const code = await response.json();
    $("code").textContent = code.user_code;
    $("address").textContent = code.verification_uri.replace(/^https:\/\//, "");
    $("qr").src = "data:image/svg+xml," + encodeURIComponent(code.qr);
    $("note").textContent = note || `The screen is called “${name}”.`;
    show("connect");
    let wait = code.interval;
    for (const end = Date.now() + code.expires_in * 1000; Date.now() < end; ) {
      await pause(wait);
      const answer = await post("/device/token", {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: code.device_code,
      }).then((r) => r.json()).catch(() => ({})); // the network may be back at the next try
      if (answer.access_token) {
        localStorage.setItem(stored, answer.access_token);
        return answer.access_token;
      }
      if (answer.error === "slow_down") wait += 5;
      if (answer.error === "access_denied") { note = "The last request was denied."; break; }
      if (["expired_token", "invalid_grant"].includes(answer.error)) break;
    }
  }
}

// listen tells what plays, until the key is good no longer. An EventSource could not send it.
async function listen(key) {
  for (let wait = 1; ; wait = Math.min(wait * 2, 60)) {
    try {
      const response = await fetch(prefix + "/events", { headers: { Authorization: `Bearer ${key}` } });
      if (response.status === 401) return;
      if (!response.ok) throw new Error(`status ${response.status}`);
      wait = 1;
      for await (const [event, data] of events(response.body)) {
        if (event === "login_required") return;
        if (event === "bye") break;
        draw(event, data);
      }
    } catch {
      $("state").textContent = "No connection. Trying again.";
    }
    await pause(wait);
  }
}

// events yields the server-sent events of a stream.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = text.slice(0, end).split("\n").map((line) => line.match(/^(event|data): ?(.*)$/)).filter(Boolean);
      const event = fields.find(([, field]) => field === "event")?.[2];
      if (event) yield [event, JSON.parse(fields.filter(([, field]) => field === "data").map(([, , data]) => data).join("\n") || "{}")];
    }
  }
}

let position = () => 0;

function draw(event, { player, observed_at: observed, sent_at: sent, reason }) {
  show("playing");
  if (event === "limited") {
    $("state").textContent = `No news for now (${reason}).`;
    return;
  }
  const item = event === "player" ? player.item : null;
  $("track").textContent = item?.name ?? "Nothing plays";
  $("artists").textContent = item?.artists?.map((artist) => artist.name).join(", ") ?? item?.show?.name ?? "";
  const cover = (item?.album ?? item)?.images?.[0]?.url;
  $("cover").hidden = !cover;
  if (cover) $("cover").src = cover;
  $("position").hidden = !item;
  $("state").textContent = item && !player.is_playing ? "Paused" : "";
  if (!item) return;
  $("position").max = item.duration_ms;
  const heard = performance.now();
  position = () => player.progress_ms + (player.is_playing ? sent - observed + performance.now() - heard : 0);
  $("position").value = position();
}

setInterval(() => { $("position").value = position(); }, 1000);

for (;;) {
  try {
    await listen(localStorage.getItem(stored) ?? await connect());
    localStorage.removeItem(stored);
  } catch {
    await pause(10); // no connection
  }
}
