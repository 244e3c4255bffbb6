// Where attention heads look: all of them small, grouped by layer, and the one that is open token by token.

import { paintOf, shade } from "../colour.ts";
import { drawToWidth, h } from "../dom.ts";
import { explore } from "../explore.ts";
import { readable } from "../numbers.ts";
import { Patterns } from "../patterns.ts";
import { placeElements, visible } from "../text.ts";
import type { Attention, Colours } from "../types.ts";
import { drawHead } from "./head.ts";

const FEW = 6; // heads that stand beside the pattern; more have a row of their own, and many are smaller
const SOME = 24;
const SHARPEST = 48; // cells along a small pattern; more are pooled

export function drawAttention(host: HTMLElement, { data, legend }: Attention): void {
  const patterns = new Patterns(data);
  const overview = h("div", { class: "overview" });
  const show = drawHead(host, overview, data, patterns, legend);
  const minis = data.heads.map((name, head) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const box = h("div", { class: "mini", "data-head": head }, canvas, h("div", { class: "name" }, visible(name)));
    return { canvas, box };
  });
  const paintAll = () => minis.forEach(({ canvas }, head) => paintPattern(canvas, head, patterns, data.tokens.length, legend));
  const open = (head: number) => {
    minis.forEach(({ box }, place) => box.classList.toggle("chosen", place === head));
    show(head, data.details?.[head] ?? "");
  };
  open(data.chosen);
  if (data.left_out)
    host.append(h("p", { class: "key" }, `${data.left_out} heads are left out: all of them would be too many weights.`));
  if (data.heads.length === 1) return overview.remove();

  const layers = grouped(data.heads);
  overview.classList.toggle("many", data.heads.length > FEW);
  overview.classList.toggle("dense", data.heads.length > SOME);
  overview.append(
    ...layers.map(({ name, heads }) =>
      h(
        "div",
        { class: "layer" },
        h("div", { class: "name" }, name),
        h("div", { class: "minis" }, ...heads.map((head) => minis[head]?.box ?? "")),
      ),
    ),
  );
  drawToWidth(overview, paintAll);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", paintAll);
  const headAt = ({ row, col }: { row: number; col: number }) => {
    const heads = layers[row]?.heads ?? [];
    return heads[Math.min(col, heads.length - 1)] ?? 0;
  };
  explore(
    overview,
    {
      element: overview,
      rows: layers.length,
      cols: Math.max(...layers.map(({ heads }) => heads.length)),
      at: (event) => {
        const head = (event.target as HTMLElement).closest<HTMLElement>(".mini")?.dataset.head;
        if (head === undefined) return null;
        const row = layers.findIndex(({ heads }) => heads.includes(Number(head)));
        return { row, col: layers[row]?.heads.indexOf(Number(head)) ?? 0 };
      },
      box: (cell) => minis[headAt(cell)]?.canvas.getBoundingClientRect() ?? new DOMRect(),
      read: (cell) => {
        const head = headAt(cell);
        const last = data.tokens.length - 1;
        const row = patterns.row(head, last);
        const most = row.indexOf(Math.max(...row));
        const detail = data.details?.[head];
        return {
          head: [`head ${visible(data.heads[head] ?? "")}`],
          value: detail ? visible(detail) : "",
          lines: [
            h(
              "span",
              {},
              ...placeElements(data.tokens[last] ?? "", last),
              " looks most at ",
              ...placeElements(data.tokens[most] ?? "", most),
              ` ${readable(row[most] ?? 0, { like: 1 })}`,
            ),
          ],
        };
      },
      open: (cell) => open(headAt(cell)),
    },
    "All heads",
  );
}

/** Heads by what stands before the last point of their names: "2.1" belongs to layer 2. */
function grouped(names: string[]): { name: string; heads: number[] }[] {
  const groups = new Map<string, number[]>();
  names.forEach((name, head) => {
    const layer = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "";
    groups.set(layer, [...(groups.get(layer) ?? []), head]);
  });
  return [...groups].map(([layer, heads]) => ({ name: /^\d+$/u.test(layer) ? `layer ${layer}` : visible(layer), heads }));
}

/** A small pattern: each of its cells shows the largest weight that it stands for. */
export function paintPattern(
  canvas: HTMLCanvasElement,
  head: number,
  patterns: Patterns,
  size: number,
  legend: Colours,
  named = paintOf(canvas),
): void {
  const pool = Math.ceil(size / SHARPEST);
  const cells = Math.ceil(size / pool);
  const context = canvas.getContext("2d");
  canvas.width = canvas.height = cells * 4;
  if (!context) return;
  const most = new Array<number>(cells * cells).fill(0);
  for (let query = 0; query < size; query++)
    patterns.row(head, query).forEach((weight, key) => {
      const cell = Math.floor(query / pool) * cells + Math.floor(key / pool);
      most[cell] = Math.max(most[cell] ?? 0, weight);
    });
  most.forEach((weight, cell) => {
    context.fillStyle = shade(weight, legend, named);
    context.fillRect((cell % cells) * 4, Math.floor(cell / cells) * 4, 4, 4);
  });
}
