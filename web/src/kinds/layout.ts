// Where the parts of a circuit stand: rows from the bottom, columns that any node uses, inputs on the lower sides of nodes, edges as curves.

import { textWidth } from "../dom.ts";
import { shortened, visible } from "../text.ts";
import type { Axis, Wiring } from "../types.ts";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
  label: string;
}

export const NOWHERE: Box = { x: 0, y: 0, width: 0, height: 0, label: "" };

export interface Layout {
  width: number;
  height: number;
  /** columns stand so close that labels are small */
  dense: boolean;
  boxes: Box[];
  inputs: { x: number; y: number; shared: boolean }[];
  /** the columns that belong together, from left to right */
  bands: { name: string; from: number; to: number }[];
  rowAt(row: number): number;
  column: number;
}

const TALL = 780; // pixels that all rows share, if they can
const PORTS: Record<string, number> = { q: -1, k: 0, v: 1 };
const STEPS = 20; // straight pieces of a curve
const WIDE = 96; // pixels: the widest column
const ALONE = 110; // pixels: the widest node that has a row to itself
const HEADING = 22; // pixels above the rows, where columns have names
const SMALL = 9; // the size of letters where columns stand close
const FONT = "11px system-ui, sans-serif";

export function layout({ nodes, inputs }: Wiring, axis: Axis, width: number): Layout {
  const used = [...new Set(nodes.columns.map(Math.floor))].sort((a, b) => a - b);
  const rank = new Map(used.map((column, i) => [column, i]));
  const at = nodes.columns.map((column) => (rank.get(Math.floor(column)) ?? 0) + (column % 1));
  const count = Math.max(1, ...at.map((place) => place + 1));
  const left = Math.max(0, ...axis.labels.map((_, row) => textWidth(rowName(axis, row), FONT))) + 18;
  const right = 26; // room for edges that run around nodes
  const bandOf = (node: number) => nodes.bands?.names[nodes.bands.of[node] ?? -1];
  // a band's name stands above its columns, not in each of its nodes
  const names = nodes.labels.map((label, node) => {
    const band = bandOf(node);
    return visible(band !== undefined && label.endsWith(` ${band}`) ? label.slice(0, -band.length - 1) : label);
  });
  const widths = names.map((name) => textWidth(name, FONT));
  const room = (width - left - right) / count;
  const dense = room < (nodes.bands ? usual(widths) + 16 : 38); // bands are worth seeing beside one another
  const scale = dense ? SMALL / 11 : 1;
  const padding = dense ? 5 : 12;
  // a column is as wide as the names of heads need, or else the picture scrolls; longer names are cut
  const narrowest = Math.min(60, scale * usual(widths) + padding + 4);
  const column = Math.min(WIDE, Math.max(narrowest, room));
  const rows = axis.labels.length;
  const step = Math.min(62, Math.max(36, TALL / Math.max(1, rows)));
  const height = step < 44 ? 16 : 20;
  const top = nodes.bands ? HEADING : 0;
  const full = top + (rows - 1) * step + Math.max(0, ...nodes.rows.map((row) => row - rows + 1)) * step + 2 * height + 10;
  const rowAt = (row: number) => full - height - 6 - row * step;
  const boxes = names.map((name, node) => {
    const isAlone = nodes.rows.filter((row, other) => row === nodes.rows[node] && bandOf(other) === bandOf(node)).length === 1;
    const most = isAlone ? ALONE : column - 3;
    const needed = scale * (widths[node] ?? 0) + padding;
    return {
      x: left + ((at[node] ?? 0) + 0.5) * column,
      y: rowAt(nodes.rows[node] ?? 0),
      width: Math.max(Math.min(34, column - 3), Math.min(most, needed)),
      height,
      label:
        needed > most
          ? shortened(name, Math.max(2, Math.floor(([...name].length * (most - padding)) / (needed - padding)) - 1))
          : name,
    };
  });
  return {
    width: Math.ceil(left + count * column + right),
    height: Math.ceil(full),
    dense,
    boxes,
    inputs: inputs.map(({ port, feeds, under }) => {
      const ends = (under ?? feeds).map((node) => boxes[node]).filter((box) => box !== undefined);
      const x = ends.reduce((sum, box) => sum + box.x, 0) / Math.max(1, ends.length);
      const low = Math.max(0, ...ends.map((box) => box.y + box.height / 2));
      const side = PORTS[port] ?? 0;
      if (feeds.length > 1) return { x: x + 6 * side, y: low + 8, shared: true };
      return { x: x + 0.3 * side * (ends[0]?.width ?? 0), y: low, shared: false };
    }),
    bands: (nodes.bands?.names ?? []).map((name) => {
      const own = boxes.filter((_, node) => bandOf(node) === name).map(({ x }) => x);
      return { name: visible(name), from: Math.min(...own) - column / 2, to: Math.max(...own) + column / 2 };
    }),
    rowAt,
    column,
  };
}

/** The width that nine of ten names fit into. */
function usual(widths: number[]): number {
  return [...widths].sort((a, b) => a - b)[Math.floor(widths.length * 0.9)] ?? 0;
}

/** What stands at the left of a row: its label, with the axis' name where it is a number. */
export function rowName({ name, labels }: Axis, row: number): string {
  const label = labels[row] ?? "";
  return shortened(visible(/^\d+$/u.test(label) ? `${name} ${label}` : label), 14);
}

/** The four points of an edge's curve: up from its sender, up into its input; around what stands straight between them. */
export function course(place: Layout, sender: number, input: number): number[] {
  const { x: x0, y, height, width } = place.boxes[sender] ?? NOWHERE;
  const { x: x1, y: y1 } = place.inputs[input] ?? { x: 0, y: 0 };
  const y0 = y - height / 2;
  const reach = Math.max(8, (y0 - y1) * 0.5);
  const isBlocked = Math.abs(x1 - x0) < 0.6 * place.column && y0 - y1 > 3 * height;
  const outwards = x0 >= place.width / 2 ? 1 : -1;
  const bend = isBlocked ? outwards * Math.min(place.column, 0.75 * width + 0.05 * (y0 - y1)) : 0;
  return [x0, y0, x0 + bend, y0 - reach, x1 + bend, y1 + reach, x1, y1];
}

/** A curve as the path of an SVG, to a tenth of a pixel. */
export function along(curve: number[]): string {
  const [x, y, ...others] = curve.map((end) => end.toFixed(1));
  return `M${x},${y}C${others.join(" ")}`;
}

/** Places along a curve. */
export function sampled([x0 = 0, y0 = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, x3 = 0, y3 = 0]: number[]): Float32Array {
  const points = new Float32Array(2 * (STEPS + 1));
  for (let step = 0; step <= STEPS; step++) {
    const t = step / STEPS;
    const [a, b, c, d] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t ** 3];
    points[2 * step] = a * x0 + b * x1 + c * x2 + d * x3;
    points[2 * step + 1] = a * y0 + b * y1 + c * y2 + d * y3;
  }
  return points;
}

/** Which of these edges comes nearest to a point, if any comes within reach. */
export function nearest(
  courses: Float32Array[],
  edges: number[],
  { x, y }: { x: number; y: number },
  reach: number,
): number | null {
  let [best, least] = [null as number | null, reach];
  for (const edge of edges) {
    const points = courses[edge];
    if (!points) continue;
    for (let i = 0; i + 3 < points.length; i += 2) {
      const [ax = 0, ay = 0, bx = 0, by = 0] = [points[i], points[i + 1], points[i + 2], points[i + 3]];
      if (y > ay + reach || y < by - reach) continue;
      const [dx, dy] = [bx - ax, by - ay];
      const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
      const away = Math.hypot(x - ax - t * dx, y - ay - t * dy);
      if (away < least) [best, least] = [edge, away];
    }
  }
  return best;
}
