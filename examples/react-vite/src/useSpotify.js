import { fetch, onSessionChange, player } from "caddy-spotify-client";
import { useEffect, useState } from "react";

/** Who is logged in: undefined until it is known. Follows what happens in other tabs. */
export function useSession() {
  const [session, setSession] = useState();
  useEffect(() => onSessionChange(setSession), []);
  return session;
}

/**
 * What the account plays, as the client module's `player` tells it, with the `position` of now in milliseconds: undefined
 * until it is known. Changes come over one stream for all tabs. The position is counted here, each second; nothing polls.
 */
export function usePlayer() {
  const [now, setNow] = useState();
  useEffect(() => {
    let heard;
    const show = () => heard && setNow({ ...heard, position: heard.position?.() });
    const ticking = setInterval(() => heard?.status === "playing" && show(), 1000);
    const stop = player((state) => {
      heard = state;
      show();
    });
    return () => {
      stop();
      clearInterval(ticking);
    };
  }, []);
  return now;
}

/** What the Web API answers to a GET, as `{ data }` or `{ error }`; empty until it has. */
export function useSpotify(path) {
  const [result, setResult] = useState({});
  useEffect(() => {
    const leaving = new AbortController();
    setResult({});
    (async () => {
      try {
        const answer = await fetch(path, { signal: leaving.signal });
        const body = await answer.json();
        setResult(answer.ok ? { data: body } : { error: body.error.message });
      } catch (problem) {
        if (!leaving.signal.aborted) setResult({ error: problem.message });
      }
    })();
    return () => leaving.abort();
  }, [path]);
  return result;
}
