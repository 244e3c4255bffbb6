// A text whose tokens are coloured by one value each, or marked with the roles they play, or both.

import { isClipped, shade } from "../colour.ts";
import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact } from "../numbers.ts";
import { direction, placeElements, tokenElement, visible } from "../text.ts";
import type { Tokens } from "../types.ts";

export function drawTokens(host: HTMLElement, { data, legend, unit }: Tokens): Stage {
  const cells = data.tokens.map((token, place) => {
    const value = data.values?.[place] ?? null;
    const cell = tokenElement(token);
    cell.dataset.col = String(place);
    cell.classList.toggle("missing", data.values !== undefined && value === null);
    if (value !== null) {
      cell.classList.toggle("clipped", isClipped(value, legend));
      cell.style.backgroundColor = shade(value, legend);
    }
    return cell;
  });
  const strip = tokenStrip(data.tokens, data.roles ? inRoles(cells, data.roles) : cells);
  host.append(strip, ...(data.values ? [colourKey(legend, unit)] : []));
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
    read: ({ col }) => {
      const role = data.roles?.names[data.roles.of[col] ?? -1];
      return {
        head: ["position ", ...placeElements(data.tokens[col] ?? "", col)],
        value: data.values ? `${exact(data.values[col] ?? null, legend.low < 0)} ${visible(unit)}` : visible(role ?? ""),
        lines: [
          ...(data.values && role !== undefined ? [visible(role)] : []),
          ...(data.details?.[col] ? [visible(data.details[col])] : []),
        ],
      };
    },
  };
}

/** Tokens in reading order; one that holds a newline is followed by a new line, as in the text itself. */
export function tokenStrip(tokens: string[], cells: HTMLElement[]): HTMLElement {
  const strip = h("div", { class: "strip", dir: direction(tokens) });
  cells.forEach((cell, place) => strip.append(cell, ...(tokens[place]?.includes("\n") ? [h("br")] : [])));
  return strip;
}

/** Each token over the name of its role, which is written once per run of tokens that share it. */
function inRoles(cells: HTMLElement[], { names, of }: { names: string[]; of: (number | null)[] }): HTMLElement[] {
  return cells.map((cell, place) => {
    const role = of[place] ?? null;
    if (role === null) return cell;
    const isFirst = place === 0 || of[place - 1] !== role;
    return h(
      "span",
      { class: `role series-${role}` },
      cell,
      h("span", { class: "name" }, isFirst ? visible(names[role] ?? "") : "\u00a0"),
    );
  });
}
