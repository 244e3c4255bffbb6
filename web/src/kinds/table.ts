// A table: numbers to the right with shared decimals, text as tokens; its rows are sorted by a click on the head of a column.

import { h } from "../dom.ts";
import { limited } from "../limited.ts";
import { readable, sharedSize } from "../numbers.ts";
import { labelElements, proseText } from "../text.ts";
import type { Entry, Table } from "../types.ts";

const MOST = 40;

export interface Rows {
  /** the rows as elements, in the order of the data */
  all: HTMLTableRowElement[];
  /** show only these */
  keep(row: (row: number) => boolean): void;
}

export function drawTable(host: HTMLElement, { data }: Pick<Table, "data">, most = MOST): Rows {
  const columns = data.columns.map((_, col) => data.rows.map((row) => row[col] ?? null));
  const numeric = columns.map((column) => column.every((entry) => entry === null || typeof entry === "number"));
  const like = columns.map((column) => sharedSize(column.map((entry) => (typeof entry === "number" ? entry : null))));
  const whole = columns.map((column) => column.every((entry) => typeof entry !== "number" || Number.isInteger(entry)));
  const side = (row: number, col: number) => ({
    class: [numeric[col] ? "figure" : "", data.best?.[row]?.[col] ? "best" : ""].filter(Boolean).join(" "),
  });
  const cells = columns.map((column, col) => {
    const labels = labelElements(column.map((entry) => (typeof entry === "string" ? entry : "")));
    return column.map((entry, row) => {
      const ends = data.intervals?.[row]?.[col];
      const between = ends && h("div", { class: "between" }, ends.map((end) => readable(end, { like: like[col] })).join("…"));
      const value = typeof entry === "string" ? (labels[row] ?? "") : written(entry, whole[col] ?? false, like[col]);
      return h("td", side(row, col), value, between ?? null);
    });
  });
  const all = data.rows.map((_, row) => h("tr", {}, ...cells.map((column) => column[row] ?? "")));
  const rows = [...all];
  const body = h("tbody", {}, ...rows);
  const more = limited(rows, most, "rows");
  const order = rows.map((_, row) => row);
  let kept: (row: number) => boolean = () => true;
  const arrange = () => {
    rows.splice(0, rows.length, ...order.flatMap((row) => (kept(row) && all[row]) || []));
    body.replaceChildren(...rows);
    more.again();
  };
  const heads = data.columns.map((name, col) => {
    const words = proseText(name);
    const head = h(
      "th",
      { scope: "col", class: numeric[col] ? "figure" : "" },
      rows.length > 1 ? h("button", { type: "button" }, words) : words,
    );
    head.firstElementChild?.addEventListener("click", () => sortBy(col));
    return head;
  });
  const sortBy = (col: number) => {
    // numbers begin with the highest, words with the first; a second click turns the order, a third gives back the given one
    const [start, turned] = numeric[col] ? ["descending", "ascending"] : ["ascending", "descending"];
    const now = heads[col]?.getAttribute("aria-sort");
    const next = now === start ? turned : now === turned ? null : start;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    if (next) heads[col]?.setAttribute("aria-sort", next as string);
    const sign = next === "descending" ? -1 : 1;
    order.sort((a, b) => (next ? compared(columns[col]?.[a] ?? null, columns[col]?.[b] ?? null, sign) || a - b : a - b));
    arrange();
  };
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...heads)), body);
  const words = [data.best && "bold with a line below: the best of its column", data.intervals && "small: interval"].filter(
    (word): word is string => typeof word === "string",
  );
  host.append(h("div", { class: data.columns.length > 4 ? "table wide" : "table" }, table), more.button);
  if (words.length) host.append(h("p", { class: "key" }, ...words.map((word) => h("span", {}, word))));
  return {
    all,
    keep: (row) => {
      kept = row;
      arrange();
    },
  };
}

/** What is missing comes last in either order. */
function compared(one: Entry, other: Entry, sign: number): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return sign * (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
}

function written(entry: Exclude<Entry, string>, whole: boolean, like?: number): string {
  if (typeof entry === "boolean") return entry ? "yes" : "no";
  if (entry !== null && whole && Math.abs(entry) < 1e15) return String(entry).replace("-", "−");
  return readable(entry, { like });
}
