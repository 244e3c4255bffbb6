// Series over what goes round, as curves around a middle: a small rose for each, or all of them in one. From the right against the clock;
// what comes round more than once in a turn (an orientation) is drawn as often.

import { scaleLinear } from "d3-scale";
import { drawToWidth, h, svg, textWidth } from "../dom.ts";
import type { Cell, Stage } from "../explore.ts";
import { exact, readable } from "../numbers.ts";
import { prose, proseText, shortened, tokenText, visible } from "../text.ts";
import type { Rose, Series, Value } from "../types.ts";

const SMALL = { least: 150, most: 190 };
const LARGE = 380;
const MARGIN = 24; // for the names of the angles
const FONT = "600 12px system-ui, sans-serif";
const SPOKES = 4; // named ones, a quarter turn apart

interface Plot {
  box: HTMLElement;
  series: { one: Series; place: number }[];
  low: number;
  high: number;
}

export function drawRose(host: HTMLElement, { data, axes, unit }: Rose): Stage {
  const labels = axes.x.labels;
  const at = axes.x.at ?? labels.map((_, i) => i / Math.max(1, labels.length) / data.repeats);
  const numbered = data.series.map((one, place) => ({ one, place: data.together ? place : 0 }));
  const groups = data.together ? [numbered] : numbered.map((one) => [one]);
  const plots: Plot[] = groups.map((series) => {
    const known = series.flatMap(({ one }) => [...one.values, ...(one.low ?? []), ...(one.high ?? [])]).filter((value) => value !== null);
    return { box: h("div", { class: "rose-plot" }), series, low: Math.min(0, ...known), high: Math.max(0, ...known) };
  });
  const field = h("div", { class: `lines rose ${data.together ? "together" : "apart"}` }, ...plots.map(({ box }) => box));
  host.append(field, key());

  let side = LARGE;
  let pointed: Cell | null = null;
  drawToWidth(host, (width) => {
    const across = Math.max(1, Math.min(plots.length, Math.floor(width / SMALL.least)));
    side = data.together ? Math.min(LARGE, width) : Math.max(1, Math.min(SMALL.most, Math.floor(width / across) - 8));
    plots.forEach(draw);
  });

  function reach(plot: Plot) {
    const radius = Math.max(8, side / 2 - MARGIN);
    return scaleLinear([plot.low, plot.high === plot.low ? plot.low + 1 : plot.high], [0, radius]);
  }

  function draw(plot: Plot): void {
    const scale = reach(plot);
    const drawing = svg("svg", { width: side, height: side, viewBox: `${-side / 2} ${-side / 2} ${side} ${side}`, "aria-hidden": "true" });
    const rings = data.together ? scale.ticks(4).filter((tick) => tick > plot.low) : [plot.high].filter((top) => top > plot.low);
    for (const ring of rings) drawing.append(svg("circle", { r: scale(ring), class: ring === 0 ? "zero ring" : "grid ring" }));
    if (plot.low < 0 && !rings.includes(0)) drawing.append(svg("circle", { r: scale(0), class: "zero ring" }));
    for (let spoke = 0; spoke < SPOKES; spoke++) {
      const share = spoke / SPOKES;
      const [x, y] = on(share, side / 2 - MARGIN);
      drawing.append(svg("line", { x1: 0, y1: 0, x2: x, y2: y, class: "grid" }));
      const [left, up] = on(share, side / 2 - MARGIN / 2);
      drawing.append(svg("text", { x: left, y: up, "text-anchor": "middle", "dominant-baseline": "central" }, nameAt(share)));
    }
    plot.series.forEach(({ one, place }) => drawing.append(curve(one, place, scale)));
    if (data.together)
      rings.forEach((ring) => {
        const [x, y] = on(1 / 16, scale(ring)); // between the spokes, where no name of an angle stands
        drawing.append(svg("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central", class: "ring-name" }, readable(ring, { like: plot.high })));
      });
    drawing.append(svg("g", { class: "pointer" }));
    const captions = data.together ? [] : [caption(plot)];
    plot.box.replaceChildren(...captions, drawing);
    mark(plot);
  }

  function caption(plot: Plot): HTMLElement {
    const name = plot.series[0]?.one.name ?? "";
    const short = shortened(proseText(name), Math.max(6, Math.floor(side / 7.2)));
    const ends = plot.low < 0 ? `${readable(plot.low)} to ${readable(plot.high)}` : `to ${readable(plot.high)}`;
    return h("div", { class: "name" }, h("b", { title: proseText(name) }, short), h("span", {}, ends));
  }

  /** What stands at a share of the turn: the nearest place's label, if there is one right there. */
  function nameAt(share: number): string {
    const turn = (share * data.repeats) % 1;
    const place = at.findIndex((one) => Math.abs(((one * data.repeats) % 1) - turn) < 1e-6);
    const name = place < 0 ? "" : tokenText(labels[place] ?? "");
    return textWidth(name, FONT) > MARGIN * 1.6 ? "" : name;
  }

  function curve({ values, low, high }: Series, place: number, scale: (value: number) => number): SVGElement {
    const group = svg("g", { class: `series-${place}` });
    const whole = [low, high].every((ends) => ends?.every((end) => end !== null));
    if (low && high && whole) group.append(svg("path", { class: "interval", "fill-rule": "evenodd", d: around(low, scale) + around(high, scale) }));
    group.append(svg("path", { class: "curve", d: around(values, scale) }));
    return group;
  }

  /** The way through all places of a whole turn; closed, and broken where a value is missing. */
  function around(values: Value[], scale: (value: number) => number): string {
    const turn = Array.from({ length: data.repeats }, (_, again) => values.map((value, i) => ({ value, share: (at[i] ?? 0) + again / data.repeats }))).flat();
    let way = "";
    turn.forEach(({ value, share }, i) => {
      if (value !== null) way += `${i && turn[i - 1]?.value !== null ? "L" : "M"}${on(share, scale(value)).join()}`;
    });
    const [first, last] = [turn[0], turn[turn.length - 1]];
    if (!first || first.value === null || last?.value === null) return way;
    return turn.every(({ value }) => value !== null) ? `${way}Z` : `${way}L${on(first.share, scale(first.value)).join()}`;
  }

  function mark(plot: Plot): void {
    const pointer = plot.box.querySelector(".pointer");
    if (!pointer) return;
    const here = pointed && (data.together || plots[pointed.row] === plot) ? pointed : null;
    const [x, y] = on(here ? (at[here.col] ?? 0) : 0, side / 2 - MARGIN);
    pointer.replaceChildren(...(here ? [svg("line", { x1: data.repeats % 2 ? 0 : -x, y1: data.repeats % 2 ? 0 : -y, x2: x, y2: y, class: "centre" })] : []));
  }

  function key(): HTMLElement {
    const items = data.together
      ? data.series.map((one, place) =>
          h(
            "span",
            { class: `item series-${place}` },
            svg("svg", { width: 22, height: 12, "aria-hidden": "true" }, svg("path", { class: "curve", d: "M0,6H22" })),
            h("span", { class: "words" }, ...prose(one.name)),
          ),
        )
      : [];
    const words = [
      unit && `outwards: ${visible(unit)}`,
      `around: ${visible(axes.x.name)}, from the right against the clock`,
      data.repeats > 1 && `comes round ${data.repeats} times in a turn`,
      !data.together && plots.length > 1 && "each to its own largest",
      plots.some(({ low }) => low < 0) && "the inner ring is zero",
      data.series.some((one) => one.low) && "tinted: interval",
    ].filter((word): word is string => typeof word === "string" && word !== "");
    return h("p", { class: "key" }, ...items, ...words.map((word) => h("span", {}, word)));
  }

  const middle = (row: number): DOMRect | null => plots[row]?.box.querySelector("svg")?.getBoundingClientRect() ?? null;
  return {
    element: field,
    rows: plots.length,
    cols: labels.length,
    columns: labels,
    at: (event) => {
      for (let row = 0; row < plots.length; row++) {
        const box = middle(row);
        if (!box || event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) continue;
        const [x, y] = [event.clientX - box.left - box.width / 2, box.top + box.height / 2 - event.clientY];
        const turn = (Math.atan2(y, x) / (2 * Math.PI)) * data.repeats;
        const away = at.map((share) => Math.abs(((share * data.repeats - turn) % 1 + 1.5) % 1 - 0.5));
        return { row, col: away.indexOf(Math.min(...away)) };
      }
      return null;
    },
    box: ({ row, col }) => {
      const [box, plot] = [middle(row), plots[row]];
      if (!box || !plot) return new DOMRect();
      const largest = plot.series.reduce((most: number, { one }) => Math.max(most, one.values[col] ?? plot.low), plot.low);
      const [x, y] = on(at[col] ?? 0, reach(plot)(largest));
      return new DOMRect(box.left + box.width / 2 + x - 5, box.top + box.height / 2 + y - 5, 10, 10);
    },
    read: ({ row, col }) => {
      const series = plots[row]?.series ?? [];
      return {
        head: [`${visible(axes.x.name)} ${tokenText(labels[col] ?? "")}`],
        value: visible(unit),
        lines: series.map(({ one }): [string, string] => [proseText(one.name), within(one, col)]),
      };
    },
    point: (cell) => {
      pointed = cell;
      plots.forEach(mark);
    },
  };
}

/** A place at a share of a turn, from the right against the clock; y points down, as on a screen. */
function on(share: number, radius: number): [number, number] {
  const turn = share * 2 * Math.PI;
  return [radius * Math.cos(turn), -radius * Math.sin(turn)];
}

function within({ values, low, high }: Series, col: number): string {
  const value = exact(values[col] ?? null);
  return low && high ? `${value} (${exact(low[col] ?? null)} to ${exact(high[col] ?? null)})` : value;
}
