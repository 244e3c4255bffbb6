// Pictures and maps as Python packs them: see `sonde/results/drawing/packing.py`.

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
    const step = this.steps.getInt16(2 * (row * this.cols + col), true);
    return step === MISSING ? null : Number(((step / STEPS) * this.largest).toPrecision(5));
  }

  /** every value, row by row */
  *all(): Generator<{ row: number; col: number; value: Value }> {
    for (let row = 0; row < this.rows; row++) for (let col = 0; col < this.cols; col++) yield { row, col, value: this.at(row, col) };
  }
}

/** A picture as a canvas of its own size; in grey where something is laid over it. */
export function pictureCanvas({ rows, cols, channels, pixels }: PackedPicture, grey: boolean): HTMLCanvasElement {
  const stored = bytes(pixels);
  return canvasOf(rows, cols, (place) => {
    const [red = 0, green = red, blue = red] = stored.subarray(place * channels, (place + 1) * channels);
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return grey ? [light, light, light, 255] : [red, green, blue, 255];
  });
}

/** A canvas with one pixel per place. */
export function canvasOf(rows: number, cols: number, colour: (place: number) => ArrayLike<number>): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const image = new ImageData(cols, rows);
  for (let place = 0; place < rows * cols; place++) image.data.set(colour(place), 4 * place);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
