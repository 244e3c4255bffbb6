// How many edges are seen: a log slider under the curve of the measure at each size, the score at which the edges end, and the measure there.
// Between two measured sizes the measure is interpolated, and said to be; beyond them it is not known.

import { scaleLog } from "d3-scale";
import { area, line } from "d3-shape";
import { drawToWidth, h, svg } from "../dom.ts";
import { largest, readable } from "../numbers.ts";
import { prose, visible } from "../text.ts";
import type { Curve, Series, Value } from "../types.ts";

const HEIGHT = 92;
const FOOT = 18;
const THUMB = 14; // pixels; the middle of the slider's handle moves between half of this and the width less half of it
const STEPS = 400;

export interface Dial {
  total: number;
  stored: number;
  /** the size at first */
  start: number;
  /** the size of the last edge among so many, where edges come by size */
  least?(count: number): Value;
  /** how many edges are at least of this size */
  atLeast?(size: number): number;
  unit: string;
  curve?: Curve;
}

/** Draw the dial; `changed` is told how many edges are chosen, now and whenever the reader moves it. */
export function drawDial(host: HTMLElement, dial: Dial, changed: (count: number) => void): void {
  const { total, stored, curve, unit } = dial;
  const most = Math.max(total, curve?.sizes.at(-1) ?? 1, 2);
  const x = scaleLog([1, most], [0, 1]);
  const slider = h("input", { type: "range", min: 0, max: STEPS, "aria-label": "Number of edges", class: "dial-slider unseen" });
  const count = h("input", { type: "number", min: 1, max: total, "aria-label": "Number of edges", class: "figure" });
  const least = h("input", {
    type: "number",
    min: 0,
    step: "any",
    "aria-label": `Smallest size of a score, ${visible(unit)}`,
    class: "figure",
  });
  const reading = h("output", { class: "dial-reading" });
  const plot = h("div", { class: "dial-curve" });
  const hand = svg("line", { class: "hand", y1: 0, y2: HEIGHT - FOOT });
  let chosen = dial.start;
  let width = 0;

  const fields = h(
    "div",
    { class: "dial-fields" },
    h("label", {}, count, ` of ${total.toLocaleString("en")} edges`),
    dial.least ? h("label", {}, "|score| ≥ ", least, ` ${visible(unit)}`) : null,
  );
  const words = h("p", { class: "key" });
  host.append(h("div", { class: "dial" }, fields, curve ? reading : null, plot, slider, words));

  const place = (size: number) => THUMB / 2 + x(size) * (width - THUMB);
  drawToWidth(plot, (next) => {
    width = next;
    if (curve) plot.replaceChildren(picture(curve));
    follow();
  });

  function choose(size: number, from?: HTMLInputElement): void {
    const next = Math.min(total, Math.max(1, Math.round(size)));
    if (!Number.isFinite(next)) return;
    chosen = next;
    if (from !== count) count.value = String(chosen);
    if (from !== slider) slider.value = String(x(chosen) * STEPS);
    if (from !== least && dial.least) least.value = dial.least(chosen) === null ? "" : String(Math.abs(dial.least(chosen) ?? 0));
    slider.setAttribute("aria-valuetext", `${chosen} edges`);
    words.replaceChildren(
      ...(chosen > stored
        ? [h("span", {}, `The ${stored.toLocaleString("en")} first edges are drawn; the drawing leaves out the others.`)]
        : []),
    );
    reading.replaceChildren(...(curve ? said(curve) : []));
    follow();
    changed(Math.min(chosen, stored));
  }

  function follow(): void {
    hand.setAttribute("x1", String(place(chosen)));
    hand.setAttribute("x2", String(place(chosen)));
  }

  function said(curve: Curve): (Node | string)[] {
    const now = measured(curve.sizes, curve, chosen);
    const control = curve.control && measured(curve.sizes, curve.control, chosen);
    const name = h("span", {}, ...prose(curve.name));
    const like = 0.999 * largest(curve.values); // three decimals for a measure that ends at 1
    if (now.kind === "beyond") return [name, ` was not measured at ${chosen.toLocaleString("en")} edges, only at ${now.words}`];
    return [
      name,
      h("b", { class: "figure" }, ` ${now.kind === "between" ? "≈ " : ""}${written(now.value, like)}`),
      ends(now, like),
      now.kind === "between" ? `, interpolated between ${now.words}` : "",
      ...(control && control.kind !== "beyond"
        ? [
            h(
              "div",
              { class: "aside" },
              ...prose(curve.control?.name ?? ""),
              ` ${written(control.value, like)}`,
              ends(control, like),
            ),
          ]
        : []),
    ];
  }

  function picture(curve: Curve): SVGElement {
    const all = [curve, ...(curve.control ? [curve.control] : [])].flatMap(({ values, low, high }) => [
      ...values,
      ...(low ?? []),
      ...(high ?? []),
    ]);
    const known = all.filter((value) => value !== null);
    const [bottom, top] = [Math.min(0, ...known), Math.max(...known, 0)];
    const y = (value: number) => HEIGHT - FOOT - 4 - ((value - bottom) / (top - bottom || 1)) * (HEIGHT - FOOT - 12);
    const band = ({ low, high }: Series) =>
      area<Value>()
        .defined((value, i) => value !== null && (high?.[i] ?? null) !== null)
        .x((_, i) => place(curve.sizes[i] ?? 1))
        .y0((value) => y(value ?? 0))
        .y1((_, i) => y(high?.[i] ?? 0))(low ?? []) ?? "";
    const path = ({ values }: Series) =>
      line<Value>()
        .defined((value) => value !== null)
        .x((_, i) => place(curve.sizes[i] ?? 1))
        .y((value) => y(value ?? 0))(values) ?? "";
    const drawing = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    const level = (value: number) => [
      svg("line", { class: value ? "grid" : "zero", x1: THUMB / 2, x2: width - THUMB / 2, y1: y(value), y2: y(value) }),
      svg("text", { class: "level", x: width - THUMB / 2, y: y(value) - 5, "text-anchor": "end" }, String(value)),
    ];
    drawing.append(...[0, 1].filter((value) => value >= bottom && value <= top).flatMap(level));
    if (curve.control?.low) drawing.append(svg("path", { class: "band", d: band(curve.control) }));
    if (curve.control) drawing.append(svg("path", { class: "centre", d: path(curve.control) }));
    const group = svg("g", { class: "series-0" });
    if (curve.low) group.append(svg("path", { class: "interval", d: band(curve) }));
    group.append(svg("path", { class: "curve", d: path(curve) }));
    curve.values.forEach(
      (value, i) => value !== null && group.append(svg("circle", { cx: place(curve.sizes[i] ?? 1), cy: y(value), r: 2.5 })),
    );
    drawing.append(group, hand);
    let free = -Infinity;
    for (let ten = 1; ten <= most; ten *= 10) {
      if (place(ten) < free) continue;
      const label = ten.toLocaleString("en");
      drawing.append(svg("text", { x: place(ten), y: HEIGHT - 4, "text-anchor": ten === 1 ? "start" : "middle" }, label));
      free = place(ten) + 60;
    }
    return drawing;
  }

  slider.addEventListener("input", () => choose(x.invert(Number(slider.value) / STEPS), slider));
  slider.addEventListener("keydown", (event) => {
    // on a log scale a step of the slider is no edge or many: keys go by edges
    const moves: Record<string, number> = {
      ArrowRight: chosen + 1,
      ArrowUp: chosen + 1,
      ArrowLeft: chosen - 1,
      ArrowDown: chosen - 1,
      PageUp: 2 * chosen,
      PageDown: chosen / 2,
    };
    const to = moves[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    choose(to);
    event.preventDefault();
  });
  count.addEventListener("input", () => count.value && choose(Number(count.value), count));
  least.addEventListener("input", () => least.value && dial.atLeast && choose(dial.atLeast(Number(least.value)), least));
  for (const field of [count, least]) field.addEventListener("change", () => choose(chosen));
  choose(chosen);
}

type Measured = { kind: "at" | "between" | "beyond"; value: Value; low: Value; high: Value; words: string };

/** A series at a size: as measured there, or in proportion on the log axis between the measured sizes around it. */
export function measured(sizes: number[], { values, low, high }: Series, size: number): Measured {
  const none = { value: null, low: null, high: null };
  const first = sizes[0] ?? 1;
  const last = sizes.at(-1) ?? 1;
  const words = first === last ? `${first}` : `${first.toLocaleString("en")} to ${last.toLocaleString("en")}`;
  if (size < first || size > last) return { kind: "beyond", ...none, words };
  const above = sizes.findIndex((one) => one >= size);
  const upper = sizes[above] ?? last;
  if (upper === size)
    return { kind: "at", value: values[above] ?? null, low: low?.[above] ?? null, high: high?.[above] ?? null, words: "" };
  const lower = sizes[above - 1] ?? first;
  const share = Math.log(size / lower) / Math.log(upper / lower);
  const mix = (row?: Value[]): Value => {
    const [from, to] = [row?.[above - 1] ?? null, row?.[above] ?? null];
    return from === null || to === null ? null : from + share * (to - from);
  };
  const known = (i: number, at: number) => `${at.toLocaleString("en")} (${readable(values[i] ?? null)})`;
  return {
    kind: "between",
    value: mix(values),
    low: mix(low),
    high: mix(high),
    words: `${known(above - 1, lower)} and ${known(above, upper)} edges`,
  };
}

function ends({ low, high }: Measured, like: number): string {
  return low === null || high === null ? "" : ` (${written(low, like)} to ${written(high, like)})`;
}

/** With as many decimals as the largest; what they don't show has no sign. */
function written(value: Value, like: number): string {
  return readable(value, { like }).replace(/^−(?=[0.]+$)/u, "");
}
