// For bundlers, where the module's address says nothing about the proxy's.
import { createClient, ProxyError } from "./client.js";

export { createClient, ProxyError };
export const { session, login, logout, fetch, onSessionChange, onReauthorizationDue, player, quota, authStrategy } = /*#__PURE__*/ createClient("/spotify");
