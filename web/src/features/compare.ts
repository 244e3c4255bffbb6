// Two dictionaries side by side: which features match, which split, which only one of them has; and what chance would give.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { visible } from "../text.ts";
import { latentAddress, remember } from "./route.ts";
import type { Comparison, Match, Site } from "./types.ts";
import { virtualList } from "./virtual.ts";

const ROW = 40;

export function compareView(root: HTMLElement, site: Site, options: URLSearchParams): void {
  const chosen = h("select", { "aria-label": "The other dictionary" }, ...site.comparisons.map(({ name }) => h("option", { value: name }, visible(name))));
  const asked = options.get("with");
  if (site.comparisons.some(({ name }) => name === asked)) chosen.value = asked ?? "";
  const content = h("div", {});
  const show = () => {
    const found = site.comparisons.find(({ name }) => name === chosen.value);
    remember("compare", new URLSearchParams({ with: chosen.value }));
    content.replaceChildren();
    if (found) fill(content, found);
  };
  chosen.addEventListener("change", show);
  root.append(h("h2", {}, "What does another dictionary have too?"), h("div", { class: "tools" }, h("label", {}, "beside ", chosen)), content);
  show();
}

function fill(root: HTMLElement, { about, note, matches, baselines }: Comparison): void {
  const relations = [...new Set(matches.map(({ relation }) => relation))];
  const counts = relations.map((relation) => `${matches.filter((match) => match.relation === relation).length.toLocaleString("en")} ${relation}`);
  const medians = (["correlation", "cosine"] as const).flatMap((measure) => {
    const values = matches.flatMap((match) => match[measure] ?? []);
    if (!values.length) return [];
    const chance = baselines.filter((one) => one.measure === measure && one.values.length);
    const beside = chance.map(({ name, values: theirs }) => `${visible(name)} ${readable(median(theirs))}`).join(", ");
    return [h("p", {}, `Median ${measure} of the best matches: `, h("b", {}, readable(median(values))), beside && ` (${beside})`)];
  });
  const sort = h(
    "select",
    { "aria-label": "Order" },
    ...["best correlation", "worst correlation", "best cosine", "worst cosine", "number"].map((words) => h("option", { value: words }, words)),
  );
  const kinds = h("select", { "aria-label": "Relation" }, h("option", { value: "" }, "all relations"), ...relations.map((one) => h("option", { value: one }, visible(one))));
  let shown: Match[] = matches;
  const list = virtualList(ROW, (row) => matchElement(shown[row]), "matches");
  const update = () => {
    shown = matches.filter(({ relation }) => !kinds.value || relation === kinds.value);
    const [way, measure] = sort.value.split(" ") as [string, "correlation" | "cosine" | undefined];
    const sign = way === "best" ? -1 : 1;
    shown = measure
      ? [...shown].sort((a, b) => Number(a[measure] === null) - Number(b[measure] === null) || sign * ((a[measure] ?? 0) - (b[measure] ?? 0)))
      : [...shown].sort((a, b) => (a.latent ?? Infinity) - (b.latent ?? Infinity));
    list.show(shown.map((_, row) => row));
  };
  for (const select of [sort, kinds]) select.addEventListener("change", update);
  root.append(
    h("p", { class: "quiet" }, `${about.size.toLocaleString("en")} features of ${visible(about.basis)}; ${visible(about.model)}, ${visible(about.site)}. ${visible(note)}`),
    h("p", {}, counts.map(visible).join(" · ")),
    ...medians,
    h("div", { class: "controls" }, sort, kinds),
    h("div", { class: "match head" }, ...["here", "", "there", "", "cosine", "correlation", "relation"].map((words) => h("span", {}, words))),
    list.element,
  );
  requestAnimationFrame(update); // the list measures itself once it is in the page
}

function matchElement(match: Match | undefined): HTMLElement {
  if (!match) return h("div", {});
  const figure = (value: number | null) => h("span", { class: "figure" }, value === null ? "–" : value.toFixed(2).replace("-", "−"));
  return h(
    "div",
    { class: "match" },
    match.latent === null ? h("span", {}) : h("a", { class: "number", href: latentAddress(match.latent) }, String(match.latent)),
    h("span", { class: "words" }, visible(match.label)),
    h("span", { class: "number" }, match.other === null ? "–" : String(match.other)),
    h("span", { class: "words" }, visible(match.other_label)),
    figure(match.cosine),
    figure(match.correlation),
    h("span", { class: "quiet" }, visible(match.relation)),
  );
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

