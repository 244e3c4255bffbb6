// Counts as bars: small, with its limits and its largest count in words.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import type { Histogram } from "./types.ts";

/** Bins below zero are drawn in the other colour. */
export function histogram({ low, high, counts }: Histogram, name: string): HTMLElement {
  const most = Math.max(1, ...counts);
  const width = (high - low) / Math.max(1, counts.length);
  const bars = counts.map((count, bin) => {
    const bar = h("span", { title: `${readable(low + bin * width)} to ${readable(low + (bin + 1) * width)}: ${count.toLocaleString("en")}` });
    // a bin that is not empty is seen
    bar.style.height = count === 0 ? "0" : `max(1px, ${(100 * count) / most}%)`;
    if (low + (bin + 0.5) * width < 0) bar.classList.add("below");
    return bar;
  });
  const total = counts.reduce((sum, count) => sum + count, 0);
  return h(
    "div",
    { class: low < 0 ? "histogram signed" : "histogram", role: "img", "aria-label": `${name}: ${total} values from ${readable(low)} to ${readable(high)}` },
    h("div", { class: "bars" }, ...bars),
    h("div", { class: "ends" }, h("span", {}, readable(low)), h("span", {}, `up to ${most.toLocaleString("en")} in a bar`), h("span", {}, readable(high))),
  );
}

/** Values of bins in order, each with its own name. */
export function profile(names: string[], values: (number | null)[], name: string): HTMLElement {
  const most = Math.max(1e-30, ...values.map((value) => value ?? 0));
  const bars = values.map((value, bin) => {
    const bar = h("span", { title: `${names[bin]}: ${value === null ? "no place" : readable(value)}` });
    bar.style.height = value ? `max(1px, ${(100 * value) / most}%)` : "0";
    return bar;
  });
  return h(
    "div",
    { class: "histogram", role: "img", "aria-label": `${name}, from ${names[0]} to ${names.at(-1)}; at most ${readable(most)}` },
    h("div", { class: "bars" }, ...bars),
    h("div", { class: "ends" }, h("span", {}, names[0] ?? ""), h("span", {}, `up to ${readable(most)}`), h("span", {}, names.at(-1) ?? "")),
  );
}
