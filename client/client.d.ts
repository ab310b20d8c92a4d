/** Who is logged in, as `GET <prefix>/session` tells it. */
export type Session =
  | {
      authenticated: true;
      account: {
        /**
         * What to know the account by: Spotify's `account_id`, which never changes, or where `/v1/me` has none, the
         * user's `id`.
         */
        id: string;
        display_name?: string;
      };
      /** The scopes that the user granted. */
      scopes: string[];
      /** When the session ends unless it is used before (RFC 3339). */
      expires_at: string;
      /** When the user has to consent again in any case (RFC 3339). */
      reauthorize_by: string;
      /** That this is soon, as the option `reauthorize_notice` says. */
      reauthorization_due?: true;
      logout_url: string;
      /** The page where people see and end their sessions and access keys. */
      account_url: string;
    }
  | { authenticated: false; login_url: string };

export interface LoginOptions {
  /** The path on this origin to come back to. Default: where the page is now. A pop-up comes back to the page anyway. */
  returnTo?: string;
  /**
   * Log in in a pop-up window, so that the page stays. Call it from a click: browsers block pop-ups otherwise, and then
   * the page itself goes to log in.
   */
  popup?: boolean;
  /** Scopes to ask for beside the configured ones. They must be among `optional_scopes`. */
  scope?: string | string[];
  /** Have Spotify ask even if the user has agreed before, so that they can switch accounts. */
  showDialog?: boolean;
}

export interface FetchInit extends RequestInit {
  /**
   * What to do when nobody is logged in (any longer). The session is asked for first: if another tab has logged in
   * meanwhile, the request is sent again, and if the proxy cannot tell, the page gets the 401 and stays.
   *
   * - `"redirect"`, the default for GET and HEAD: the page goes to log in and comes back, and the promise does not settle.
   *   It happens once; until a request or a session has worked again, further calls get the 401.
   * - `"popup"`, the default for other methods: log in in a pop-up, then send the request again, once, with its body.
   *   Where pop-ups are blocked, a GET redirects, and anything else gets the 401, since a redirect would lose its body.
   * - `false`: get the 401.
   */
  login?: "redirect" | "popup" | false;
}

/** An endpoint of the proxy did not do what it was asked. */
export declare class ProxyError extends Error {
  readonly name: "ProxyError";
  /** The HTTP status. */
  readonly status: number;
  /** Why, such as `store_unavailable`; undefined if the answer did not come from the proxy itself. */
  readonly reason?: string;
  /** Where logging in would help. */
  readonly loginURL?: string;
  /** In how many seconds to try again. */
  readonly retryAfter?: number;
}

/** A device that plays. */
export interface Device {
  id: string | null;
  name: string;
  type: string;
  is_active: boolean;
  is_private_session: boolean;
  volume_percent: number | null;
  [member: string]: unknown;
}

/** A track or an episode. */
export interface PlayableItem {
  type: "track" | "episode";
  id: string | null;
  uri: string;
  name: string;
  duration_ms: number;
  artists?: { name: string; [member: string]: unknown }[];
  album?: { name: string; images: { url: string; width: number | null; height: number | null }[]; [member: string]: unknown };
  show?: { name: string; [member: string]: unknown };
  [member: string]: unknown;
}

/** What Spotify says of a player: the response to `GET /v1/me/player`. */
export interface Playback {
  is_playing: boolean;
  /** As it was some time ago: see {@link ActivePlayer.position}. */
  progress_ms: number | null;
  currently_playing_type: "track" | "episode" | "ad" | "unknown";
  /** null in an advertisement, and if Spotify does not tell. */
  item: PlayableItem | null;
  /** Missing where only `GET /v1/me/player/currently-playing` may be read. */
  device?: Device;
  [member: string]: unknown;
}

/** Something plays, or is paused. */
export interface ActivePlayer {
  status: "playing" | "paused";
  player: Playback;
  /**
   * Where in the item the player is now, in milliseconds. It goes on by the page's clock from what the server has seen, to
   * the end of the item at most. No request is sent, so call it as often as the page is drawn.
   */
  position(): number;
}

/** What an account plays. Only `playing` and `paused` have a `player`; what was heard before does not hold any longer. */
export type PlayerState =
  | ActivePlayer
  /** No device is active. */
  | { status: "idle" }
  /** There is nothing new for a while, because Spotify limits the app, or something is unreachable. It goes on by itself. */
  | {
      status: "limited";
      /** Such as `rate_limited`, `quota_exceeded`, `upstream_unavailable`, or `unreachable` for the proxy itself. */
      reason: string;
      /** When there may be something new: Unix milliseconds by the page's clock. */
      until: number;
    }
  /** Nobody is logged in (any longer). It goes on by itself after a login, in whatever tab. */
  | { status: "login_required"; login_url?: string }
  /** The proxy does not tell: a scope is missing (`insufficient_scope`), or the site does not allow it. */
  | { status: "refused"; reason: string; message: string; /** The login that would help. */ login_url?: string };

export interface PlayerOptions {
  /** Hear what the account of the option `share` plays, which takes no login. */
  share?: boolean;
}

/** How a visitor stands in the budget that the operator set for requests (the option `quota`). */
export interface Quota {
  /** Requests in 24 hours, of all such visitors together. */
  limit: number;
  /** Requests that this one may still send now. */
  remaining: number;
  /** When there is room for more. */
  resetsAt: Date;
}

/** Fits the `IAuthStrategy` of `@spotify/web-api-ts-sdk`. There is no token in the browser, so it hands out a stand-in. */
export interface AuthStrategy {
  setConfiguration(configuration: unknown): void;
  getOrCreateAccessToken(): Promise<StandInToken>;
  /** null if nobody is logged in. */
  getAccessToken(): Promise<StandInToken | null>;
  /** Logs out. */
  removeAccessToken(): void;
}

export interface StandInToken {
  access_token: string;
  token_type: string;
  expires_in: number;
  refresh_token: string;
  expires?: number;
}

export interface Client {
  /**
   * Who is logged in. Asking does not keep the session alive.
   *
   * @throws {ProxyError} if the proxy cannot tell just now. Nobody is logged out by that.
   */
  session(): Promise<Session>;

  /**
   * Logs in. With a pop-up the promise resolves with the new session, and rejects with an `AbortError` if the user closed
   * the window first. Without one the page leaves, and the promise settles (rejects, with an `AbortError`) only if the
   * user comes back by the browser's Back button.
   */
  login(options?: LoginOptions): Promise<Session>;

  /**
   * Logs out, in all tabs and on all machines.
   *
   * @throws {ProxyError} if that did not work; then the user is still logged in.
   */
  logout(): Promise<void>;

  /**
   * `fetch` for the Web API. Takes the API's path (`/v1/me`), its address at Spotify (`https://api.spotify.com/v1/me`), or
   * the proxy's own (as in the `next` of a page of results), and logs in once if that is needed: see {@link FetchInit.login}.
   * All other answers are returned as they are.
   *
   * @throws {TypeError} if the address is not one of the Web API, and whatever `fetch` throws.
   */
  fetch(input: string | URL | Request, init?: FetchInit): Promise<Response>;

  /**
   * Calls back with the session there is, and again whenever it changes: here, in another tab, or while the page was out
   * of sight. Returns a function that ends it.
   */
  onSessionChange(callback: (session: Session) => void): () => void;

  /**
   * Calls back, once for each login, when the user has to consent again soon: 14 days before, unless the option
   * `reauthorize_notice` says otherwise. {@link Client.login} begins the new consent, from a click. A page that stays in
   * sight asks once an hour. Returns a function that ends it.
   */
  onReauthorizationDue(callback: (session: Session & { authenticated: true }) => void): () => void;

  /**
   * Calls back with what the account plays, at once if it is known, and again whenever that changes. A position that moves on
   * is no change: {@link ActivePlayer.position} counts it. Returns a function that ends it.
   *
   * All tabs of the browser, and all callbacks, share one stream of the proxy's; if its tab closes, another takes over. Nothing
   * polls, and Spotify is asked once for everybody who listens. A lost stream comes back by itself, after a pause that differs
   * from page to page. A page that has been hidden for 30 seconds stops listening until it is seen again.
   *
   * It takes the scope `user-read-playback-state`, or `user-read-currently-playing` for a state without the device.
   */
  player(callback: (state: PlayerState) => void, options?: PlayerOptions): () => void;

  /**
   * How the visitor stood in the operator's budget at the last response that {@link Client.fetch} got in this page. Undefined
   * before one, and without a budget. A page can send less before it is refused.
   */
  quota(): Quota | undefined;

  /** `new SpotifyApi(authStrategy, { fetch })` makes the official TypeScript SDK work through the proxy. */
  authStrategy: AuthStrategy;
}

/**
 * A client of the proxy at a prefix such as `/spotify`. The default is the prefix that this module was loaded from.
 * Its functions do not need `this`.
 */
export declare function createClient(prefix?: string): Client;

/** A client of the proxy that served this module. */
export declare const session: Client["session"];
export declare const login: Client["login"];
export declare const logout: Client["logout"];
export declare const fetch: Client["fetch"];
export declare const onSessionChange: Client["onSessionChange"];
export declare const onReauthorizationDue: Client["onReauthorizationDue"];
export declare const player: Client["player"];
export declare const quota: Client["quota"];
export declare const authStrategy: Client["authStrategy"];
