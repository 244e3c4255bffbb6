// Pictures in a grid, and signed maps between them, each with its value and a line of words; the one that was opened stands beside it, large.

import { drawToWidth, h } from "../dom.ts";
import { paintOver } from "../easel.ts";
import type { Cell, Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact, readable } from "../numbers.ts";
import { pictureCanvas, ValueMap } from "../pixels.ts";
import { labelElements, prose, visible } from "../text.ts";
import type { Colours, PackedPicture, PictureGrid } from "../types.ts";
import { cellName, cellStage } from "./cells.ts";

const SMALL = { least: 44, most: 150 };
const LARGE = 384;

export function drawPictureGrid(host: HTMLElement, { data, axes, legend, unit }: PictureGrid): Stage {
  const { row: rowAxis, col: colAxis } = axes;
  const maps = data.maps?.map((line) => line.map((packed) => packed && new ValueMap(packed)));
  const shownAt = ({ row, col }: Cell) => data.pictures[row]?.[col] ?? maps?.[row]?.[col] ?? null;
  const put = (canvas: HTMLCanvasElement, shown: PackedPicture | ValueMap, side: number) =>
    shown instanceof ValueMap ? paintMap(canvas, shown, legend as Colours, side) : paint(canvas, shown, side);
  const wordsOf = ({ row, col }: Cell) => {
    const value = data.values?.[row]?.[col];
    const detail = data.details?.[row]?.[col];
    return { value: value === null || value === undefined ? "" : readable(value), detail: detail ?? "" };
  };
  const cells = data.pictures.map((line, row) =>
    line.map((_, col) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      const shown = shownAt({ row, col });
      const { value, detail } = wordsOf({ row, col });
      const names = [value, detail].filter((words) => words !== "");
      const link = linkOf(data.links?.[row]?.[col]);
      return {
        canvas,
        box: h("td", { "data-row": row, "data-col": col, class: shown ? "small" : "small none" }, canvas, ...names.map((words) => h("div", { class: "name" }, ...prose(words))), ...(link ? [h("div", { class: "name" }, link)] : [])),
      };
    }),
  );
  const [rowNames, colNames] = [labelElements(rowAxis.labels), labelElements(colAxis.labels)];
  const head = h("tr", {}, h("th", { scope: "col", class: "corner" }, visible(rowAxis.name)), ...colNames.map((name) => h("th", { scope: "col" }, name)));
  const body = cells.map((line, row) => h("tr", {}, h("th", { scope: "row" }, rowNames[row] ?? ""), ...line.map(({ box }) => box)));
  const grid = h("div", { class: "gallery" }, h("p", { class: "axis-name" }, visible(colAxis.name)), h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)));
  const caption = h("p", { class: "part-label" });
  const large = h("canvas", { "aria-hidden": "true" });
  const key = h("p", { class: "key" });
  const seat = h("div", { class: "seat" }, caption, h("div", { class: "easel" }, large), key);
  host.append(h("div", { class: "gallery-parts" }, grid, seat));
  if (maps) host.append(colourKey(legend as Colours, data.map_unit ?? ""));

  let chosen: Cell | null = null;
  const paintLarge = () => {
    const shown = chosen && shownAt(chosen);
    // beside a wide grid the seat may be narrower than the page
    if (shown) put(large, shown, Math.min(LARGE, Math.max(1, (seat.clientWidth || host.clientWidth) - 8)));
  };
  const open = (cell: Cell) => {
    const shown = shownAt(cell);
    if (!shown) return;
    chosen = cell;
    cells.forEach((line, r) => line.forEach(({ box }, c) => box.classList.toggle("chosen", r === cell.row && c === cell.col)));
    caption.replaceChildren(h("b", {}, ...(rowNames[cell.row]?.cloneNode(true).childNodes ?? [])), " · ", ...(colNames[cell.col]?.cloneNode(true).childNodes ?? []));
    const { value, detail } = wordsOf(cell);
    const [low, high] = shown instanceof ValueMap ? [0, 1] : shown.range;
    const words = [
      value && `${value} ${visible(unit)}`,
      detail,
      (low !== 0 || high !== 1) && `${readable(low)} is black, ${readable(high)} is white`,
      shown instanceof ValueMap && `largest size ${readable(shown.largest)} ${visible(data.map_unit ?? "")}`,
      shown.pool > 1 && `drawn at 1/${shown.pool} of its size`,
    ].filter((word): word is string => typeof word === "string" && word !== "");
    key.replaceChildren(...words.map((word) => h("span", {}, ...prose(word))));
    paintLarge();
  };
  const first = data.pictures.flatMap((line, row) => line.map((_, col) => ({ row, col }))).find(shownAt);
  if (data.opened) open({ row: data.opened[0], col: data.opened[1] });
  else if (first) open(first);

  const paintAll = (width: number) => {
    const labels = Math.max(...body.map((line) => line.firstElementChild?.getBoundingClientRect().width ?? 0), 0);
    const room = (Math.min(width, 900) - labels) / Math.max(1, colAxis.labels.length) - 8;
    const side = Math.floor(Math.max(SMALL.least, Math.min(SMALL.most, room)));
    data.pictures.forEach((line, row) =>
      line.forEach((_, col) => {
        const canvas = cells[row]?.[col]?.canvas;
        const shown = shownAt({ row, col });
        if (canvas && shown) put(canvas, shown, side);
      }),
    );
    paintLarge();
  };
  drawToWidth(host, paintAll);
  if (maps) for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", () => paintAll(host.clientWidth));

  return {
    ...cellStage(grid, rowAxis, colAxis, cells),
    read: ({ row, col }) => {
      const value = data.values?.[row]?.[col];
      const { detail } = wordsOf({ row, col });
      const map = maps?.[row]?.[col];
      const there = data.pictures[row]?.[col] ? "a picture" : map ? `largest size ${exact(map.largest)} ${visible(data.map_unit ?? "")}` : "no picture";
      return {
        head: [cellName(rowAxis, colAxis, { row, col })],
        value: value === null || value === undefined ? there : `${exact(value)} ${visible(unit)}`,
        lines: detail ? [visible(detail)] : [],
      };
    },
    open,
  };
}

/** Where more is told of a picture: a page beside this one, and nothing else. */
function linkOf(file: string | null | undefined): HTMLElement | null {
  if (!file || !/^[\w-][\w.-]*\.html$/.test(file)) return null;
  const link = h("a", { href: file }, "its page");
  // a click or Enter goes there, and does not open the picture as well
  for (const kind of ["click", "keydown"]) link.addEventListener(kind, (event) => event.stopPropagation());
  return link;
}

/** Paint a picture so that its longer side has this many pixels of the page. */
function paint(canvas: HTMLCanvasElement, picture: PackedPicture, side: number): void {
  const { rows, cols } = picture;
  const scale = side / Math.max(rows, cols);
  const [width, height] = [Math.max(1, cols * scale), Math.max(1, rows * scale)];
  const dense = Math.max(2, devicePixelRatio); // at least two, for print
  canvas.width = Math.max(1, Math.round(width * dense));
  canvas.height = Math.max(1, Math.round(height * dense));
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  if (!context) return;
  // a picture's own pixels are seen as such; one that is drawn smaller is averaged
  context.imageSmoothingEnabled = cols > canvas.width;
  context.imageSmoothingQuality = "high";
  context.drawImage(pictureCanvas(picture, false), 0, 0, canvas.width, canvas.height);
}

/** Paint a map in the colours of its values, so that its longer side has this many pixels of the page. */
function paintMap(canvas: HTMLCanvasElement, map: ValueMap, legend: Colours, side: number): void {
  const scale = side / Math.max(map.rows, map.cols);
  const [width, height] = [Math.max(1, map.cols * scale), Math.max(1, map.rows * scale)];
  paintOver(canvas, width, height, { picture: null, map, legend, smooth: false, view: "map", strength: 1 });
}
