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
      logout_url: string;
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
export declare const authStrategy: Client["authStrategy"];
