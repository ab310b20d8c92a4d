import { fetch, onSessionChange } from "caddy-spotify-client";
import { useEffect, useState } from "react";

/** Who is logged in: undefined until it is known. Follows what happens in other tabs. */
export function useSession() {
  const [session, setSession] = useState();
  useEffect(() => onSessionChange(setSession), []);
  return session;
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
