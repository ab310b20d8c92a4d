// The client module's types fit those of the official SDK. It is compiled, not run.
import { SpotifyApi, type IAuthStrategy, type UserProfile } from "@spotify/web-api-ts-sdk";
import { authStrategy, createClient, fetch } from "caddy-spotify-client";

const sdk = new SpotifyApi(authStrategy, { fetch });
export const profile: Promise<UserProfile> = sdk.currentUser.profile();
export const elsewhere: IAuthStrategy = createClient("/music").authStrategy;
