// What stands beside a feature's examples: its numbers, the tokens that it promotes, its neighbours, its neurons.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { tokenElement, visible } from "../text.ts";
import { percent } from "./examples.ts";
import { histogram, profile } from "./histogram.ts";
import { latentAddress } from "./route.ts";
import type { Feature, Neighbour, Neuron, Property, Weight } from "./types.ts";

/** A panel that a feature has; none where it has nothing to show. */
export type Panel = HTMLElement | null;

export function activations({ histogram: counts, statistics }: Feature): Panel {
  const total = counts.counts.reduce((sum, count) => sum + count, 0);
  const density = statistics.density;
  const words = density == null ? "" : `Active in ${percent(density)} of all places.`;
  return panel("How strongly it fires", total ? histogram(counts, "activations") : h("p", { class: "quiet" }, "It never fired."), words);
}

export function logits({ logits: weights }: Feature): Panel {
  if (!weights) return null;
  const columns = h(
    "div",
    { class: "pairs" },
    h("div", {}, h("h4", {}, "likelier"), weightTable(weights.top)),
    h("div", {}, h("h4", {}, "less likely"), weightTable(weights.bottom)),
  );
  return panel("Next tokens that it makes", columns, "");
}

export function logitWeights({ logits: weights }: Feature): Panel {
  if (!weights) return null;
  return panel("What it adds to the logits of all tokens", histogram(weights.histogram, "logit weights"), "Directly, per unit of activation.");
}

export function positions({ positions: { edges, density } }: Feature): Panel {
  if (!density.length) return null;
  const names = density.map((_, bin) => {
    const [first = 0, next = 0] = [edges[bin], edges[bin + 1]];
    return next - first === 1 ? `position ${first}` : `positions ${first} to ${next - 1}`;
  });
  return panel("How often, by position", profile(names, density, "density by position"), "");
}

export function neighbours(title: string, list: Neighbour[], linked: boolean): Panel {
  if (!list.length) return null;
  const rows = list.map(({ latent, label, cosine, correlation }) =>
    h(
      "tr",
      {},
      h("td", { class: "number" }, linked ? h("a", { href: latentAddress(latent) }, String(latent)) : String(latent)),
      h("td", { class: "text" }, h("div", { class: "clamped", title: visible(label) }, visible(label))),
      figure(cosine),
      figure(correlation),
    ),
  );
  return panel(title, table(["", "", "cosine", "correlation"], rows), "");
}

export function neurons(title: string, list: Neuron[], value: string, other: string, asPercent: boolean): Panel {
  if (!list.length) return null;
  const rows = list.map((one) =>
    h(
      "tr",
      {},
      h("td", {}, `neuron ${one.neuron}`),
      h("td", { class: "figure" }, readable(one.value, { signed: true })),
      h("td", { class: "figure" }, asPercent ? percent(one.other) : readable(one.other, { signed: true })),
    ),
  );
  return panel(title, table(["", value, other], rows), "");
}

export function heads({ heads: list }: Feature): Panel {
  if (!list.length) return null;
  const most = Math.max(...list.map(({ share }) => share));
  const rows = list.map(({ head, share }) => h("tr", {}, h("td", {}, visible(head)), bar(share / most), h("td", { class: "figure" }, percent(share))));
  return panel("Which heads its direction lies in", table(["", "", "share"], rows), "");
}

export function properties({ properties: list }: Feature): Panel {
  if (!list.length) return null;
  return panel("How much likelier a property is where it fires", h("div", {}, ...list.map(ratios)), "P(property | activation) / P(property), with 95 % intervals.");
}

function ratios({ name, base, ratios: list }: Property): HTMLElement {
  const rows = list.map(({ low, high, ratio, interval, n }) =>
    h(
      "tr",
      {},
      h("td", {}, `${readable(low)} to ${readable(high)}`),
      h("td", { class: "figure" }, ratio === null ? "–" : readable(ratio)),
      h("td", { class: "figure quiet" }, interval ? `${readable(interval[0])} to ${readable(interval[1])}` : ""),
      h("td", { class: "figure quiet" }, n.toLocaleString("en")),
    ),
  );
  return h("div", {}, h("h4", {}, visible(name), h("span", { class: "quiet" }, ` ${percent(base)} of all places`)), table(["activation", "times", "", "places"], rows));
}

function weightTable(weights: Weight[]): HTMLElement {
  const most = Math.max(1e-30, ...weights.map(({ value }) => Math.abs(value)));
  const rows = weights.map(({ token, value }) =>
    h("tr", {}, h("td", {}, tokenElement(token)), bar(value / most), h("td", { class: "figure" }, readable(value, { signed: true }))),
  );
  return table([], rows);
}

function bar(share: number): HTMLElement {
  const mark = h("span", { class: share < 0 ? "bar below" : "bar" });
  mark.style.width = `${Math.round(100 * Math.abs(share))}%`;
  return h("td", { class: "bar-cell", "aria-hidden": "true" }, mark);
}

function figure(value: number | null): HTMLElement {
  return h("td", { class: "figure" }, value === null ? "–" : value.toFixed(2).replace("-", "−"));
}

function table(columns: string[], rows: HTMLElement[]): HTMLElement {
  const head = columns.some(Boolean) && h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", {}, name))));
  return h("table", {}, head, h("tbody", {}, ...rows));
}

function panel(title: string, content: Node, words: string): HTMLElement {
  return h("section", { class: "panel" }, h("h3", {}, title), content, words !== "" && h("p", { class: "quiet" }, words));
}
