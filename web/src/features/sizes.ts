// Dictionaries of several sizes as a tree: a feature of the smallest, and into which features of the next it splits.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { visible } from "../text.ts";
import { latentAddress } from "./route.ts";
import type { Level, Site } from "./types.ts";

const SHOWN = 100;

export function sizesView(root: HTMLElement, { levels }: Site): void {
  const children = levels.map((_, depth) => childrenOf(levels[depth + 1]));
  const list = h("ul", { class: "tree" });
  const count = h("p", { class: "count", role: "status" });
  const search = h("input", { type: "search", placeholder: "a word in any size", "aria-label": "Search the tree", "data-search": "" });
  const more = h("button", { type: "button" }, "show more");
  let most = SHOWN;

  const holds = (depth: number, latent: number, word: string): boolean =>
    `${levels[depth]?.labels[latent]}`.toLowerCase().includes(word) || (children[depth]?.get(latent) ?? []).some((child) => holds(depth + 1, child, word));
  const below = (depth: number, latent: number): number =>
    (children[depth]?.get(latent) ?? []).reduce((sum, child) => sum + 1 + below(depth + 1, child), 0);

  function node(depth: number, latent: number, word: string): HTMLElement {
    const level = levels[depth] as Level;
    const under = [...(children[depth]?.get(latent) ?? [])].sort((a, b) => cosine(depth + 1, b) - cosine(depth + 1, a));
    const near = level.cosines[latent];
    const line = h(
      "span",
      { class: "leaf" },
      level.here ? h("a", { class: "number", href: latentAddress(latent) }, String(latent)) : h("span", { class: "number" }, String(latent)),
      " ",
      h("bdi", {}, visible(level.labels[latent] ?? "")),
      " ",
      near != null && h("span", { class: "quiet" }, `cosine ${readable(near)}`),
    );
    if (!under.length) return h("li", {}, line);
    const inner = h("ul", {});
    const fold = h("details", {}, h("summary", {}, line, h("span", { class: "quiet" }, ` · ${under.length} of ${visible(levels[depth + 1]?.name ?? "")}`)), inner);
    const fill = () => {
      if (!inner.childElementCount) inner.append(...under.map((child) => node(depth + 1, child, word)));
    };
    fold.addEventListener("toggle", fill);
    if (word && under.some((child) => holds(depth + 1, child, word))) {
      fold.open = true;
      fill();
    }
    return h("li", {}, fold);
  }

  const cosine = (depth: number, latent: number): number => levels[depth]?.cosines[latent] ?? 0;

  function update(): void {
    const word = search.value.trim().toLowerCase();
    const roots = [...Array(levels[0]?.size ?? 0).keys()].filter((latent) => !word || holds(0, latent, word));
    roots.sort((a, b) => below(0, b) - below(0, a));
    list.replaceChildren(...roots.slice(0, most).map((latent) => node(0, latent, word)));
    more.hidden = roots.length <= most;
    count.textContent = `${roots.length.toLocaleString("en")} features of the smallest dictionary`;
  }
  more.addEventListener("click", () => {
    most += SHOWN;
    update();
  });
  search.addEventListener("input", update);
  root.append(
    h("h2", {}, "Into what does a feature split?"),
    h("p", { class: "quiet" }, `${levels.map(({ name, size }) => `${visible(name)}: ${size.toLocaleString("en")}`).join(" · ")}. Each feature hangs below the one of the smaller dictionary whose direction is nearest; those that split most come first.`),
    h("div", { class: "tools" }, h("label", { class: "search" }, search), count),
    list,
    more,
  );
  update();
}

function childrenOf(level: Level | undefined): Map<number, number[]> {
  const found = new Map<number, number[]>();
  level?.parents.forEach((parent, latent) => {
    if (parent === null) return;
    const known = found.get(parent);
    if (known) known.push(latent);
    else found.set(parent, [latent]);
  });
  return found;
}
