// One attention head, token by token: where the token that is pointed at looks, who looks at it, and the whole pattern as a matrix.

import { shade } from "../colour.ts";
import { h } from "../dom.ts";
import { explore } from "../explore.ts";
import { readable } from "../numbers.ts";
import type { Patterns } from "../patterns.ts";
import { placeElements, prose, tokenElement, visible } from "../text.ts";
import type { Colours, Packed } from "../types.ts";
import { drawMatrix } from "./matrix.ts";
import { tokenStrip } from "./tokens.ts";

const FEW = 3;
const FAINT = 0.02; // weights that are not worth a word

/** Draw a head into `host`, below the overview that it is chosen from; the answer shows another one. */
export function drawHead(
  host: HTMLElement,
  overview: HTMLElement,
  packed: Packed,
  patterns: Patterns,
  legend: Colours,
): (head: number, words: string) => void {
  const { tokens, heads } = packed;
  const last = tokens.length - 1;
  let head = 0;
  let kept = last;

  const caption = h("p", { class: "part-label" });
  const cells = tokens.map((token, col) => {
    const [drawn, received] = [tokenElement(token), h("span", { class: "received" })];
    const gauge = h("span", { class: "gauge" }, received);
    return { token: drawn, received, gauge, box: h("span", { class: "look", "data-col": col }, drawn, gauge) };
  });
  const strip = tokenStrip(
    tokens,
    cells.map(({ box }) => box),
  );
  const words = h("div", { class: "looks", role: "status" });
  const text = h("div", { class: "seat" }, strip);
  const grid = h("div", { class: "seat" });
  const matrix = {
    unit: "attention weight",
    legend,
    axes: { row: { name: "from", labels: tokens }, col: { name: "to", labels: tokens } },
    data: { values: [] as number[][], row_means: [], col_means: [] as number[], means: "mean" },
  };
  const picture = h("div", { class: "pattern" });
  grid.append(picture);
  const stage = drawMatrix(picture, matrix);
  const key = h(
    "p",
    { class: "key" },
    h(
      "span",
      { class: "item" },
      h("span", { class: "gauge" }, h("span", { class: "received" })),
      "under a token: how much it looks at the framed one",
    ),
    h("span", {}, "weights are kept to ±0.002"),
  );
  overview.classList.add("heads");
  const side = h("div", { class: "side" }, caption, text, words, key);
  host.append(h("div", { class: "head" }, h("div", { class: "head-parts" }, overview, side, grid)));

  function from(query: number): void {
    cells.forEach(({ token, received, gauge, box }, place) => {
      const back = patterns.weight(head, place, query);
      token.style.backgroundColor = shade(patterns.weight(head, query, place), legend);
      received.style.width = `${100 * back}%`;
      gauge.hidden = back < FAINT;
      box.classList.toggle("from", place === query);
    });
    words.replaceChildren(
      told(query, " looks at ", patterns.row(head, query)),
      told(query, " is looked at by ", patterns.column(head, query)),
    );
  }

  function told(place: number, verb: string, weights: number[]): HTMLElement {
    const most = weights
      .map((weight, other) => ({ weight, other }))
      .filter(({ weight }) => weight >= FAINT)
      .sort((a, b) => b.weight - a.weight)
      .slice(0, FEW);
    const found = most.flatMap(({ weight, other }, i) => [
      i ? ", " : "",
      ...placeElements(tokens[other] ?? "", other),
      ` ${readable(weight, { like: 1 })}`,
    ]);
    return h("p", {}, ...placeElements(tokens[place] ?? "", place), verb, ...(found.length ? found : [`nothing above ${FAINT}`]));
  }

  explore(
    text,
    {
      element: strip,
      rows: 1,
      cols: tokens.length,
      columns: tokens,
      at: (event) => {
        const col = (event.target as HTMLElement).closest<HTMLElement>(".look")?.dataset.col;
        return col === undefined ? null : { row: 0, col: Number(col) };
      },
      box: ({ col }) => cells[col]?.token.getBoundingClientRect() ?? new DOMRect(),
      read: () => null, // the sentences under the strip say it
      point: (cell) => from((kept = cell?.col ?? last)),
    },
    "The text, token by token",
  );
  stage.point = (cell) => from(cell ? stage.found(cell).row : kept);
  explore(grid, stage, "The pattern, from row to column");

  return (next, detail) => {
    head = next;
    matrix.data.values = tokens.map((_, query) => patterns.row(head, query));
    matrix.data.col_means = means(matrix.data.values);
    stage.redraw(null);
    caption.replaceChildren(h("b", {}, `head ${visible(heads[head] ?? "")}`), detail ? " · " : "", ...prose(detail));
    from(kept);
  };
}

/** The means of the columns: what each key gets on average. */
function means(rows: number[][]): number[] {
  const sums = new Array<number>(rows.length).fill(0);
  for (const row of rows) row.forEach((weight, key) => (sums[key] = (sums[key] ?? 0) + weight));
  return sums.map((sum) => sum / rows.length);
}
