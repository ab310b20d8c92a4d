// llms.txt (https://llmstxt.org): the pages, as the Markdown that they are made of, for
// programs that read documentation.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, sections } from "./pages.js";

export function llms({ outDir, site }) {
  let index = `# ${site.title}\n\n> ${site.description}\n`;
  for (const { text, pages } of sections()) {
    index += `\n## ${text}\n\n`;
    for (const { file, title } of pages) {
      index += `- [${title}](${site.base}md/${file})\n`;
      const copy = join(outDir, "md", file);
      mkdirSync(dirname(copy), { recursive: true });
      copyFileSync(join(root, file), copy);
    }
  }
  writeFileSync(join(outDir, "llms.txt"), index);
}
