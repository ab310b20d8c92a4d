// Which files are pages, where they are on the site, and the order that docs/README.md
// has them in.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = "https://github.com/caddyspotify/caddy-spotify";
export const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

// Folders that have no page.
const folders = ["client", "cmd", "contrib", "docs/site", "internal", "pkce", "tokenstore"];
export const excluded = ["**/node_modules/**", "**/testdata/**", ...folders.map((f) => f + "/**")];

// isPage reports whether a path below the root, such as docs/options.md, is a page.
export function isPage(path) {
  return path.endsWith(".md") && !folders.some((f) => path.startsWith(f + "/")) && existsSync(join(root, path));
}

// route is the path of a page on the site.
export function route(path) {
  return "/" + path.replace(/(^|\/)README\.md$/, "$1").replace(/\.md$/, "");
}

// title is the heading of a page.
export function title(path) {
  return /^# (.+)$/m.exec(readFileSync(join(root, path), "utf8"))[1].replace(/`/g, "");
}

// sections are the headings of docs/README.md, each with the pages that it names, once.
export function sections() {
  const seen = new Set();
  const start = { text: "caddy-spotify", pages: [] };
  const all = [start];
  const add = (section, file) => {
    if (seen.has(file) || !isPage(file)) return;
    seen.add(file);
    section.pages.push({ file, title: title(file) });
  };
  add(start, "README.md");
  add(start, "docs/README.md");
  for (const line of readFileSync(join(root, "docs/README.md"), "utf8").split("\n")) {
    if (line.startsWith("## ")) all.push({ text: line.slice(3), pages: [] });
    for (const [, target] of line.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.includes("://")) add(all.at(-1), posix.join("docs", target));
    }
  }
  return all.filter((s) => s.pages.length > 0);
}
