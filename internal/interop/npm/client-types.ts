// What an app written in TypeScript does with the client module. It is compiled,
// not run; each @ts-expect-error is a mistake that the types must find.
import * as client from "caddy-spotify-client";
import { createClient, ProxyError, type Client, type PlayerState, type Session } from "caddy-spotify-client/client.js";

export async function greeting(): Promise<string> {
  const session = await client.session();
  // @ts-expect-error Nobody may be logged in.
  session.account;
  if (!session.authenticated) return "Log in at " + session.login_url;
  const { account, scopes, expires_at, reauthorize_by, logout_url } = session;
  // @ts-expect-error A profile may have no name.
  const name: string = account.display_name;
  // @ts-expect-error There is no token in the browser.
  session.access_token;
  const until: Date[] = [new Date(expires_at), new Date(reauthorize_by)];
  return [name, account.id, scopes.join(" "), until.map((t) => t.toISOString()), logout_url].join();
}

export async function rename(id: string, name: string): Promise<boolean> {
  const init = { method: "PUT", body: JSON.stringify({ name }), headers: new Headers() };
  const answers: Response[] = [
    await client.fetch("/v1/playlists/" + id, { ...init, login: "popup", signal: AbortSignal.timeout(1e4) }),
    await client.fetch(new URL("https://api.spotify.com/v1/me"), { login: false }),
    await client.fetch(new Request("/spotify/v1/me"), { login: "redirect", priority: "low" }),
    await client.fetch("/v1/me"),
  ];
  // @ts-expect-error A login is one of three.
  await client.fetch("/v1/me", { login: "window" });
  // @ts-expect-error What is to be fetched?
  await client.fetch();
  return answers.every((a) => a.ok);
}

export function follow(show: (text: string) => void): () => void {
  // Functions need no this.
  const { onSessionChange, login, logout }: Client = createClient("/spotify");
  client.onReauthorizationDue((s) => show(s.account.id + new Date(s.reauthorize_by) + (s.reauthorization_due === true)));
  const end = onSessionChange((s: Session) => show(s.authenticated ? s.account.id : s.login_url));
  login({ popup: true, scope: ["user-read-email"], showDialog: true, returnTo: "/" }).then(
    async (s) => {
      if (s.authenticated) await logout();
    },
    (e: unknown) => {
      if (!(e instanceof ProxyError)) throw e;
      const status: number = e.status;
      // @ts-expect-error There is a reason only if the proxy gave one.
      const reason: string = e.reason;
      // @ts-expect-error What happened has happened.
      e.status = 0;
      show([status, reason, e.loginURL, e.message].join());
    },
  );
  login({ scope: "user-read-email" });
  login();
  // @ts-expect-error It is spelled returnTo.
  login({ return_to: "/" });
  return end;
}

export function listen(show: (text: string) => void): () => void {
  const { player, quota }: Client = client;
  const end = player((state: PlayerState) => {
    // @ts-expect-error There may be nothing that plays.
    state.player;
    switch (state.status) {
      case "playing":
      case "paused": {
        const { item, device, is_playing } = state.player;
        // @ts-expect-error An advertisement has no item.
        item.name;
        const at: number = state.position();
        return show([item?.name, item?.artists?.map((a) => a.name), device?.name, is_playing, at].join());
      }
      case "idle":
        return show("nothing");
      case "limited":
        return show(state.reason + new Date(state.until).toISOString());
      case "login_required":
        return show(state.login_url ?? "");
      case "refused":
        return show(state.message);
      default:
        // These are all.
        return state satisfies never;
    }
  });
  player(() => {}, { share: true })();
  const remaining: number | undefined = quota()?.remaining;
  // @ts-expect-error There may be no budget.
  quota().resetsAt.getTime();
  show(String(remaining));
  return end;
}
