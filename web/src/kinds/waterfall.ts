// Contributions from zero to their total: each bar begins where the one before it ended. The smallest are one bar until all are asked for.

import { h } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { exact, largest, readable } from "../numbers.ts";
import { labelElements, proseText, visible } from "../text.ts";
import type { Interval, Value, Waterfall } from "../types.ts";
import { band, marks, row, track, trackKey } from "./track.ts";

const MOST = 14;

/** One row: what is added, and where the sum stands before it. */
interface Step {
  label: HTMLElement;
  value: number;
  from: number;
  kind: "part" | "rest" | "remainder" | "total";
  interval?: Interval;
  own?: Value;
}

export function drawWaterfall(host: HTMLElement, drawing: Waterfall): Stage {
  const { data, control, legend, unit } = drawing;
  const steps = stepsOf(drawing);
  const reach = steps.flatMap(({ from, value, interval, own }) => {
    const ends = [0, value, own ?? 0, ...(interval ?? []), ...(control.interval ?? [control.value ?? 0])];
    return ends.map((end) => from + (end ?? 0));
  });
  const scale = track(reach);
  const like = largest(data.values) || Math.abs(data.total);
  const rows = steps.map(({ label, value, from, kind, interval, own }, place) => {
    const line = h("div", { class: "track" });
    if (kind === "part") line.append(...band(control, scale, from));
    line.append(
      scale.span(h("div", { class: "zero" }), 0, 0),
      scale.span(h("div", { class: `bar ${kind} ${value < 0 ? "negative" : "positive"}` }), from, from + value),
    );
    if (kind !== "total") line.append(scale.span(h("div", { class: "run" }), from + value, from + value));
    line.append(...marks(interval, own, scale, from));
    const drawn = row(`row ${kind}`, label, line, readable(value, { signed: true, like }));
    drawn.dataset.row = String(place);
    return drawn;
  });
  const list = h("div", { class: "bars waterfall" }, ...rows, scale.foot());
  host.append(list, ...folded(rows, steps), trackKey(unit, legend.zero, control, data.intervals !== undefined, like));
  const shown = () => rows.filter((one) => !one.hidden);
  return {
    element: list,
    get rows() {
      return shown().length;
    },
    cols: 1,
    at: (event) => {
      const found = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
      return found ? { row: shown().indexOf(found), col: 0 } : null;
    },
    box: (cell) => shown()[cell.row]?.getBoundingClientRect() ?? new DOMRect(),
    read: (cell) => {
      const step = steps[Number(shown()[cell.row]?.dataset.row)];
      if (!step) return null;
      const { label, value, from, kind, interval, own } = step;
      return {
        head: [label.cloneNode(true)],
        value: `${exact(value, true)} ${visible(unit)}`,
        lines: [
          ...(kind === "total" ? [] : [`the sum after it ${readable(from + value, { signed: true, like })}`]),
          ...(interval ? [`interval ${exact(interval[0], true)} to ${exact(interval[1], true)}`] : []),
          ...(own !== undefined ? [`${proseText(control.each ?? "control")} ${exact(own, true)}`] : []),
        ],
      };
    },
  };
}

function stepsOf({ data }: Waterfall): Step[] {
  let sum = 0;
  const labels = labelElements(data.labels);
  const steps: Step[] = data.values.map((value, place) => {
    const step: Step = { label: labels[place] ?? h("bdi"), value, from: sum, kind: "part" };
    const [interval, own] = [data.intervals?.[place], data.controls?.[place]];
    if (interval) step.interval = interval;
    if (own !== undefined) step.own = own;
    sum += value;
    return step;
  });
  const first = steps[MOST];
  if (first && steps.length > MOST + 1)
    steps.push({
      label: h("bdi", {}, `the ${steps.length - MOST} smallest, summed`),
      value: sum - first.from,
      from: first.from,
      kind: "rest",
    });
  if (data.remainder !== null) {
    steps.push({ label: h("bdi", {}, "remainder"), value: data.remainder, from: sum, kind: "remainder" });
  }
  return [...steps, { label: h("bdi", {}, "total"), value: data.total, from: 0, kind: "total" }];
}

/** The button that tells the smallest contributions apart, where they are summed. */
function folded(rows: HTMLElement[], steps: Step[]): HTMLElement[] {
  const sum = rows.find((_, place) => steps[place]?.kind === "rest");
  if (!sum) return [];
  const small = rows.filter((_, place) => steps[place]?.kind === "part").slice(MOST);
  const button = h("button", { type: "button", class: "more" });
  const show = (all: boolean) => {
    small.forEach((one) => (one.hidden = !all));
    sum.hidden = all;
    button.textContent = all ? `Sum up the ${small.length} smallest` : `Show the ${small.length} smallest one by one`;
    button.setAttribute("aria-expanded", String(all));
  };
  button.addEventListener("click", () => show(sum.hidden === false));
  show(false);
  return [button];
}
