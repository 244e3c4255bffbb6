// Directions as points in a plane: near ones are alike. Wheel and drag move it; what a search leaves is drawn dark.

import { paintOf } from "../colour.ts";
import { drawToWidth, h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { visible } from "../text.ts";
import { tokensOf } from "./list.ts";
import { latentAddress } from "./route.ts";
import { floats, type Statistics } from "./table.ts";
import type { Plane } from "./types.ts";

const NEAR = 14; // pixels within which a point is meant

export function mapView(root: HTMLElement, statistics: Statistics, plane: Plane): void {
  const [x, y] = [floats(plane.x), floats(plane.y)];
  const { site } = statistics;
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": "Map of directions. Arrow keys go to the nearest point that way, Enter opens it." });
  const search = h("input", { type: "search", placeholder: "mark a word or a token", "aria-label": "Mark features", "data-search": "" });
  const said = h("p", { class: "said", role: "status" });
  const holder = h("div", { class: "plane" }, canvas);
  root.append(
    h("h2", {}, "Which directions lie together?"),
    h("div", { class: "tools" }, h("label", { class: "search" }, search)),
    holder,
    said,
    h("p", { class: "quiet" }, `${visible(plane.method)} Neighbours are meant; distances between groups say nothing. Colour: how often a feature is active.`),
  );
  const density = statistics.named("density")?.values;
  const depth = shares(density);
  let marked: Set<number> | null = null;
  let [zoom, left, top] = [1, 0, 0];
  let current: number | null = null;
  let size: [number, number] = [0, 0];
  const [lowX, highX, lowY, highY] = [...ends(x), ...ends(y)];

  const toScreen = (row: number): [number, number] => [
    left + zoom * (12 + ((size[0] - 24) * ((x[row] ?? 0) - lowX)) / (highX - lowX || 1)),
    top + zoom * (12 + ((size[1] - 24) * (highY - (y[row] ?? 0))) / (highY - lowY || 1)),
  ];

  function draw(): void {
    const context = canvas.getContext("2d");
    if (!context) return;
    const paint = paintOf(canvas);
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(size[0] * scale);
    canvas.height = Math.round(size[1] * scale);
    context.scale(scale, scale);
    const [rare, often, quiet] = [paint("sequential"), paint("ink"), paint("rule")];
    const radius = Math.min(7, Math.sqrt(zoom) * Math.max(1.8, 5 - Math.log10(x.length)));
    const place = (row: number, fill: string, alpha: number, wide = radius) => {
      const [px, py] = toScreen(row);
      if (px < -9 || py < -9 || px > size[0] + 9 || py > size[1] + 9) return;
      context.globalAlpha = alpha;
      context.fillStyle = fill;
      context.beginPath();
      context.arc(px, py, wide, 0, 2 * Math.PI);
      context.fill();
    };
    for (let row = 0; row < x.length; row++) {
      if (Number.isNaN(x[row] ?? NaN)) continue;
      if (marked) place(row, marked.has(row) ? often : quiet, marked.has(row) ? 1 : 0.5, marked.has(row) ? radius + 1.5 : radius);
      else place(row, depth[row] === undefined ? quiet : `color-mix(in oklab, ${often} ${Math.round(80 * (depth[row] ?? 0))}%, ${rare})`, 0.85);
    }
    if (current !== null) {
      const [px, py] = toScreen(current);
      context.globalAlpha = 1;
      context.lineWidth = 2;
      context.strokeStyle = often;
      context.beginPath();
      context.arc(px, py, radius + 4, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function point(row: number | null): void {
    if (row === current) return;
    current = row;
    draw();
    if (row === null) return said.replaceChildren();
    const words = site.table.descriptions[row];
    said.replaceChildren(
      h("a", { href: latentAddress(site.latents[row] ?? 0) }, `feature ${site.latents[row]}`),
      " ",
      ...(words ? [visible(words)] : tokensOf(site.table.tokens[row] ?? [])),
      density && !Number.isNaN(density[row] ?? NaN) ? ` · active in ${readable(100 * (density[row] ?? 0))} % of all places` : "",
    );
  }

  function nearest(px: number, py: number, within: number, allowed: (dx: number, dy: number) => boolean = () => true): number | null {
    let [best, distance]: [number | null, number] = [null, within];
    for (let row = 0; row < x.length; row++) {
      const [qx, qy] = toScreen(row);
      const away = Math.hypot(qx - px, qy - py);
      if (away < distance && row !== current && allowed(qx - px, qy - py)) [best, distance] = [row, away];
    }
    return best;
  }

  drawToWidth(holder, (width) => {
    size = [width, Math.round(Math.min(0.62 * width, 0.7 * innerHeight))];
    canvas.style.height = `${size[1]}px`;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  let held: [number, number] | null = null;
  let dragged = false;
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.offsetX, event.offsetY];
    dragged = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = [event.offsetX, event.offsetY];
    if (held && (dragged || Math.hypot(px - held[0], py - held[1]) > 4)) {
      dragged = true;
      [left, top] = [left + px - held[0], top + py - held[1]];
      held = [px, py];
      draw();
      return;
    }
    if (held) return;
    const kept = current;
    current = null; // the one that is pointed at may be the nearest again
    const found = nearest(px, py, NEAR);
    current = kept;
    point(found);
  });
  canvas.addEventListener("pointerup", () => {
    held = null;
    if (!dragged && current !== null) location.hash = latentAddress(site.latents[current] ?? 0);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const by = Math.min(60 / zoom, Math.max(1 / zoom, Math.exp(-event.deltaY / 400)));
      [left, top] = [event.offsetX - by * (event.offsetX - left), event.offsetY - by * (event.offsetY - top)];
      zoom *= by;
      if (zoom === 1) [left, top] = [0, 0];
      draw();
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const [px, py] = current === null ? [size[0] / 2, size[1] / 2] : toScreen(current);
    const ways: Record<string, (dx: number, dy: number) => boolean> = {
      ArrowLeft: (dx, dy) => dx < 0 && Math.abs(dy) <= -dx,
      ArrowRight: (dx, dy) => dx > 0 && Math.abs(dy) <= dx,
      ArrowUp: (dx, dy) => dy < 0 && Math.abs(dx) <= -dy,
      ArrowDown: (dx, dy) => dy > 0 && Math.abs(dx) <= dy,
    };
    const way = ways[event.key];
    if (way) {
      const next = nearest(px, py, Infinity, current === null ? undefined : way);
      if (next !== null) point(next);
    } else if (event.key === "Enter" && current !== null) location.hash = latentAddress(site.latents[current] ?? 0);
    else return;
    event.preventDefault();
  });
  search.addEventListener("input", () => {
    const rows = statistics.rows({ words: search.value, sort: "latent", down: false, filters: [] });
    marked = search.value.trim() ? new Set(rows) : null;
    said.textContent = marked ? `${marked.size.toLocaleString("en")} marked` : "";
    draw();
  });
}

function ends(values: Float32Array): [number, number] {
  const known = values.filter((value) => !Number.isNaN(value));
  return [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), -Infinity)];
}

/** Each value's place between the rarest and the most frequent, on a logarithmic scale; nothing for what never happened. */
function shares(values: Float32Array | undefined): (number | undefined)[] {
  if (!values) return [];
  const logs = [...values].map((value) => (value > 0 ? Math.log(value) : NaN));
  const known = logs.filter((value) => !Number.isNaN(value));
  const [low, high] = [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), -Infinity)];
  return logs.map((value) => (Number.isNaN(value) ? undefined : (value - low) / (high - low || 1)));
}
