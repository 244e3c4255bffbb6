// The key to a drawing's colours: limits, unit, what zero means, what is missing and what was clipped.

import { shade } from "./colour.ts";
import { h, svg } from "./dom.ts";
import { readable } from "./numbers.ts";
import { proseText, visible } from "./text.ts";
import type { Colours } from "./types.ts";

const STEPS = 48;
const WIDTH = 144;

export function colourKey(colours: Colours, unit: string): HTMLElement {
  const { low, high, zero, clipped, missing } = colours;
  const signed = low < 0;
  const end = (value: number) => h("span", { class: "figure" }, readable(value, { signed, like: high }));
  const words = [
    zero && `0: ${proseText(zero)}`,
    missing > 0 && `hatched: ${missing} missing`,
    clipped > 0 && `barred: ${clipped} beyond the limits`,
    high === 0 && "no value differs from 0",
  ].filter((word): word is string => word !== false && word !== "");
  const scale = h("span", { class: "item" }, end(low), swatch(colours), end(high), h("span", {}, visible(unit)));
  return h("div", { class: "key" }, scale, ...words.map((word) => h("span", {}, word)));
}

function swatch(colours: Colours): SVGElement {
  const picture = svg("svg", { width: WIDTH, height: 10, class: "swatch", "aria-hidden": "true" });
  for (let step = 0; step < STEPS; step++) {
    const value = colours.low + ((colours.high - colours.low) * step) / (STEPS - 1);
    const part = svg("rect", { x: (step * WIDTH) / STEPS, width: WIDTH / STEPS + 0.5, height: 10 });
    part.style.fill = shade(value, colours);
    picture.append(part);
  }
  return picture;
}
