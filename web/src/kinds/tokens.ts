// A text whose tokens are coloured by one value each.

import { isClipped, shade } from "../colour.ts";
import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { exact } from "../numbers.ts";
import { direction, placeElements, tokenElement, visible } from "../text.ts";
import type { Tokens } from "../types.ts";

export function drawTokens(host: HTMLElement, { data, legend, unit }: Tokens): Stage {
  const cells = data.tokens.map((token, place) => {
    const value = data.values[place] ?? null;
    const cell = tokenElement(token);
    cell.dataset.col = String(place);
    cell.classList.toggle("missing", value === null);
    cell.classList.toggle("clipped", isClipped(value, legend));
    if (value !== null) cell.style.backgroundColor = shade(value, legend);
    return cell;
  });
  const strip = h("div", { class: "strip", dir: direction(data.tokens) });
  // a newline token is followed by a new line, as in the text itself
  cells.forEach((cell, place) => strip.append(cell, ...(data.tokens[place]?.includes("\n") ? [h("br")] : [])));
  host.append(strip);
  return {
    element: strip,
    rows: 1,
    cols: cells.length,
    columns: data.tokens,
    at: (event) => {
      const col = (event.target as HTMLElement).closest<HTMLElement>(".token")?.dataset.col;
      return col === undefined ? null : { row: 0, col: Number(col) };
    },
    box: ({ col }) => cells[col]?.getBoundingClientRect() ?? new DOMRect(),
    read: ({ col }) => ({
      head: ["position ", ...placeElements(data.tokens[col] ?? "", col)],
      value: `${exact(data.values[col] ?? null, legend.low < 0)} ${visible(unit)}`,
      lines: data.details?.[col] ? [visible(data.details[col])] : [],
    }),
  };
}
