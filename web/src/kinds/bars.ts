// Signed values as bars, ranked by size, with their intervals and their controls on the same axis.

import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { limited } from "../limited.ts";
import { exact, largest, readable } from "../numbers.ts";
import { labelElements, proseText, visible } from "../text.ts";
import type { Bars } from "../types.ts";
import { band, marks, row, track, trackKey } from "./track.ts";

const MOST = 24;

export function drawBars(host: HTMLElement, { data, control, legend, unit }: Bars): Stage {
  const scale = track([
    ...data.values,
    ...(data.intervals ?? []).flatMap((pair) => pair ?? []),
    ...(data.controls ?? []),
    control.value ?? null,
    ...(control.interval ?? []),
  ]);
  const like = largest(data.values);
  const labels = labelElements(data.labels);
  const rows = data.values.map((value, place) => {
    const line = h("div", { class: "track" }, ...band(control, scale), scale.span(h("div", { class: "zero" }), 0, 0));
    if (value !== null) line.append(scale.span(h("div", { class: value < 0 ? "bar negative" : "bar positive" }), 0, value));
    line.append(...marks(data.intervals?.[place], data.controls?.[place], scale));
    const drawn = row("row", labels[place] ?? "", line, readable(value, { signed: true, like }));
    drawn.dataset.row = String(place);
    return drawn;
  });
  const list = h("div", { class: "bars" }, ...rows, scale.foot());
  host.append(list, limited(rows, MOST, "bars").button, trackKey(unit, legend.zero, control, data.intervals !== undefined, like));
  return {
    element: list,
    get rows() {
      return rows.filter((one) => !one.hidden).length;
    },
    cols: 1,
    at: (event) => {
      const place = (event.target as HTMLElement).closest<HTMLElement>("[data-row]")?.dataset.row;
      return place === undefined ? null : { row: Number(place), col: 0 };
    },
    box: ({ row: place }) => rows[place]?.getBoundingClientRect() ?? new DOMRect(),
    read: ({ row: place }) => {
      const interval = data.intervals?.[place];
      const own = data.controls?.[place];
      return {
        head: [labels[place]?.cloneNode(true) ?? ""],
        value: `${exact(data.values[place] ?? null, true)} ${visible(unit)}`,
        lines: [
          ...(interval ? [`interval ${exact(interval[0], true)} to ${exact(interval[1], true)}`] : []),
          ...(own !== undefined ? [`${proseText(control.each ?? "control")} ${exact(own, true)}`] : []),
        ],
      };
    },
  };
}
