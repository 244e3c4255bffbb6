// What bars of every kind are drawn on: one horizontal scale, marks along it, and the key to them.

import { scaleLinear } from "d3-scale";
import { h } from "../dom.ts";
import { readable, tickLabels } from "../numbers.ts";
import { proseText, visible } from "../text.ts";
import type { Control, Interval, Value } from "../types.ts";

export interface Track {
  /** lay an element over a stretch of the scale */
  span(element: HTMLElement, from: number, to: number): HTMLElement;
  /** the row of tick labels under the bars */
  foot(): HTMLElement;
}

/** A scale that holds zero and all of these values. */
export function track(ends: Value[]): Track {
  const known = ends.filter((end) => end !== null);
  const scale = scaleLinear([Math.min(0, ...known), Math.max(0, ...known)], [0, 100]);
  const span = (element: HTMLElement, from: number, to: number) => {
    element.style.insetInlineStart = `${scale(Math.min(from, to))}%`;
    element.style.width = `${Math.abs(scale(to) - scale(from))}%`;
    return element;
  };
  const foot = () => {
    const ticks = scale.ticks(4);
    const names = tickLabels(ticks, true);
    const marks = ticks.map((tick, place) => span(h("span", {}, names[place] ?? ""), tick, tick));
    return row("row foot", "", h("div", { class: "track" }, ...marks), "");
  };
  return { span, foot };
}

/** A label, its track and its figure. */
export function row(names: string, label: Node | string, line: HTMLElement, figure: string): HTMLElement {
  return h("div", { class: names }, h("div", { class: "label" }, label), line, h("div", { class: "figure" }, figure));
}

/** The control for all bars as a band, or as a line where it has no interval; `from` is where the bar begins. */
export function band({ value, interval }: Control, { span }: Track, from = 0): HTMLElement[] {
  if (interval) return [span(h("div", { class: "band" }), from + (interval[0] ?? 0), from + (interval[1] ?? 0))];
  return value === undefined || value === null ? [] : [span(h("div", { class: "band thin" }), from + value, from + value)];
}

/** A bar's own interval and its own control, from where the bar begins. */
export function marks(interval: Interval | undefined, own: Value | undefined, { span }: Track, from = 0): HTMLElement[] {
  return [
    ...(interval ? [span(whisker(), from + (interval[0] ?? 0), from + (interval[1] ?? 0))] : []),
    ...(own !== undefined && own !== null ? [span(h("div", { class: "own" }), from + own, from + own)] : []),
  ];
}

/** What the marks mean: unit, zero, intervals and controls. */
export function trackKey(unit: string, zero: string, control: Control, hasIntervals: boolean, like: number): HTMLElement {
  const parts: [string, string][] = [];
  if (hasIntervals) parts.push(["whisker", "interval"]);
  if (control.label) {
    const ends = control.interval
      ? ` (${readable(control.interval[0], { signed: true, like })} to ${readable(control.interval[1], { signed: true, like })})`
      : "";
    parts.push([
      "band",
      `control, ${proseText(control.label)}: ${readable(control.value ?? null, { signed: true, like })}${ends}`,
    ]);
  }
  if (control.each) parts.push(["own", `control of each bar: ${proseText(control.each)}`]);
  const items = parts.map(([mark, words]) =>
    h("span", { class: "item" }, mark === "whisker" ? whisker() : h("div", { class: mark }), words),
  );
  return h("p", { class: "key" }, h("span", {}, visible(unit)), zero && h("span", {}, `0: ${proseText(zero)}`), ...items);
}

function whisker(): HTMLElement {
  return h("div", { class: "whisker" }, h("div"));
}
