// Signed values as bars, ranked by size, with their intervals and their controls on the same axis.

import { scaleLinear } from "d3-scale";
import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { limited } from "../limited.ts";
import { exact, largest, readable, tickLabels } from "../numbers.ts";
import { labelElements, proseText, visible } from "../text.ts";
import type { Bars } from "../types.ts";

const MOST = 24;

export function drawBars(host: HTMLElement, { data, control, legend, unit }: Bars): Stage {
  const ends = [
    ...data.values,
    ...(data.intervals ?? []).flatMap((pair) => pair ?? []),
    ...(data.controls ?? []),
    control.value ?? null,
    ...(control.interval ?? []),
  ];
  const known = ends.filter((end) => end !== null);
  const scale = scaleLinear([Math.min(0, ...known), Math.max(0, ...known)], [0, 100]);
  const like = largest(data.values);
  const span = (element: HTMLElement, from: number, to: number) => {
    element.style.insetInlineStart = `${scale(Math.min(from, to))}%`;
    element.style.width = `${Math.abs(scale(to) - scale(from))}%`;
    return element;
  };

  const labels = labelElements(data.labels);
  const rows = data.values.map((value, place) => {
    const track = h("div", { class: "track" });
    if (control.interval) track.append(span(h("div", { class: "band" }), control.interval[0] ?? 0, control.interval[1] ?? 0));
    else if (control.value !== undefined && control.value !== null)
      track.append(span(h("div", { class: "band thin" }), control.value, control.value));
    track.append(span(h("div", { class: "zero" }), 0, 0));
    if (value !== null) track.append(span(h("div", { class: value < 0 ? "bar negative" : "bar positive" }), 0, value));
    const interval = data.intervals?.[place];
    if (interval) track.append(span(whisker(), interval[0] ?? 0, interval[1] ?? 0));
    const own = data.controls?.[place] ?? null;
    if (own !== null) track.append(span(h("div", { class: "own" }), own, own));
    const figure = h("div", { class: "figure" }, readable(value, { signed: true, like }));
    return h("div", { class: "row", "data-row": place }, h("div", { class: "label" }, labels[place] ?? ""), track, figure);
  });
  const names = tickLabels(scale.ticks(4), true);
  const ticks = scale.ticks(4).map((tick, place) => span(h("span", {}, names[place] ?? ""), tick, tick));
  const foot = h(
    "div",
    { class: "row foot" },
    h("div", { class: "label" }),
    h("div", { class: "track" }, ...ticks),
    h("div", { class: "figure" }),
  );
  const list = h("div", { class: "bars" }, ...rows, foot);
  host.append(list, ...limited(rows, MOST, "bars"), key());
  return {
    element: list,
    get rows() {
      return rows.filter((row) => !row.hidden).length;
    },
    cols: 1,
    at: (event) => {
      const row = (event.target as HTMLElement).closest<HTMLElement>("[data-row]")?.dataset.row;
      return row === undefined ? null : { row: Number(row), col: 0 };
    },
    box: ({ row }) => rows[row]?.getBoundingClientRect() ?? new DOMRect(),
    read: ({ row }) => {
      const interval = data.intervals?.[row];
      const own = data.controls?.[row];
      return {
        head: [labels[row]?.cloneNode(true) ?? ""],
        value: `${exact(data.values[row] ?? null, true)} ${visible(unit)}`,
        lines: [
          ...(interval ? [`interval ${exact(interval[0], true)} to ${exact(interval[1], true)}`] : []),
          ...(own !== undefined ? [`${proseText(control.each ?? "control")} ${exact(own, true)}`] : []),
        ],
      };
    },
  };

  function key(): HTMLElement {
    const parts: [string, string][] = [];
    if (data.intervals) parts.push(["whisker", "interval"]);
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
    return h("p", { class: "key" }, h("span", {}, visible(unit)), h("span", {}, `0: ${proseText(legend.zero)}`), ...items);
  }
}

function whisker(): HTMLElement {
  return h("div", { class: "whisker" }, h("div"));
}
