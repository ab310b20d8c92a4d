import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { links } from "./links.js";
import { llms } from "./llms.js";
import { excluded, repository, root, route, sections } from "./pages.js";
import { sequence } from "./sequence.js";

// The site is made of the Markdown files that are read on GitHub as well, so that there
// is one text.
export default defineConfig({
  title: "caddy-spotify",
  description: "A Caddy plugin through which a web page calls the Spotify Web API without ever holding a token.",
  lang: "en",
  base: process.env.DOCS_BASE ?? "/",
  srcDir: root,
  srcExclude: excluded,
  outDir: "dist",
  rewrites: (file) => file.replace(/(^|\/)README\.md$/, "$1index.md"),
  cleanUrls: true,
  lastUpdated: false, // it would differ in a shallow clone
  markdown: {
    languageAlias: { caddyfile: "nginx" },
    config: (md) => {
      md.use(sequence).use(links);
      // A Caddyfile's {{placeholders}} are not Vue's.
      const render = md.renderer.render;
      md.renderer.render = (...args) => `<div v-pre>${render.apply(md.renderer, args)}</div>`;
    },
  },
  themeConfig: {
    sidebar: sections().map(({ text, pages }) => ({ text, items: pages.map((p) => ({ text: p.title, link: route(p.file) })) })),
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: repository }],
    docFooter: { prev: false, next: false },
  },
  buildEnd: llms,
  // The pages are above the folder that Vue is installed in.
  vite: { resolve: { alias: ["vue/server-renderer", "vue"].map((find) => ({ find: new RegExp(`^${find}$`), replacement: fileURLToPath(import.meta.resolve(find)) })) } },
});
