// A heat map over the picture that it speaks of: both, or one of them alone.

import { drawToWidth, h } from "../dom.ts";
import { paintOver, type Painting, type View } from "../easel.ts";
import type { Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact, readable } from "../numbers.ts";
import { ValueMap } from "../pixels.ts";
import { proseText, visible } from "../text.ts";
import type { Colours, Control, Overlay, PackedPicture } from "../types.ts";

const LARGEST = 420;
const STRENGTH = 0.9;

/** A stage whose map may change. */
export interface EaselStage extends Stage {
  show(picture: PackedPicture, map: ValueMap, legend: Colours): void;
}

export function drawOverlay(host: HTMLElement, { data, legend, unit, control }: Overlay): Stage {
  const map = new ValueMap(data.map);
  const stage = drawEasel(host, { picture: data.picture, map, legend, smooth: data.smooth }, unit);
  host.append(colourKey(legend, unit), pictureKey(data.picture, map, control));
  return stage;
}

/** The painted picture and what is chosen about it. */
export function drawEasel(host: HTMLElement, first: Omit<Painting, "view" | "strength">, unit: string): EaselStage {
  const painting: Painting = { ...first, view: "both", strength: STRENGTH };
  const canvas = h("canvas", { "aria-hidden": "true" });
  const plot = h("div", { class: "easel" }, canvas);
  let room = 0;
  const paint = () => {
    if (!room) return;
    const { rows, cols } = painting.picture;
    const scale = Math.min(Math.min(room, LARGEST) / cols, LARGEST / rows);
    const [width, height] = [Math.max(1, cols * scale), Math.max(1, rows * scale)];
    plot.style.width = `${width}px`;
    paintOver(canvas, width, height, painting);
  };
  host.append(plot, choices(painting, paint));
  drawToWidth(host, (width) => {
    room = width;
    paint();
  });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", paint);

  return {
    element: plot,
    show: (picture, map, legend) => {
      Object.assign(painting, { picture, map, legend });
      paint();
    },
    get rows() {
      return painting.map.rows;
    },
    get cols() {
      return painting.map.cols;
    },
    at: (event) => {
      const frame = canvas.getBoundingClientRect();
      const row = Math.floor(((event.clientY - frame.top) / frame.height) * painting.map.rows);
      const col = Math.floor(((event.clientX - frame.left) / frame.width) * painting.map.cols);
      return row >= 0 && col >= 0 && row < painting.map.rows && col < painting.map.cols ? { row, col } : null;
    },
    box: ({ row, col }) => {
      const frame = canvas.getBoundingClientRect();
      const [cellWidth, cellHeight] = [frame.width / painting.map.cols, frame.height / painting.map.rows];
      return new DOMRect(frame.left + col * cellWidth, frame.top + row * cellHeight, cellWidth, cellHeight);
    },
    read: ({ row, col }) => ({
      head: [`row ${row}, column ${col}`],
      value: `${exact(painting.map.at(row, col), painting.legend.low < 0)} ${visible(unit)}`,
    }),
  };
}

/** Which layers are seen, and how strong the map is. */
function choices(painting: Painting, repaint: () => void): HTMLElement {
  const names: [View, string][] = [
    ["both", "map over picture"],
    ["picture", "picture"],
    ["map", "map"],
  ];
  const slider = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: painting.strength, "aria-label": "Strength of the map" });
  slider.addEventListener("input", () => {
    painting.strength = Number(slider.value);
    repaint();
  });
  const buttons = names.map(([view, name]) => {
    const button = h("button", { type: "button" }, name);
    button.addEventListener("click", () => choose(view));
    return button;
  });
  const choose = (view: View) => {
    painting.view = view;
    slider.disabled = view !== "both";
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(names[place]?.[0] === view)));
    repaint();
  };
  choose(painting.view);
  return h("div", { class: "choices unseen" }, ...buttons, slider);
}

/** What was done to the picture and the map, and the control. */
export function pictureKey(picture: PackedPicture, map: ValueMap, control: Control = {}): HTMLElement {
  const [low, high] = picture.range;
  const covers = [picture.rows / map.rows, picture.cols / map.cols].map((pixels) => exact(Math.round(pixels * picture.pool * 10) / 10));
  const ends = control.interval ? ` (${control.interval.map((end) => readable(end, { like: control.value ?? undefined })).join(" to ")})` : "";
  const words = [
    (low !== 0 || high !== 1) && `picture: ${readable(low)} is black, ${readable(high)} is white`,
    (picture.rows !== map.rows || picture.cols !== map.cols) && `each value covers ${covers.join(" × ")} pixels`,
    picture.pool > 1 && `the picture is drawn at 1/${picture.pool} of its size`,
    map.pool > 1 && `each value drawn is the one of largest size among ${map.pool} × ${map.pool}`,
    control.label && `control, ${proseText(control.label)}: ${readable(control.value ?? null)}${ends}`,
  ].filter((word): word is string => typeof word === "string" && word !== "");
  return h("p", { class: "key" }, ...words.map((word) => h("span", {}, word)));
}
