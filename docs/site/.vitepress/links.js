// Links between the Markdown files lead to pages of the site, and links to other files
// to the repository.
import { existsSync, statSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { isPage, repository, root, route } from "./pages.js";

export function links(md) {
  md.core.ruler.push("links", (state) => {
    // The file itself, and not where it is on the site.
    const file = relative(root, state.env.realPath ?? state.env.path);
    for (const token of state.tokens) {
      for (const link of token.children ?? []) {
        if (link.type === "link_open") link.attrSet("href", resolve(file, link.attrGet("href")));
      }
    }
  });
}

function resolve(file, href) {
  if (/^([a-z]+:|#|\/)/.test(href)) return href;
  const [path, anchor] = href.split("#");
  const target = posix.normalize(posix.join(posix.dirname(file), path)).replace(/\/$/, "");
  const suffix = anchor === undefined ? "" : "#" + anchor;
  for (const page of [target, target + "/README.md"]) {
    if (isPage(page)) return route(page) + suffix;
  }
  if (!existsSync(join(root, target))) throw new Error(`${file} links to ${href}, which is not there`);
  const kind = statSync(join(root, target)).isDirectory() ? "tree" : "blob";
  return `${repository}/${kind}/main/${target}${suffix}`;
}
