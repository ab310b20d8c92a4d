import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { links } from "./links.js";
import { llms } from "./llms.js";
import { excluded, repository, root, route, sections } from "./pages.js";
import { sequence } from "./sequence.js";

const installed = (module) => fileURLToPath(import.meta.resolve(module));

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
  appearance: "force-auto", // as the reader's system has it: the theme's switch has no name
  lastUpdated: false, // it would differ in a shallow clone
  markdown: {
    languageAlias: { caddyfile: "nginx" },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
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
  vite: {
    resolve: {
      alias: [
        { find: /^vue$/, replacement: installed("vue/dist/vue.runtime.esm-bundler.js") },
        { find: /^vue\/server-renderer$/, replacement: installed("vue/server-renderer") },
      ],
    },
  },
});
