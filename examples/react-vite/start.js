// Starts both servers, and ends both: Caddy, with the real Spotify if SPOTIFY_CLIENT_ID is set and a
// simulated one otherwise, and Vite. CADDY may name a Caddy to use instead of one built from here.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);

function first(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) {
    console.error(`${command} ${args.join(" ")} did not work${error ? `: ${error.message}` : ""}`);
    process.exit(1);
  }
}

if (!existsSync("node_modules/vite")) first("npm", "ci", "--prefer-offline");
let caddy = process.env.CADDY;
if (!caddy) {
  caddy = join(here, "node_modules", ".cache", process.platform === "win32" ? "caddy.exe" : "caddy");
  first("go", "build", "-C", "../..", "-o", caddy, "./cmd/caddy");
}

const servers = [];
function start(command, ...args) {
  const server = spawn(command, args, { stdio: "inherit" });
  servers.push(server);
  server.on("error", (problem) => console.error(`${command}: ${problem.message}`));
  server.on("close", (status) => stop(status ?? 0));
}
function stop(status) {
  process.exitCode ??= status;
  for (const server of servers) server.kill();
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(0));

start(caddy, ...(process.env.SPOTIFY_CLIENT_ID ? ["run"] : ["spotify", "demo", "--site", ".", "--listen", "8080"]));
start(process.execPath, join(dirname(createRequire(import.meta.url).resolve("vite/package.json")), "bin", "vite.js"));
