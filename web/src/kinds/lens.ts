// What each layer would say next at each position: a table of tokens, coloured by a value.

import { isClipped, shade } from "../colour.ts";
import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact, readable } from "../numbers.ts";
import { placeElements, tokenElement, visible } from "../text.ts";
import type { Lens } from "../types.ts";

export function drawLens(host: HTMLElement, { data, axes, legend, unit }: Lens): Stage {
  const cells = data.top.map((line, row) =>
    line.map((token, col) => {
      const value = data.values[row]?.[col] ?? null;
      const cell = h("td", { "data-row": row, "data-col": col }, tokenElement(token));
      cell.classList.toggle("missing", value === null);
      cell.classList.toggle("clipped", isClipped(value, legend));
      cell.classList.toggle("final", data.marks?.[row]?.[col] ?? false);
      cell.classList.toggle("true", data.true?.[row]?.[col] ?? false);
      if (value !== null) cell.style.backgroundColor = shade(value, legend);
      return cell;
    }),
  );
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, visible(axes.row.name)),
    ...axes.col.labels.map((token) => h("th", { scope: "col" }, tokenElement(token))),
  );
  const body = cells.map((line, row) => h("tr", {}, h("th", { scope: "row" }, visible(axes.row.labels[row] ?? "")), ...line));
  const scroller = h("div", { class: "lens" }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)));
  host.append(scroller);
  const item = (kind: string, looks: string, meaning: string) =>
    h("span", { class: "item" }, h("span", { class: kind }, looks), meaning);
  const items = [
    ...(data.marks ? [item("final", "bold", "the model's final guess at that position")] : []),
    ...(data.true?.flat().includes(true) ? [item("true", "underlined", "what comes next in the text")] : []),
  ];
  if (items.length) host.append(h("p", { class: "key" }, ...items));
  host.append(colourKey(legend, unit));
  return {
    element: scroller,
    rows: cells.length,
    cols: axes.col.labels.length,
    columns: axes.col.labels,
    at: (event) => {
      const { row, col } = (event.target as HTMLElement).closest("td")?.dataset ?? {};
      return row === undefined ? null : { row: Number(row), col: Number(col) };
    },
    box: ({ row, col }) => cells[row]?.[col]?.getBoundingClientRect() ?? new DOMRect(),
    read: ({ row, col }) => ({
      head: [
        tokenElement(data.top[row]?.[col] ?? ""),
        " after ",
        ...placeElements(axes.col.labels[col] ?? "", col),
        `, ${visible(axes.row.name)} ${visible(axes.row.labels[row] ?? "")}`,
      ],
      value: `${exact(data.values[row]?.[col] ?? null, legend.low < 0)} ${visible(unit)}`,
      lines: (data.details?.[row]?.[col] ?? []).map(([token, probability]) => [
        tokenElement(token),
        readable(probability, { like: 1 }),
      ]),
    }),
  };
}
