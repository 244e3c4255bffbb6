// Named sets of points in a plane, each with its own mark; joined where they are a path; with intervals, a diagonal and a control.

import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { drawToWidth, h, svg, textWidth } from "../dom.ts";
import type { Cell, Stage } from "../explore.ts";
import { exact, readable, tickLabels } from "../numbers.ts";
import { prose, proseText, shortened, visible } from "../text.ts";
import type { Points, Scatter, Value } from "../types.ts";

const HEIGHT = 332;
const TOP = 26;
const BOTTOM = 42;
const WIDEST = 620;
const FONT = "12px system-ui, sans-serif";
const FEW = 12; // points whose labels are written beside them
const CROWDED = 400; // beyond this many points, marks are smaller

/** A mark around the place that the path has come to. */
const MARKS = [
  "m-3.4,0a3.4,3.4 0 1,0 6.8,0a3.4,3.4 0 1,0 -6.8,0z",
  "m-3.2,-3.2h6.4v6.4h-6.4z",
  "m0,-4l4,7h-8z",
  "m0,-4.4l4.4,4.4l-4.4,4.4l-4.4,-4.4z",
  "m-1.3,-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
  "m0,4l4,-7h-8z",
  "m-4,-1.4h8v2.8h-8z",
  "m-1.4,-4h2.8v8h-2.8z",
];

export function drawScatter(host: HTMLElement, { data, axes, control, legend, unit }: Scatter): Stage {
  const places = data.series.map(({ x, y }) =>
    x.map((across, i) => ({ across, up: y[i] ?? null })).map(({ across, up }, i) => (across === null || up === null ? null : { i, across, up })),
  );
  const shown = places.map((one) => one.filter((place) => place !== null));
  const ups = [
    ...data.series.flatMap(({ y, low, high }) => [...y, ...(low ?? []), ...(high ?? [])]),
    control.value ?? null,
    ...(control.interval ?? []),
  ];
  const acrosses = data.series.flatMap(({ x }) => x);
  const both = data.diagonal !== "" ? [...ups, ...acrosses] : null;
  const y = scaleLinear(extent(both ?? ups), [HEIGHT - BOTTOM, TOP]).nice(5);
  const x = scaleLinear(extent(both ?? acrosses), [0, 1]).nice(5);
  const count = shown.reduce((sum, one) => sum + one.length, 0);
  const labelled = data.series.reduce((sum, { labels }) => sum + (labels?.length ?? 0), 0);
  const plot = h("div", { class: "lines plane" });
  host.append(plot, key());

  drawToWidth(host, (width) => {
    const left = Math.max(...tickLabels(y.ticks(5)).map((label) => textWidth(label, FONT))) + 10;
    const right = Math.min(width, both ? HEIGHT - BOTTOM - TOP + left + 16 : WIDEST) - 16;
    x.range([left, Math.max(left + 40, right)]);
    plot.replaceChildren(picture(Math.min(width, right + 16)));
  });

  function picture(width: number): SVGElement {
    const drawing = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    const [start = 0, end = 0] = x.range();
    const clip = { x: start, y: TOP, width: end - start, height: HEIGHT - TOP - BOTTOM };
    const text = (content: string, attributes: Record<string, string | number>) => drawing.append(svg("text", attributes, content));
    const [xTicks, yTicks] = [x.ticks(Math.max(2, Math.floor((end - start) / 70))), y.ticks(5)];
    const [xNames, yNames] = [tickLabels(xTicks), tickLabels(yTicks)];
    drawing.append(svg("rect", { ...clip, class: "frame" }));
    yTicks.forEach((tick, i) => {
      drawing.append(svg("line", { x1: start, x2: end, y1: y(tick), y2: y(tick), class: tick === 0 ? "zero" : "grid" }));
      text(yNames[i] ?? "", { x: start - 8, y: y(tick), "text-anchor": "end", "dominant-baseline": "central" });
    });
    xTicks.forEach((tick, i) => {
      drawing.append(svg("line", { x1: x(tick), x2: x(tick), y1: TOP, y2: HEIGHT - BOTTOM, class: tick === 0 ? "zero" : "grid" }));
      text(xNames[i] ?? "", { x: x(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" });
    });
    text(fit(proseText(unit), width), { x: 0, y: 12, class: "axis" });
    text(fit(proseText(axes.x.name), end - start), { x: (start + end) / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "axis" });
    if (control.value !== undefined && control.value !== null) {
      const [low, high] = (control.interval ?? [control.value, control.value]).map((value) => y(value ?? 0)) as [number, number];
      drawing.append(svg("rect", { class: "band", x: start, width: end - start, y: Math.min(low, high), height: Math.max(1.5, Math.abs(high - low)) }));
    }
    if (both) {
      const [low = 0, high = 0] = x.domain();
      drawing.append(svg("line", { class: "centre", x1: x(low), y1: y(low), x2: x(high), y2: y(high) }));
    }
    data.series.forEach((one, place) => drawing.append(setOf(one, place)));
    if (labelled <= FEW) drawing.append(...beside(end));
    return drawing;
  }

  function setOf({ joined, low, high }: Points, place: number): SVGElement {
    const group = svg("g", { class: `series-${place}` });
    const points = places[place] ?? [];
    if (joined) {
      const path = line<(typeof points)[number]>()
        .defined((point) => point !== null)
        .x((point) => x(point?.across ?? 0))
        .y((point) => y(point?.up ?? 0));
      group.append(svg("path", { class: "curve", d: path(points) ?? "" }));
    }
    const known = shown[place] ?? [];
    const whiskers = known.map(({ i, across }) => whisker(x(across), low?.[i] ?? null, high?.[i] ?? null)).join("");
    if (whiskers) group.append(svg("path", { class: "whiskers", d: whiskers }));
    const mark = count > CROWDED ? "m-1.5,-1.5h3v3h-3z" : (MARKS[place] ?? "");
    group.append(svg("path", { class: "points", d: known.map(({ across, up }) => `M${x(across)},${y(up)}${mark}`).join("") }));
    return group;
  }

  function whisker(across: number, low: Value, high: Value): string {
    return low === null || high === null ? "" : `M${across},${y(low)}V${y(high)}M${across - 3},${y(low)}h6M${across - 3},${y(high)}h6`;
  }

  /** The labels of few points, where they do not run into each other. */
  function beside(end: number): SVGElement[] {
    const taken: DOMRect[] = [];
    return data.series.flatMap((one, place) =>
      (shown[place] ?? []).flatMap(({ i, across, up }) => {
        const words = shortened(proseText(one.labels?.[i] ?? ""), 24);
        const width = textWidth(words, FONT);
        const left = x(across) + 8 + width > end;
        const box = new DOMRect(left ? x(across) - 8 - width : x(across) + 8, y(up) - 8, width, 16);
        if (!words || taken.some((other) => meets(box, other))) return [];
        taken.push(box);
        return [svg("text", { x: box.x, y: y(up), "dominant-baseline": "central", class: `beside series-${place}` }, words)];
      }),
    );
  }

  function key(): HTMLElement {
    const items = data.series.map((one, place) =>
      h(
        "span",
        { class: `item series-${place}` },
        svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, svg("path", { class: "points", d: `M6,6${MARKS[place] ?? ""}` })),
        h("span", { class: "words" }, ...prose(one.name)),
      ),
    );
    const ends = control.interval ? ` (${control.interval.map((end) => readable(end)).join(" to ")})` : "";
    const words = [
      data.series.some((one) => one.low) && "whiskers: interval",
      data.diagonal && `dashes: ${proseText(data.diagonal)}`,
      control.label && `grey: control, ${proseText(control.label)}: ${readable(control.value ?? null)}${ends}`,
      legend.missing > 0 && `${legend.missing} points are missing`,
    ].filter((word): word is string => typeof word === "string" && word !== "");
    return h("p", { class: "key" }, ...items, ...words.map((word) => h("span", {}, word)));
  }

  const at = ({ row, col }: Cell) => shown[row]?.[Math.min(col, (shown[row]?.length ?? 1) - 1)];
  const longest = Math.max(0, ...shown.map((one) => one.length));
  return {
    element: plot,
    rows: longest ? data.series.length : 0,
    cols: longest,
    at: (event) => {
      const frame = plot.getBoundingClientRect();
      let best: Cell | null = null;
      let nearest = 24; // pixels: what is farther away is not pointed at
      shown.forEach((one, row) =>
        one.forEach(({ across, up }, col) => {
          const away = Math.hypot(frame.left + x(across) - event.clientX, frame.top + y(up) - event.clientY);
          if (away < nearest) [best, nearest] = [{ row, col }, away];
        }),
      );
      return best;
    },
    box: (cell) => {
      const frame = plot.getBoundingClientRect();
      const point = at(cell);
      return point ? new DOMRect(frame.left + x(point.across) - 6, frame.top + y(point.up) - 6, 12, 12) : new DOMRect();
    },
    read: (cell) => {
      const [one, point] = [data.series[cell.row], at(cell)];
      if (!one || !point) return null;
      const label = one.labels?.[point.i];
      const ends = one.low && one.high ? ` (${exact(one.low[point.i] ?? null)} to ${exact(one.high[point.i] ?? null)})` : "";
      return {
        head: [h("span", {}, ...prose(one.name))],
        value: label ? proseText(label) : `point ${point.i + 1} of ${one.x.length}`,
        lines: [
          [visible(axes.x.name), exact(point.across)],
          [visible(unit), exact(point.up) + ends],
        ],
      };
    },
  };
}

/** From the lowest value to the highest, and a little around a single one. */
function extent(values: Value[]): [number, number] {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (!known.length) return [0, 1];
  const slack = Math.abs(low) / 2 || 1;
  return low === high ? [low - slack, high + slack] : [low, high];
}

function meets(one: DOMRect, other: DOMRect): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

function fit(text: string, width: number): string {
  return shortened(text, Math.max(4, Math.floor(width / 6.4)));
}
