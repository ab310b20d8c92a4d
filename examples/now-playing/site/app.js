// Says what plays as soon as it changes. The server tells; nothing is asked for again.
import { player } from "/spotify/client.js";

const live = document.getElementById("live");
const position = document.getElementById("position");
let now;

const draw = () => {
  if (now?.status === "playing") position.value = now.position();
};

player((state) => {
  now = state;
  const item = state.player?.item;
  const by = item?.artists?.map(({ name }) => name).join(", ") ?? item?.show?.name;
  live.textContent = item ? `${state.status === "playing" ? "Just now" : "Paused"}: ${item.name}${by ? ` by ${by}` : ""}` : "";
  position.hidden = !item;
  if (!item) return;
  position.max = item.duration_ms;
  position.value = state.position();
}, { share: true });

setInterval(draw, 1000);
