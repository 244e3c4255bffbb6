// One value per attention head; the pattern of the head that was opened stands beside it.

import { h } from "../dom.ts";
import type { Cell, Stage } from "../explore.ts";
import { readable } from "../numbers.ts";
import { Patterns } from "../patterns.ts";
import { visible } from "../text.ts";
import type { Colours, HeadGrid } from "../types.ts";
import { drawHead } from "./head.ts";
import { drawMatrix } from "./matrix.ts";

const WEIGHTS: Colours = { scale: "sequential", low: 0, high: 1, zero: "not looked at", clipped: 0, missing: 0 };

export function drawHeadGrid(host: HTMLElement, drawing: HeadGrid): Stage {
  const packed = drawing.data.attention;
  if (!packed?.heads.length || !packed.tokens.length) return drawMatrix(host, drawing);
  const overview = h("div");
  const stage = drawMatrix(overview, drawing);
  const show = drawHead(host, overview, packed, new Patterns(packed), WEIGHTS);
  const valueAt = ({ row, col }: Cell) => drawing.data.values[row]?.[col] ?? null;
  const headAt = ({ row, col }: Cell) => packed.heads.indexOf(`${drawing.axes.row.labels[row]}.${drawing.axes.col.labels[col]}`);
  const open = (cell: Cell) => {
    const head = headAt(cell);
    if (head < 0) return;
    const detail = drawing.data.details?.[cell.row]?.[cell.col];
    stage.redraw(cell);
    show(
      head,
      [`${readable(valueAt(cell), { signed: true })} ${visible(drawing.unit)}`, ...(detail ? [detail] : [])].join(" · "),
    );
  };
  const all = drawing.data.values
    .flatMap((line, row) => line.map((_, col) => ({ row, col })))
    .filter((cell) => headAt(cell) >= 0);
  const size = (cell: Cell) => Math.abs(valueAt(cell) ?? 0);
  open(all.reduce((most, cell) => (size(cell) > size(most) ? cell : most)));
  stage.open = (cell) => open(stage.found(cell));
  const read = stage.read;
  stage.read = (cell) => {
    const reading = read(cell);
    if (reading && headAt(stage.found(cell)) < 0) reading.lines = [...(reading.lines ?? []), "its pattern is not stored"];
    return reading;
  };
  overview.append(
    h(
      "p",
      { class: "key" },
      h("span", {}, "framed: the head whose pattern is shown; a click or Enter opens another"),
      packed.left_out > 0 &&
        h("span", {}, `patterns of ${packed.left_out} heads are left out: all of them would be too many weights`),
    ),
  );
  return stage;
}
