// Tokens shaded by a latent's activation.

import { shade } from "../colour.ts";
import { h } from "../dom.ts";
import { tokenElement } from "../text.ts";
import type { Colours } from "../types.ts";
import type { Glance } from "./types.ts";

/** Activations of one latent: from nothing to its largest; those below zero, where a basis has them, in the other colour. */
export function colours(low: number, high: number): Colours {
  const size = Math.max(-low, high);
  return low < 0
    ? { scale: "diverging", low: -size, high: size, zero: "", clipped: 0, missing: 0 }
    : { scale: "sequential", low: 0, high: size, zero: "", clipped: 0, missing: 0 };
}

export function shaded(token: string, value: number, legend: Colours): HTMLElement {
  const element = tokenElement(token);
  if (value !== 0) element.style.backgroundColor = shade(value, legend);
  return element;
}

/** One line: what does not fit is cut on the left and on the right of the token in bold. */
export function clip({ tokens, values, at }: Glance): HTMLElement {
  const size = Math.max(...values.map(Math.abs), 1e-30);
  const legend = colours(Math.min(0, ...values), size);
  const elements = tokens.map((token, place) => {
    const element = shaded(token, values[place] ?? 0, legend);
    element.classList.toggle("own", place === at);
    return element;
  });
  return h(
    "span",
    { class: "clip" },
    h("span", { class: "before" }, h("bdi", {}, ...elements.slice(0, at))),
    elements[at] ?? null,
    h("span", { class: "after" }, ...elements.slice(at + 1)),
  );
}

