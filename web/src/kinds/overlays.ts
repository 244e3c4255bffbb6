// Many heat maps, small, in a grid; the one that was opened stands beside it, large.

import { drawToWidth, h } from "../dom.ts";
import { paintOver } from "../easel.ts";
import { explore, type Cell, type Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact } from "../numbers.ts";
import { ValueMap } from "../pixels.ts";
import { labelElements, prose, visible } from "../text.ts";
import type { Colours, Overlays, PackedPicture } from "../types.ts";
import { cellName, cellStage } from "./cells.ts";
import { drawEasel, pictureKey } from "./overlay.ts";

const SMALL = { least: 44, most: 104 };

export function drawOverlays(host: HTMLElement, { data, axes, legend, unit }: Overlays): Stage {
  const { row: rowAxis, col: colAxis } = axes;
  const maps = data.maps.map((line) => line.map((packed) => packed && new ValueMap(packed)));
  const pictureOf = (row: number) => data.pictures[data.pictures.length > 1 ? row : 0] as PackedPicture;
  const coloursOf = (map: ValueMap): Colours =>
    data.own ? { ...legend, low: legend.low < 0 ? -map.largest : 0, high: map.largest, clipped: 0 } : legend;
  const cells = maps.map((line, row) =>
    line.map((map, col) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      const detail = data.details?.[row]?.[col];
      return {
        canvas,
        box: h("td", { "data-row": row, "data-col": col, class: map ? "small" : "small none" }, canvas, detail ? h("div", { class: "name" }, ...prose(detail)) : null),
      };
    }),
  );
  const [rowNames, colNames] = [labelElements(rowAxis.labels), labelElements(colAxis.labels)];
  const head = h("tr", {}, h("th", { scope: "col", class: "corner" }, visible(rowAxis.name)), ...colNames.map((name) => h("th", { scope: "col" }, name)));
  const body = cells.map((line, row) => h("tr", {}, h("th", { scope: "row" }, rowNames[row] ?? ""), ...line.map(({ box }) => box)));
  const grid = h("div", { class: "gallery" }, h("p", { class: "axis-name" }, visible(colAxis.name)), h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)));
  const seat = h("div", { class: "seat" });
  const caption = h("p", { class: "part-label" });
  host.append(h("div", { class: "gallery-parts" }, grid, seat));

  let open: (cell: Cell) => void = () => {};
  const all = maps.flatMap((line, row) => line.map((_, col) => ({ row, col })));
  const start = all.find(({ row, col }) => maps[row]?.[col]);
  const first = start && maps[start.row]?.[start.col];
  if (start && first) {
    seat.append(caption);
    const easel = h("div");
    seat.append(easel);
    const stage = drawEasel(easel, { picture: pictureOf(start.row), map: first, legend: coloursOf(first), smooth: data.smooth }, unit);
    explore(seat, stage, "The open map");
    open = ({ row, col }) => {
      const map = maps[row]?.[col];
      if (!map) return;
      cells.forEach((line, r) => line.forEach(({ box }, c) => box.classList.toggle("chosen", r === row && c === col)));
      caption.replaceChildren(h("b", {}, ...(rowNames[row]?.cloneNode(true).childNodes ?? [])), " · ", ...(colNames[col]?.cloneNode(true).childNodes ?? []));
      stage.show(pictureOf(row), map, coloursOf(map));
    };
    open(start);
    host.append(
      colourKey(data.own ? { ...legend, low: legend.low < 0 ? -1 : 0, high: 1 } : legend, data.own ? "of each map's own largest size" : unit),
      pictureKey(pictureOf(start.row), first),
    );
  }

  const paintAll = (width: number) => {
    const labels = Math.max(...body.map((line) => line.firstElementChild?.getBoundingClientRect().width ?? 0), 0);
    const room = (Math.min(width, 900) - labels) / Math.max(1, colAxis.labels.length) - 8;
    const side = Math.floor(Math.max(SMALL.least, Math.min(SMALL.most, room)));
    maps.forEach((line, row) =>
      line.forEach((map, col) => {
        const canvas = cells[row]?.[col]?.canvas;
        if (!canvas || !map) return;
        const { rows, cols } = pictureOf(row);
        const scale = side / Math.max(rows, cols);
        const painting = { picture: pictureOf(row), map, legend: coloursOf(map), smooth: data.smooth, view: "both" as const, strength: 0.95 };
        paintOver(canvas, Math.max(1, cols * scale), Math.max(1, rows * scale), painting);
      }),
    );
  };
  drawToWidth(host, paintAll);
  for (const query of ["(prefers-color-scheme: dark)", "print"])
    matchMedia(query).addEventListener("change", () => paintAll(host.clientWidth));

  return {
    ...cellStage(grid, rowAxis, colAxis, cells),
    read: ({ row, col }) => {
      const map = maps[row]?.[col];
      const detail = data.details?.[row]?.[col];
      return {
        head: [cellName(rowAxis, colAxis, { row, col })],
        value: map ? `largest size ${exact(map.largest)} ${visible(unit)}` : "no map",
        lines: detail ? [visible(detail)] : [],
      };
    },
    open: (cell) => open(cell),
  };
}
