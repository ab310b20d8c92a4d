// As client.d.ts, but `session`, `login` and so on are for a proxy at `/spotify`. Elsewhere, use `createClient(prefix)`.
export * from "./client.js";
