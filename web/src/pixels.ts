// Pictures and maps as Python packs them: see `sonde/results/drawing/packing.py`.

import { bytes } from "./base64.ts";
import type { PackedMap, PackedPicture, Value } from "./types.ts";

const STEPS = 30_000;
const MISSING = -32_768;

/** The values of a map, with axes (row, col). */
export class ValueMap {
  readonly rows: number;
  readonly cols: number;
  readonly pool: number;
  readonly largest: number;
  private readonly steps: DataView;

  constructor({ rows, cols, pool, largest, steps }: PackedMap) {
    [this.rows, this.cols, this.pool, this.largest] = [rows, cols, pool, largest];
    this.steps = new DataView(bytes(steps).buffer);
  }

  at(row: number, col: number): Value {
    const value = this.painted(row * this.cols + col);
    return value === null ? null : Number(value.toPrecision(5));
  }

  /** the value at a place counted row by row, with more digits than it has: quick, for painting */
  painted(place: number): Value {
    const step = this.steps.getInt16(2 * place, true);
    return step === MISSING ? null : (step / STEPS) * this.largest;
  }
}

const drawn = { grey: new WeakMap<PackedPicture, HTMLCanvasElement>(), colour: new WeakMap<PackedPicture, HTMLCanvasElement>() };

/** A picture as a canvas of its own size; in grey where something is laid over it. Made once, however often it is painted. */
export function pictureCanvas(picture: PackedPicture, grey: boolean): HTMLCanvasElement {
  const kept = drawn[grey ? "grey" : "colour"];
  const canvas = kept.get(picture) ?? made(picture, grey);
  kept.set(picture, canvas);
  return canvas;
}

function made({ rows, cols, channels, pixels }: PackedPicture, grey: boolean): HTMLCanvasElement {
  const stored = bytes(pixels);
  return canvasOf(rows, cols, (place) => {
    const red = stored[place * channels] ?? 0;
    const green = channels > 1 ? (stored[place * channels + 1] ?? 0) : red;
    const blue = channels > 1 ? (stored[place * channels + 2] ?? 0) : red;
    const light = Math.round(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    return grey ? rgba(light, light, light) : rgba(red, green, blue);
  });
}

/** A colour as canvases store it. */
function rgba(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** A canvas with one pixel per place, coloured as canvases store it. */
export function canvasOf(rows: number, cols: number, colour: (place: number) => number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const image = new ImageData(cols, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let place = 0; place < pixels.length; place++) pixels[place] = colour(place);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
