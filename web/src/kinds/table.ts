// A plain table: numbers to the right with shared decimals, text as tokens.

import { h } from "../dom.ts";
import { limited } from "../limited.ts";
import { largest, readable } from "../numbers.ts";
import { tokenElement, visible } from "../text.ts";
import type { Entry, Table } from "../types.ts";

const MOST = 40;

export function drawTable(host: HTMLElement, { data }: Table): void {
  const columns = data.columns.map((_, col) => data.rows.map((row) => row[col] ?? null));
  const numeric = columns.map((column) => column.every((entry) => entry === null || typeof entry === "number"));
  const like = columns.map((column) => largest(column.map((entry) => (typeof entry === "number" && !Number.isInteger(entry) ? entry : null))));
  const side = (col: number) => ({ class: numeric[col] ? "figure" : "" });
  const head = data.columns.map((name, col) => h("th", { scope: "col", ...side(col) }, visible(name)));
  const rows = data.rows.map((row) => h("tr", {}, ...data.columns.map((_, col) => h("td", side(col), written(row[col] ?? null, like[col] ?? 0)))));
  host.append(h("div", { class: "table" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows))), ...limited(rows, MOST, "rows"));
}

function written(entry: Entry, like: number): Node | string {
  if (typeof entry === "string") return tokenElement(entry);
  if (typeof entry === "boolean") return entry ? "yes" : "no";
  if (entry !== null && Number.isInteger(entry) && like === 0) return String(entry).replace("-", "−");
  return readable(entry, { like });
}
