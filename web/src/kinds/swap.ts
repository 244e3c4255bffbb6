// A text under several sets of weights: one at a time, so that what changes is seen to change; the outputs of all of them stay in view.

import { shade } from "../colour.ts";
import { h } from "../dom.ts";
import { explore } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact, readable } from "../numbers.ts";
import { placeElements, prose, proseText, tokenElement, visible } from "../text.ts";
import type { Alternative, Swap } from "../types.ts";
import { tabbed } from "./groups.ts";
import { tokenStrip } from "./tokens.ts";

export function drawSwap(host: HTMLElement, { data, legend, unit, title }: Swap): void {
  const first = data.alternatives[0]?.label ?? "";
  const heads = data.alternatives.map((one, place) => [
    h("span", { class: "set" }, ...prose(one.label)),
    h("span", { class: "output" }, ...prose(one.output)),
    place > 0 && h("span", { class: "apart" }, `${readable(one.apart)} apart`),
  ]);
  const panels = data.alternatives.map((one) => panel(one));
  tabbed(host, title, heads, panels);
  host.classList.add("swap");
  const words = data.alternatives.length > 1 && h("p", { class: "key" }, `apart: half the sum of the differences from the weights “${proseText(first)}”`);
  host.append(colourKey(legend, unit), ...(words ? [words] : []));

  function panel({ label, weights, output }: Alternative): HTMLElement {
    const cells = data.tokens.map((token, col) => {
      const cell = tokenElement(token);
      cell.dataset.col = String(col);
      cell.style.backgroundColor = shade(weights[col] ?? 0, legend);
      return cell;
    });
    const strip = tokenStrip(data.tokens, cells);
    const seat = h("div", { class: "seat" }, strip);
    explore(
      seat,
      {
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
          value: `${exact(weights[col] ?? null)} ${visible(unit)}`,
          lines: data.alternatives
            .filter((other) => other.label !== label)
            .map((other): [string, string] => [proseText(other.label), exact(other.weights[col] ?? null)]),
        }),
      },
      `${proseText(label)} ${visible(unit)}`,
    );
    return h("div", {}, h("p", { class: "part-label printed" }, ...prose(label), ": ", ...prose(output)), seat);
  }
}
