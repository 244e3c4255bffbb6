// Values as colours. A colour is a mix with the page's own background, so that zero is the page, in light and in dark.

import type { Colours, Value } from "./types.ts";

type Paint = (name: string) => string;

const variable: Paint = (name) => `var(--${name})`;

/** The colour of a value, as CSS. `paint` says how a named colour is written; by default it is a custom property of the page. */
export function shade(value: Value, legend: Colours, paint: Paint = variable): string {
  const share = value === null || legend.high === 0 ? 0 : Math.min(1, Math.abs(value) / legend.high);
  const end = legend.scale === "sequential" ? "sequential" : (value ?? 0) < 0 ? "negative" : "positive";
  // below the start of a sequential scale there is no colour
  const percent = legend.scale === "sequential" && (value ?? 0) < 0 ? 0 : Math.round(share * 1000) / 10;
  if (percent === 0) return paint("page");
  return `color-mix(in oklab, ${paint(end)} ${percent}%, ${paint("page")})`;
}

export function isClipped(value: Value, legend: Colours): boolean {
  const slack = 1e-5 * legend.high;
  return value !== null && (value < legend.low - slack || value > legend.high + slack);
}

/** For a canvas, which knows no custom properties: named colours as they are now. */
export function paintOf(element: Element): Paint {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  return (name) => {
    const colour = known.get(name) ?? style.getPropertyValue(`--${name}`).trim();
    known.set(name, colour);
    return colour;
  };
}
