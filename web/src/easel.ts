// A picture and the map over it, or a map by itself, painted on a canvas of any size.

import { isClipped, paintOf, shade } from "./colour.ts";
import { bar, hatch } from "./marks.ts";
import { canvasOf, pictureCanvas, type ValueMap } from "./pixels.ts";
import type { Colours, PackedPicture } from "./types.ts";

export type View = "both" | "picture" | "map";

export interface Painting {
  picture: PackedPicture;
  map: ValueMap;
  legend: Colours;
  smooth: boolean;
  view: View;
  /** how opaque the map is at its largest values, from 0 to 1 */
  strength: number;
}

/** A map that stands by itself. */
export type MapAlone = Omit<Painting, "picture" | "view"> & { picture: null; view: "map" };

const FADED = 0.6; // a picture under its map: colours must be told from it
const SHADES = 255;

/** Paint at this width and height in pixels of the page. */
export function paintOver(canvas: HTMLCanvasElement, width: number, height: number, painting: Painting | MapAlone): void {
  const { picture, map, legend, smooth, view, strength } = painting;
  const scale = Math.max(2, devicePixelRatio); // at least two, for print
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  if (!context) return;
  const named = paintOf(canvas);
  context.scale(scale, scale);
  context.fillStyle = named("page");
  context.fillRect(0, 0, width, height);
  const lay = (layer: HTMLCanvasElement, smoothed: boolean, alpha: number) => {
    context.imageSmoothingEnabled = smoothed;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = alpha;
    context.drawImage(layer, 0, 0, width, height);
    context.globalAlpha = 1;
  };
  // a picture's own pixels are seen as such; one that is drawn smaller is averaged
  if (picture && view !== "map") lay(pictureCanvas(picture, view === "both"), picture.cols > canvas.width, view === "both" ? FADED : 1);
  if (view === "picture") return;
  lay(mapCanvas(map, legend, named, view), smooth || map.cols > canvas.width, view === "both" ? strength : 1);
  const [cellWidth, cellHeight] = [width / map.cols, height / map.rows];
  for (let place = 0; place < map.rows * map.cols; place++) {
    const value = map.painted(place);
    if (value !== null && !isClipped(value, legend)) continue;
    const [row, col] = [Math.floor(place / map.cols), place % map.cols];
    const box: [number, number, number, number] = [col * cellWidth, row * cellHeight, cellWidth, cellHeight];
    if (value === null) hatch(context, box, named("hatch"));
    else bar(context, box, named("ink"));
  }
}

/** The map with one pixel per value: opaque by itself, the more transparent the nearer to zero where a picture lies under it. */
function mapCanvas(map: ValueMap, legend: Colours, named: (name: string) => string, view: View): HTMLCanvasElement {
  const under = view === "both";
  const signed = legend.low < 0;
  const unit = { ...legend, high: 1, low: signed ? -1 : 0 };
  const [above, below] = [shades(1, unit, named, under), shades(-1, unit, named, under)];
  return canvasOf(map.rows, map.cols, (place) => {
    const value = map.painted(place) ?? 0;
    const share = legend.high ? Math.min(1, Math.abs(value) / legend.high) : 0;
    const step = value < 0 && !signed ? 0 : Math.round(share * SHADES);
    return (value < 0 ? below : above)[step] ?? 0;
  });
}

/** The colours of one sign from zero to full, as canvases store them. */
function shades(sign: number, legend: Colours, named: (name: string) => string, under: boolean): Uint32Array {
  const strip = document.createElement("canvas");
  strip.width = SHADES + 1;
  strip.height = 1;
  const context = strip.getContext("2d", { willReadFrequently: true });
  if (!context) return new Uint32Array(SHADES + 1);
  for (let step = 0; step <= SHADES; step++) {
    context.fillStyle = shade(under ? sign : (sign * step) / SHADES, legend, named);
    context.fillRect(step, 0, 1, 1);
  }
  const bytes = context.getImageData(0, 0, SHADES + 1, 1).data;
  if (under) for (let step = 0; step <= SHADES; step++) bytes[4 * step + 3] = step;
  return new Uint32Array(bytes.buffer);
}
