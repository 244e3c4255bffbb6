// A circuit as a picture: nodes in rows from bottom to top, edges from a sender's upper side to an input on a receiver's lower side.
// Which edges are seen is told from outside; what hangs together with a node or an edge is found here.

import { drawToWidth, h, svg } from "../dom.ts";
import type { Cell, Reading, Stage } from "../explore.ts";
import { along, course, layout, NOWHERE, nearest, rowName, sampled, type Layout } from "./layout.ts";
import { shortened } from "../text.ts";
import type { Axis, Wiring } from "../types.ts";

/** A node, or an edge: what can be pointed at. */
export type Target = { node: number } | { edge: number };

export interface Ink {
  /** how an edge is drawn */
  edge(edge: number): { class: string; width: number; opacity?: number };
  /** the colour of a node, where it has one */
  fill?(node: number): string;
}

export interface Picture {
  stage: Stage;
  draw(width: number): void;
  /** the widest that the picture wants to be */
  widest: number;
  /** show these edges; those that come first are drawn over the others */
  show(edges: number[]): void;
  shown(): number[];
  pin(target: Target | null): void;
  /** what is kept, and the edges on paths through it */
  kept(): { target: Target; edges: Set<number> } | null;
  /** light up one edge, or none, as if it were pointed at */
  hint(edge: number | null): void;
  /** outline these nodes */
  find(nodes: Set<number>): void;
}

const ROOM = 360; // pixels that a list needs beside the picture
const MANY = 500; // edges that are drawn fainter, so that nodes stay in view
const REACH = 6; // pixels: an edge that is farther away is not pointed at

export function drawWiring(
  host: HTMLElement,
  wiring: Wiring,
  axis: Axis,
  ink: Ink,
  read: (target: Target) => Reading,
  changed: () => void,
): Picture {
  const { nodes, inputs, senders, receivers } = wiring;
  const scroller = h("div", { class: "circuit" });
  host.append(scroller);
  // two pictures on top of each other: thousands of edges need not be painted again when a few of them light up
  const under = svg("svg", { "aria-hidden": "true", class: "edges" });
  const root = svg("svg", { "aria-hidden": "true" });
  const [braces, lit, boxes] = [svg("g"), svg("g"), svg("g")];
  scroller.append(under, root);

  const levels = [...new Set(nodes.rows)].sort((a, b) => b - a);
  const byLevel = levels.map((level) =>
    nodes.rows
      .flatMap((row, node) => (row === level ? [node] : []))
      .sort((a, b) => (nodes.columns[a] ?? 0) - (nodes.columns[b] ?? 0)),
  );
  const feeds = (edge: number) => inputs[receivers[edge] ?? 0]?.feeds ?? [];
  let place: Layout = layout(wiring, axis, 0);
  let drawn: SVGElement[] = [];
  let figures: SVGElement[] = [];
  let courses: Float32Array[] = [];
  let seen: number[] = [];
  let pinned: Target | null = null;
  let pointed: Target | null = null;
  let found = new Set<number>();

  function draw(width: number): void {
    place = layout(wiring, axis, width);
    for (const one of [under, root]) {
      one.setAttribute("width", String(place.width));
      one.setAttribute("height", String(place.height));
    }
    root.classList.toggle("dense", place.dense);
    const curves = senders.map((sender, edge) => course(place, sender, receivers[edge] ?? 0));
    courses = curves.map(sampled);
    drawn = curves.map((curve, edge) => {
      const { class: name, width: stroke, opacity = 1 } = ink.edge(edge);
      return svg("path", { class: name, d: along(curve), "stroke-width": stroke, "stroke-opacity": opacity });
    });
    figures = nodes.labels.map((_, node) => box(node));
    const rules = axis.labels.map((_, row) =>
      svg("text", { class: "axis", x: 0, y: place.rowAt(row), "dominant-baseline": "central" }, rowName(axis, row)),
    );
    const headings = place.bands.flatMap(({ name, from, to }, i) => [
      svg("text", { class: "axis", x: (from + to) / 2, y: 12, "text-anchor": "middle" }, shortened(name, Math.floor((to - from) / 7))),
      i > 0 && svg("line", { class: "band", x1: from, x2: from, y1: 0, y2: place.height }),
    ]);
    root.replaceChildren(...rules, ...headings.filter((one) => one !== false), braces, lit, boxes);
    renew();
  }

  function box(node: number): SVGElement {
    const { x, y, width, height, label } = place.boxes[node] ?? NOWHERE;
    const role = nodes.roles?.of[node] ?? null;
    const rect = svg("rect", { class: "box", x: x - width / 2, y: y - height / 2, width, height, rx: 4 });
    const fill = ink.fill?.(node);
    if (fill) rect.style.fill = fill;
    return svg(
      "g",
      { class: "node" },
      rect,
      role === null
        ? null
        : svg("rect", { class: `role-mark series-${role}`, x: x - width / 2, y: y - height / 2, width: 4, height, rx: 2 }),
      svg("text", { x: x + (role === null ? 0 : 2), y: y + 0.5, "text-anchor": "middle", "dominant-baseline": "central" }, label),
    );
  }

  /** Put what is seen into the picture: edges, the nodes and inputs at their ends; other nodes are dots. */
  function renew(): void {
    const sending = new Set(seen.map((edge) => senders[edge] ?? 0));
    // of the nodes that read an input far from where it stands, those that something comes from
    const fed = (input: number) =>
      (inputs[input]?.feeds ?? []).filter((node) => (inputs[input]?.under?.includes(node) ?? true) || sending.has(node));
    const active = new Set(seen.flatMap((edge) => [senders[edge] ?? 0, ...fed(receivers[edge] ?? 0)]));
    const used = [...new Set(seen.map((edge) => receivers[edge] ?? 0))];
    under.replaceChildren(...[...seen].reverse().flatMap((edge) => drawn[edge] ?? []));
    boxes.replaceChildren(
      ...figures.map((figure, node) => {
        if (active.has(node) || found.has(node)) return figure;
        const { x, y } = place.boxes[node] ?? NOWHERE;
        return svg("circle", { class: "idle", cx: x, cy: y, r: 2 });
      }),
      ...used.map((input) => {
        const { x, y } = place.inputs[input] ?? { x: 0, y: 0 };
        return svg("circle", { class: "port", cx: x, cy: y, r: place.dense ? 1.5 : 2 });
      }),
    );
    braces.replaceChildren(
      ...used.flatMap((input) => {
        const { x, y, shared } = place.inputs[input] ?? { x: 0, y: 0, shared: false };
        if (!shared) return [];
        return fed(input).map((node) => {
          const end = place.boxes[node] ?? NOWHERE;
          return svg("path", { class: "brace", d: `M${x},${y}L${end.x},${end.y + end.height / 2}` });
        });
      }),
    );
    highlight();
  }

  /** All edges that lead to or from a target: next to it, or, where it is pinned, along whole paths. */
  function together(target: Target, far: boolean): Set<number> {
    const lit = new Set<number>("edge" in target ? [target.edge] : []);
    const walk = (from: number[], next: (node: number) => number[], onward: (edge: number) => number[]) => {
      const reached = new Set(from);
      const queue = [...from];
      for (let node = queue.pop(); node !== undefined; node = queue.pop())
        for (const edge of next(node)) {
          lit.add(edge);
          if (far) for (const other of onward(edge)) if (!reached.has(other)) reached.add(other) && queue.push(other);
        }
    };
    const into = grouped(seen, feeds);
    const outOf = grouped(seen, (edge) => [senders[edge] ?? 0]);
    const [low, high] = "edge" in target ? [[senders[target.edge] ?? 0], feeds(target.edge)] : [[target.node], [target.node]];
    if ("edge" in target && !far) return lit;
    walk(
      low,
      (node) => into.get(node) ?? [],
      (edge) => [senders[edge] ?? 0],
    );
    walk(high, (node) => outOf.get(node) ?? [], feeds);
    return lit;
  }

  function highlight(): void {
    const target = pinned ?? pointed;
    const edges = target ? together(target, pinned !== null) : new Set<number>();
    const ends = new Set([...edges].flatMap((edge) => [senders[edge] ?? 0, ...feeds(edge)]));
    if (target && "node" in target) ends.add(target.node);
    under.style.opacity = target ? "0.1" : seen.length > MANY ? "0.6" : "1";
    lit.replaceChildren(...[...edges].sort((a, b) => b - a).flatMap((edge) => drawn[edge]?.cloneNode() ?? []));
    root.classList.toggle("dimmed", target !== null);
    figures.forEach((figure, node) => {
      figure.classList.toggle("lit", ends.has(node));
      figure.classList.toggle("chosen", pinned !== null && "node" in pinned && pinned.node === node);
      figure.classList.toggle("found", found.has(node));
    });
  }

  // cells: a row of nodes for each level, then one row of all edges that are seen
  const targetOf = ({ row, col }: Cell): Target | null => {
    if (row === levels.length) return seen[col] === undefined ? null : { edge: seen[col] };
    const node = byLevel[row]?.[Math.min(col, (byLevel[row]?.length ?? 1) - 1)];
    return node === undefined ? null : { node };
  };
  const cellOf = (target: Target): Cell => {
    if ("edge" in target) return { row: levels.length, col: seen.indexOf(target.edge) };
    const row = byLevel.findIndex((level) => level.includes(target.node));
    return { row, col: byLevel[row]?.indexOf(target.node) ?? 0 };
  };
  let last = { x: 0, y: 0 };
  const stage: Stage = {
    element: scroller,
    get rows() {
      return levels.length + (seen.length ? 1 : 0);
    },
    get cols() {
      return Math.max(seen.length, ...byLevel.map(({ length }) => length));
    },
    width: (row) => byLevel[row]?.length ?? seen.length,
    at: (event) => {
      const frame = root.getBoundingClientRect();
      last = { x: event.clientX - frame.left, y: event.clientY - frame.top };
      const node = place.boxes.findIndex(
        ({ x, y, width, height }) => Math.abs(last.x - x) < width / 2 + 2 && Math.abs(last.y - y) < height / 2 + 2,
      );
      if (node >= 0) return cellOf({ node });
      const lit = pinned ? together(pinned, true) : null;
      const edge = nearest(courses, lit ? seen.filter((one) => lit.has(one)) : seen, last, REACH);
      return edge === null ? null : cellOf({ edge });
    },
    box: (cell) => {
      const frame = root.getBoundingClientRect();
      const target = targetOf(cell);
      if (target && "node" in target) {
        const { x, y, width, height } = place.boxes[target.node] ?? NOWHERE;
        return new DOMRect(frame.left + x - width / 2, frame.top + y - height / 2, width, height);
      }
      const points = (target && courses[target.edge]) ?? new Float32Array([0, 0]);
      let [x, y] = [points[0] ?? 0, points[1] ?? 0];
      // where the pointer is near the edge, there; otherwise at its middle
      const at = nearest([points], [0], last, REACH) === null ? null : last;
      if (at) [x, y] = [at.x, at.y];
      else [x, y] = [points[2 * Math.floor(points.length / 4)] ?? 0, points[2 * Math.floor(points.length / 4) + 1] ?? 0];
      return new DOMRect(frame.left + x - 4, frame.top + y - 4, 8, 8);
    },
    read: (cell) => {
      const target = targetOf(cell);
      return target && read(target);
    },
    point: (cell) => {
      pointed = cell && targetOf(cell);
      highlight();
    },
    open: (cell) => {
      const target = targetOf(cell);
      pin(target && pinned && same(target, pinned) ? null : target);
    },
  };
  scroller.addEventListener("click", (event) => pinned && !stage.at(event) && pin(null));
  scroller.addEventListener("keydown", (event) => event.key === "Escape" && pin(null));

  function pin(target: Target | null): void {
    pinned = target;
    highlight();
    changed();
  }

  return {
    stage,
    draw,
    widest: layout(wiring, axis, Infinity).width,
    show: (edges) => {
      seen = edges;
      if (pinned && "edge" in pinned && !edges.includes(pinned.edge)) pinned = null;
      renew();
      changed();
    },
    shown: () => seen,
    pin,
    kept: () => pinned && { target: pinned, edges: together(pinned, true) },
    hint: (edge) => {
      pointed = edge === null ? null : { edge };
      highlight();
    },
    find: (nodes) => {
      found = nodes;
      renew();
    },
  };
}

/** Draw the picture, with the list beside it where there is room for both. */
export function arrange(parts: HTMLElement, picture: Picture): void {
  drawToWidth(parts, (width) => {
    const beside = width - picture.widest > ROOM;
    parts.classList.toggle("beside-list", beside);
    parts.style.gridTemplateColumns = beside ? `${picture.widest}px minmax(0, 1fr)` : "minmax(0, 1fr)";
    picture.draw(beside ? picture.widest : width);
  });
}

export function same(one: Target, other: Target): boolean {
  return "node" in one ? "node" in other && one.node === other.node : "edge" in other && one.edge === other.edge;
}

function grouped(edges: number[], ends: (edge: number) => number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const edge of edges)
    for (const end of ends(edge)) {
      const group = groups.get(end);
      if (group) group.push(edge);
      else groups.set(end, [edge]);
    }
  return groups;
}
