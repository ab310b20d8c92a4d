import { login, logout } from "caddy-spotify-client";
import { useState } from "react";
import NowPlaying from "./NowPlaying.jsx";
import TopArtists from "./TopArtists.jsx";
import { useSession } from "./useSpotify.js";

const ranges = { short_term: "4 weeks", medium_term: "6 months", long_term: "All time" };

export default function App() {
  const session = useSession();
  const [range, setRange] = useState("medium_term");
  if (!session) return <p role="status">Loading</p>;
  return (
    <>
      <h1>My top artists</h1>
      <p role="status" id="status">{session.authenticated ? `Logged in as ${session.account.display_name}` : "Not logged in."}</p>
      {session.authenticated ? (
        <>
          <button type="button" id="button" onClick={() => logout()}>Log out</button>
          <NowPlaying />
          <fieldset>
            <legend>Time range</legend>
            {Object.entries(ranges).map(([value, name]) => (
              <label key={value}>
                <input type="radio" name="range" checked={value === range} onChange={() => setRange(value)} />
                {name}
              </label>
            ))}
          </fieldset>
          <TopArtists range={range} />
        </>
      ) : (
        <button type="button" id="button" onClick={() => login()}>Log in with Spotify</button>
      )}
    </>
  );
}
