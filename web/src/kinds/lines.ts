// Named series over one horizontal axis, with intervals as bands and the control as a grey band behind them.

import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import { drawToWidth, h, svg, textWidth } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { exact, readable, tickLabels } from "../numbers.ts";
import { proseText, shortened, tokenText, visible } from "../text.ts";
import type { Lines, Series, Value } from "../types.ts";

const HEIGHT = 260;
const TOP = 12;
const BOTTOM = 40;
const WIDEST = 760;
const FONT = "600 12px system-ui, sans-serif";

export function drawLines(host: HTMLElement, { data, axes, control, unit }: Lines): Stage {
  const labels = axes.x.labels;
  const names = data.series.map((one) => proseText(one.name));
  const ends = [
    ...data.series.flatMap((one) => [...one.values, ...(one.low ?? []), ...(one.high ?? [])]),
    control.value ?? null,
    ...(control.interval ?? []),
    ...(control.values ?? []),
    ...(control.low ?? []),
    ...(control.high ?? []),
  ];
  const known = ends.filter((end) => end !== null);
  const y = scaleLinear([Math.min(0, ...known), Math.max(0, ...known)], [HEIGHT - BOTTOM, TOP]).nice(5);
  const ticks = y.ticks(5);
  const at = axes.x.at ?? labels.map((_, i) => i / Math.max(1, labels.length - 1));
  const scale = scaleLinear([0, 1], [0, 1]);
  const x = (place: number) => scale(at[place] ?? 0);
  const plot = h("div", { class: "lines" });
  host.append(plot);

  drawToWidth(host, (width) => {
    const side = Math.min(width * 0.4, Math.max(...names.map((name) => Math.max(textWidth(name, FONT), 7.2 * name.length))) + 18);
    const left = Math.max(...tickLabels(ticks).map((label) => textWidth(label, FONT))) + 10;
    scale.range([left, Math.min(width, WIDEST) - side]);
    plot.replaceChildren(picture(Math.min(width, WIDEST), side));
  });

  function picture(width: number, side: number): SVGElement {
    const drawing = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    const [start = 0, end = 0] = scale.range();
    const heights = tickLabels(ticks);
    ticks.forEach((tick, place) => {
      drawing.append(svg("line", { x1: start, x2: end, y1: y(tick), y2: y(tick), class: tick === 0 ? "zero" : "grid" }));
      drawing.append(
        svg("text", { x: start - 8, y: y(tick), "text-anchor": "end", "dominant-baseline": "central" }, heights[place] ?? ""),
      );
    });
    const marks = labels.map((label) => shortened(tokenText(label), 12));
    const widest = marks.reduce((most, name) => Math.max(most, textWidth(name, FONT)), 0);
    const every = Math.ceil(((widest + 8) * labels.length) / Math.max(1, end - start));
    let free = -Infinity;
    marks.forEach((mark, place) => {
      const half = textWidth(mark, FONT) / 2;
      const fits = axes.x.at ? x(place) - half >= free : place % every === 0;
      if (!fits) return;
      free = x(place) + half + 8;
      drawing.append(svg("text", { x: x(place), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, mark));
    });
    drawing.append(
      svg(
        "text",
        { x: (start + end) / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "axis" },
        shortened(visible(axes.x.name), 30),
      ),
    );
    drawing.append(...controlBand(start, end));
    data.series.forEach((one, place) => drawing.append(curve(one, place)));
    nameHeights(data.series.map((one) => y(one.values.findLast((value) => value !== null) ?? 0))).forEach((height, place) => {
      const name = shortened(names[place] ?? "", Math.floor((side - 14) / 7.2));
      drawing.append(
        svg("text", { x: end + 10, y: height, "dominant-baseline": "central", class: `name series-${place}` }, name),
      );
    });
    return drawing;
  }

  function curve({ values, low, high }: Series, place: number): SVGElement {
    const group = svg("g", { class: `series-${place}` });
    if (low && high) group.append(svg("path", { class: "interval", d: between(low, high) }));
    group.append(svg("path", { class: "curve", d: through(values) }));
    if (values.length <= 40)
      values.forEach((value, i) => value !== null && group.append(svg("circle", { cx: x(i), cy: y(value), r: 2.5 })));
    return group;
  }

  function through(values: Value[]): string {
    const path = line<Value>()
      .defined((value) => value !== null)
      .x((_, i) => x(i))
      .y((value) => y(value ?? 0));
    return path(values) ?? "";
  }

  function between(low: Value[], high: Value[]): string {
    const band = area<Value>()
      .defined((value, i) => value !== null && (high[i] ?? null) !== null)
      .x((_, i) => x(i))
      .y0((value) => y(value ?? 0))
      .y1((_, i) => y(high[i] ?? 0));
    return band(low) ?? "";
  }

  function controlBand(start: number, end: number): SVGElement[] {
    const { values, low: lower, high: upper } = control;
    if (values)
      return [
        ...(lower && upper ? [svg("path", { class: "band", d: between(lower, upper) })] : []),
        svg("path", { class: "centre", d: through(values) }),
      ];
    if (control.value === undefined || control.value === null) return [];
    const [low, high] = control.interval ?? [control.value, control.value];
    const top = y(Math.max(low ?? 0, high ?? 0));
    return [
      svg("rect", {
        class: "band",
        x: start,
        width: Math.max(0, end - start),
        y: top,
        height: Math.max(1, y(Math.min(low ?? 0, high ?? 0)) - top),
      }),
      svg("line", { class: "centre", x1: start, x2: end, y1: y(control.value), y2: y(control.value) }),
    ];
  }

  const course: Series | null = control.values ? { name: control.name ?? "", ...control, values: control.values } : null;
  const words = [visible(unit)];
  if (control.label) words.push(`grey: control, ${proseText(control.label)}: ${readable(control.value ?? null)}`);
  if (control.name) words.push(`grey: control, ${proseText(control.name)}`);
  if (data.series.some((one) => one.low)) words.push("tinted: interval");
  host.append(h("p", { class: "key" }, ...words.map((word) => h("span", {}, word))));

  return {
    element: plot,
    rows: 1,
    cols: labels.length,
    columns: labels,
    at: (event) => {
      const across = event.clientX - plot.getBoundingClientRect().left;
      const [start = 0, end = 0] = scale.range();
      const reach = (end - start) / Math.max(1, labels.length - 1) / 2;
      if (across < start - reach || across > end + reach) return null;
      const away = at.map((_, place) => Math.abs(x(place) - across));
      return { row: 0, col: away.indexOf(Math.min(...away)) };
    },
    box: ({ col }) => {
      const frame = plot.getBoundingClientRect();
      return new DOMRect(frame.left + x(col) - 1, frame.top + TOP, 2, HEIGHT - TOP - BOTTOM);
    },
    read: ({ col }) => ({
      head: [`${visible(axes.x.name)} ${tokenText(labels[col] ?? "")}`],
      value: visible(unit),
      lines: [
        ...data.series.map((one, place): [string, string] => [names[place] ?? "", within(one, col)]),
        ...(course ? [[`control, ${proseText(course.name)}`, within(course, col)] as [string, string]] : []),
      ],
    }),
  };
}

/** Names stand at the ends of their lines, moved up where lines end together. */
function nameHeights(ends: number[]): number[] {
  const heights = [...ends];
  let free = HEIGHT - BOTTOM - 4;
  for (const place of ends.map((_, i) => i).sort((a, b) => (ends[b] ?? 0) - (ends[a] ?? 0))) {
    heights[place] = Math.min(ends[place] ?? 0, free);
    free = (heights[place] ?? 0) - 15;
  }
  return heights;
}

function within({ values, low, high }: Series, col: number): string {
  const value = exact(values[col] ?? null);
  return low && high ? `${value} (${exact(low[col] ?? null)} to ${exact(high[col] ?? null)})` : value;
}
