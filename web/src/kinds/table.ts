// A plain table: numbers to the right with shared decimals, text as tokens.

import { h } from "../dom.ts";
import { limited } from "../limited.ts";
import { readable, sharedSize } from "../numbers.ts";
import { labelElements, proseText } from "../text.ts";
import type { Entry, Table } from "../types.ts";

const MOST = 40;

export function drawTable(host: HTMLElement, { data }: Table): void {
  const columns = data.columns.map((_, col) => data.rows.map((row) => row[col] ?? null));
  const numeric = columns.map((column) => column.every((entry) => entry === null || typeof entry === "number"));
  const like = columns.map((column) => sharedSize(column.map((entry) => (typeof entry === "number" ? entry : null))));
  const whole = columns.map((column) => column.every((entry) => typeof entry !== "number" || Number.isInteger(entry)));
  const side = (col: number) => ({ class: numeric[col] ? "figure" : "" });
  const head = data.columns.map((name, col) => h("th", { scope: "col", ...side(col) }, proseText(name)));
  const cells = columns.map((column, col) => {
    const labels = labelElements(column.map((entry) => (typeof entry === "string" ? entry : "")));
    return column.map((entry, row) =>
      h("td", side(col), typeof entry === "string" ? (labels[row] ?? "") : written(entry, whole[col] ?? false, like[col])),
    );
  });
  const rows = data.rows.map((_, row) => h("tr", {}, ...cells.map((column) => column[row] ?? "")));
  host.append(
    h("div", { class: "table" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows))),
    ...limited(rows, MOST, "rows"),
  );
}

function written(entry: Exclude<Entry, string>, whole: boolean, like?: number): string {
  if (typeof entry === "boolean") return entry ? "yes" : "no";
  if (entry !== null && whole && Math.abs(entry) < 1e15) return String(entry).replace("-", "−");
  return readable(entry, { like });
}
