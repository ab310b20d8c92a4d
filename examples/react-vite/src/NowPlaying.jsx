import { usePlayer } from "./useSpotify.js";

const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

export default function NowPlaying() {
  const now = usePlayer();
  if (!now || now.status === "login_required") return null;
  if (now.status === "idle") return <p id="now">Nothing is playing.</p>;
  if (now.status === "limited") return <p id="now">No news of the player until {new Date(now.until).toLocaleTimeString()}.</p>;
  if (now.status === "refused") return <p id="now">{now.message}</p>;
  const { item } = now.player;
  if (!item) return <p id="now">Something else is playing.</p>;
  return (
    <p id="now">
      {now.status === "playing" ? "Playing" : "Paused"}: {item.name}
      {item.artists && ` by ${item.artists.map((a) => a.name).join(", ")}`}, {clock(now.position)} of {clock(item.duration_ms)}
    </p>
  );
}
