// How samples are spread: one violin per label, on one scale, with quartiles, extremes and the samples where they are few.

import { h, svg } from "../dom.ts";
import type { Stage } from "../explore.ts";
import { limited } from "../limited.ts";
import { exact, largest, readable } from "../numbers.ts";
import { labelElements, visible } from "../text.ts";
import type { Violin, Violins } from "../types.ts";
import { band, row, track, trackKey, type Track } from "./track.ts";

const MOST = 24;
const HALF = 17; // half the height of a violin

export function drawViolins(host: HTMLElement, { data, control, unit }: Violins): Stage {
  const ends = data.violins.flatMap(({ quartiles }) => quartiles);
  const scale = track([...ends, control.value ?? null, ...(control.interval ?? [])]);
  const like = largest(ends);
  const labels = labelElements(data.labels);
  const rows = data.violins.map((one, place) => {
    const line = h("div", { class: "track" }, ...band(control, scale), scale.span(h("div", { class: "zero" }), 0, 0));
    line.append(...shape(one, scale));
    const figure = one.n ? readable(one.quartiles[2] ?? null, { like }) : "no samples";
    const drawn = row("row violin", labels[place] ?? "", line, figure);
    if (one.n) drawn.lastElementChild?.append(h("div", { class: "name" }, `n = ${one.n}`));
    drawn.dataset.row = String(place);
    return drawn;
  });
  const list = h("div", { class: "bars" }, ...rows, scale.foot());
  const missing = data.violins.reduce((sum, one) => sum + one.missing, 0);
  const few = data.violins.some(({ points }) => points.length > 0);
  host.append(
    list,
    limited(rows, MOST, "violins").button,
    trackKey(unit, "", control, false, like),
    h(
      "p",
      { class: "key" },
      h("span", {}, "width: density; bar: the middle half; ring: the median, also in figures"),
      few && h("span", {}, "dots: the samples, where they are few"),
      missing > 0 && h("span", {}, `${missing} samples are missing`),
    ),
  );
  return {
    element: list,
    get rows() {
      return rows.filter((one) => !one.hidden).length;
    },
    cols: 1,
    at: (event) => {
      const place = (event.target as HTMLElement).closest<HTMLElement>("[data-row]")?.dataset.row;
      return place === undefined ? null : { row: Number(place), col: 0 };
    },
    box: ({ row: place }) => rows[place]?.getBoundingClientRect() ?? new DOMRect(),
    read: ({ row: place }) => {
      const { n = 0, missing: gone = 0, quartiles = [] } = data.violins[place] ?? {};
      const [low, lower, middle, upper, high] = quartiles.map((value) => exact(value));
      return {
        head: [labels[place]?.cloneNode(true) ?? ""],
        value: n ? `median ${middle} ${visible(unit)}` : "no samples",
        lines: [
          ...(n ? [`middle half ${lower} to ${upper}`, `all ${low} to ${high}`, `n = ${n}`] : []),
          ...(gone ? [`${gone} missing`] : []),
        ],
      };
    },
  };
}

/** Density, middle half, median and samples, laid over the scale. */
function shape({ at, density, quartiles, points }: Violin, { span }: Track): HTMLElement[] {
  const [low, lower, middle, upper, high] = quartiles;
  if (low == null || high == null || lower == null || upper == null || middle == null) return [];
  const last = density.length - 1;
  const side = (sign: number) => density.map((share, place) => `${(100 * place) / last},${HALF * (1 + 0.94 * sign * share)}`);
  const outline = at.length
    ? [svg("polygon", { class: "density", points: [...side(-1), ...side(1).reverse()].join(" ") })]
    : [];
  const picture = svg("svg", { viewBox: `0 0 100 ${2 * HALF}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...outline);
  return [
    span(h("div", { class: "body" }, picture), low, high),
    span(h("div", { class: "half" }), lower, upper),
    ...points.map((value, place) => {
      const dot = span(h("div", { class: "dot" }), value, value);
      dot.style.top = `${50 + 26 * (((place * 7) % 5) / 2 - 1)}%`; // apart from each other, the same every time
      return dot;
    }),
    span(h("div", { class: "middle" }), middle, middle),
  ];
}
