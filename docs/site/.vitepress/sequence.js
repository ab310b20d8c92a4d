// Mermaid's sequence diagrams, which GitHub draws, as a list: what a drawing says in a
// script of a megabyte, and read aloud as well.
export function sequence(md) {
  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, i, options, env, self) => {
    const { info, content } = tokens[i];
    if (info.trim() !== "mermaid") return fence(tokens, i, options, env, self);
    const names = {};
    const items = [];
    for (const line of content.split("\n").map((l) => l.trim())) {
      let m;
      if ((m = /^participant (\w+) as (.+)$/.exec(line))) names[m[1]] = m[2];
      else if ((m = /^(\w+)--?>>(\w+): (.+)$/.exec(line))) items.push(`<b>${text(names[m[1]])}</b> to <b>${text(names[m[2]])}</b>: ${text(m[3])}`);
      else if ((m = /^loop (.+)$/.exec(line))) items.push(`<i>${text(m[1])}:</i>`);
      else if ((m = /^Note over [\w,]+: (.+)$/.exec(line))) items.push(`<i>${text(m[1])}.</i>`);
      else if (!["", "sequenceDiagram", "autonumber", "end"].includes(line)) throw new Error(`a diagram has the line ${line}, which sequence.js does not know`);
    }
    return `<ol>${items.map((item) => `<li>${item}</li>`).join("")}</ol>`;
  };
  function text(s) {
    return md.utils.escapeHtml(s);
  }
}
