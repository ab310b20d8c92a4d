// What every part of the page needs to show something. Nothing here takes HTML:
// names of playlists and artists are text, whatever they contain.

export const $ = (id) => document.getElementById(id);

/** An element with a class, and with children that are elements or text. */
export function element(tag, className = "", ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

/** A name in whatever script, which does not turn round what stands beside it. */
export const isolated = (name) => element("bdi", "", name);

/** The parts with a separator in between. */
export const between = (parts, separator) => parts.flatMap((part, i) => (i === 0 ? [part] : [separator, part]));

/** A picture that fills its frame, or its frame alone when there is no picture or it does not load. */
export function picture(images, size) {
  // The smallest that is large enough; sizes may be unknown.
  const url = (images ?? []).toSorted((a, b) => (a.width ?? size) - (b.width ?? size)).find((i) => (i.width ?? size) >= size)?.url ?? images?.[0]?.url;
  if (!url) return "";
  const img = element("img");
  img.alt = "";
  img.loading = "lazy";
  img.decoding = "async";
  img.src = url;
  img.addEventListener("error", () => img.remove());
  return img;
}

/** 83000 → 1:23 */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Says something to those who listen to the page instead of looking at it. */
export const announce = (text) => { $("status").textContent = text; };

/** Placeholders while a list loads. */
export function bones(list, count, className) {
  list.replaceChildren(...Array.from({ length: count }, () => {
    const item = element("li", `${className} waiting`, element("span", "frame bone"), element("span", "bone line"));
    item.setAttribute("aria-hidden", "true");
    return item;
  }));
}

/** Shows in place what went wrong, and offers to try again. null clears it. */
export function showProblem(box, problem, again) {
  box.hidden = !problem;
  box.replaceChildren();
  if (!problem) return;
  const wait = problem.retryAfter > 0 ? ` Try again in ${problem.retryAfter} s.` : "";
  box.append(element("p", "", problem.message + wait));
  if (problem.reason) box.append(element("code", "reason", problem.reason));
  if (again) {
    const button = element("button", "quiet", "Try again");
    button.type = "button";
    button.addEventListener("click", again, { once: true });
    box.append(button);
  }
}
