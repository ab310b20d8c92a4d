import { fetch, login, logout, onSessionChange } from "/spotify/client.js";

const [status, button, list] = ["status", "button", "artists"].map((id) => document.getElementById(id));

// Called at once, and again when somebody logs in or out, in another tab too.
onSessionChange(async ({ authenticated, account }) => {
  button.hidden = false;
  button.textContent = authenticated ? "Log out" : "Log in with Spotify";
  button.onclick = () => (authenticated ? logout() : login());
  const answer = authenticated && (await fetch("/v1/me/top/artists?limit=10"));
  const { items = [], error } = answer ? await answer.json() : {};
  status.textContent = error?.message ?? (authenticated ? `Logged in as ${account.display_name}` : "Not logged in.");
  list.replaceChildren(...items.map(({ name }) => Object.assign(document.createElement("li"), { textContent: name })));
});
