// What grids of small pictures have in common: which cell is meant, where it lies, and what it is called.

import type { Cell, Stage } from "../explore.ts";
import { tokenText, visible } from "../text.ts";

type Axis = { name: string; labels: string[] };

/** The part of a stage that a table of cells tells of itself; each cell's box says its row and column. */
export function cellStage(element: HTMLElement, row: Axis, col: Axis, cells: { box: HTMLElement }[][]): Pick<Stage, "element" | "rows" | "cols" | "at" | "box"> {
  return {
    element,
    rows: row.labels.length,
    cols: col.labels.length,
    at: (event) => {
      const place = (event.target as HTMLElement).closest<HTMLElement>("td")?.dataset ?? {};
      return place["row"] === undefined ? null : { row: Number(place["row"]), col: Number(place["col"]) };
    },
    box: (cell) => cells[cell.row]?.[cell.col]?.box.getBoundingClientRect() ?? new DOMRect(),
  };
}

/** The line that names a cell. */
export function cellName(row: Axis, col: Axis, cell: Cell): string {
  return `${visible(row.name)} ${tokenText(row.labels[cell.row] ?? "")}, ${visible(col.name)} ${tokenText(col.labels[cell.col] ?? "")}`;
}
