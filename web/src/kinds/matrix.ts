// A heat map with named axes and the means of its rows and columns. The cells are painted on a canvas, so that a big one costs no more
// elements than a small one; labels and means are vector.

import { isClipped, paintOf, shade } from "../colour.ts";
import { drawToWidth, h, svg, textWidth } from "../dom.ts";
import type { Cell, Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { bar, hatch, type Box } from "../marks.ts";
import { exact, largest, readable } from "../numbers.ts";
import { placeElements, shortened, tokenText, visible } from "../text.ts";
import type { Matrix, Value } from "../types.ts";

const SMALLEST = 4; // pixels: cells that would be narrower are pooled
const WIDEST = 36;
const FEW_CELLS = 100; // whose values are written into them, where they fit
const WIDE_ENOUGH = 44;
const TALLEST = 560;
const FEW_ROWS = 240; // pixels
const FONT = "11px ui-monospace, monospace";
const MEANS = 44; // the length of the longest mean
const TILT = (50 * Math.PI) / 180;

/** How many values a drawn cell stands for, and how the drawn cells lie. */
interface Layout {
  pool: Cell;
  rows: number;
  cols: number;
  left: number;
  top: number;
  cellWidth: number;
  cellHeight: number;
  /** column labels that do not fit above their cells rise to the right */
  tilted: boolean;
}

/** A drawn matrix, whose values and mark may change. */
export interface MatrixStage extends Stage {
  /** the place of the value that a drawn cell shows */
  found(cell: Cell): Cell;
  /** draw again, with a frame around one value's cell */
  redraw(mark: Cell | null): void;
}

export function drawMatrix(host: HTMLElement, drawing: Pick<Matrix, "axes" | "data" | "legend" | "unit">): MatrixStage {
  const plot = h("div", { class: "matrix" });
  const rule = h("p", { class: "key", hidden: "" });
  host.append(plot, rule, colourKey(drawing.legend, drawing.unit));
  const { row, col } = drawing.axes;
  let layout = layoutFor(640, drawing);
  let mark: Cell | null = null;
  let repaint = () => {};
  const drawAt = (width: number) => {
    layout = layoutFor(width, drawing);
    const canvas = h("canvas", { "aria-hidden": "true" });
    repaint = () => paint(canvas, layout, drawing);
    plot.replaceChildren(canvas, annotations(layout, drawing, mark));
    plot.style.height = `${layout.top + layout.rows * layout.cellHeight + MEANS + 8}px`;
    repaint();
    rule.hidden = layout.pool.row * layout.pool.col === 1;
    rule.textContent = `Too many values to draw one by one: each cell shows the one of largest size among ${layout.pool.row} × ${layout.pool.col}.`;
  };
  drawToWidth(host, drawAt);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", () => repaint());

  const found = (cell: Cell) => strongest(drawing.data.values, layout.pool, cell);

  return {
    element: plot,
    found,
    redraw: (marked) => {
      mark = marked;
      if (plot.hasChildNodes()) drawAt(Math.floor(host.clientWidth)); // before that, it is drawn once its width is known
    },
    drawn: (place) => Math.floor(place / layout.pool.col),
    column: (cell) => found(cell).col,
    get rows() {
      return layout.rows;
    },
    get cols() {
      return layout.cols;
    },
    columns: col.labels,
    at: (event) => {
      const frame = plot.getBoundingClientRect();
      const cell = {
        row: Math.floor((event.clientY - frame.top - layout.top) / layout.cellHeight),
        col: Math.floor((event.clientX - frame.left - layout.left) / layout.cellWidth),
      };
      return cell.row >= 0 && cell.col >= 0 && cell.row < layout.rows && cell.col < layout.cols ? cell : null;
    },
    box: (cell) => {
      const frame = plot.getBoundingClientRect();
      const { left, top, cellWidth, cellHeight } = layout;
      return new DOMRect(
        frame.left + left + cell.col * cellWidth,
        frame.top + top + cell.row * cellHeight,
        cellWidth,
        cellHeight,
      );
    },
    read: (cell) => {
      const place = found(cell);
      const value = drawing.data.values[place.row]?.[place.col] ?? null;
      const detail = drawing.data.details?.[place.row]?.[place.col];
      return {
        head: [
          `${visible(row.name)} `,
          ...placeElements(row.labels[place.row] ?? "", place.row),
          `, ${visible(col.name)} `,
          ...placeElements(col.labels[place.col] ?? "", place.col),
        ],
        value: `${exact(value, drawing.legend.low < 0)} ${visible(drawing.unit)}`,
        lines: detail ? [visible(detail)] : [],
      };
    },
  };
}

type Cells = Pick<Matrix, "axes" | "data" | "legend">;

function layoutFor(width: number, { axes, data }: Cells): Layout {
  const widest = (labels: string[]) => labels.reduce((most, label) => Math.max(most, textWidth(shortLabel(label), FONT)), 0);
  const left = widest([axes.row.name, ...axes.row.labels]) + 12;
  const longest = widest(axes.col.labels);
  const right = Math.max(data.row_means.length ? MEANS + 22 : 0, longest * Math.cos(TILT));
  const room = Math.max(60, width - left - right);
  const pool = {
    row: Math.max(1, Math.ceil((axes.row.labels.length * SMALLEST) / TALLEST)),
    col: Math.max(1, Math.ceil((axes.col.labels.length * SMALLEST) / room)),
  };
  const rows = Math.ceil(axes.row.labels.length / pool.row);
  const cols = Math.ceil(axes.col.labels.length / pool.col);
  const cellWidth = Math.min(rows * cols <= FEW_CELLS ? WIDE_ENOUGH : WIDEST, room / Math.max(1, cols));
  // square when they can be; a few rows of narrow cells are made taller, so that they can be pointed at
  const cellHeight = Math.min(TALLEST / Math.max(1, rows), Math.max(Math.min(18, FEW_ROWS / Math.max(1, rows)), cellWidth));
  const tilted = longest > cellWidth - 4;
  return { pool, rows, cols, left, top: (tilted ? longest * Math.sin(TILT) + 8 : 14) + 20, cellWidth, cellHeight, tilted };
}

function paint(
  canvas: HTMLCanvasElement,
  { pool, rows, cols, left, top, cellWidth, cellHeight }: Layout,
  { data, legend }: Cells,
): void {
  const scale = Math.max(2, devicePixelRatio); // at least two, for print
  const [width, height] = [cols * cellWidth, rows * cellHeight];
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  if (!context) return;
  const named = paintOf(canvas);
  const gap = cellWidth > 10 ? 1 : 0;
  context.scale(scale, scale);
  context.fillStyle = named("panel"); // shows in the gaps: cells that are zero have the page's colour
  context.fillRect(0, 0, width, height);
  for (let row = 0; row < rows; row++)
    for (let col = 0; col < cols; col++) {
      const found = strongest(data.values, pool, { row, col });
      const value = data.values[found.row]?.[found.col] ?? null;
      const box: Box = [col * cellWidth, row * cellHeight, cellWidth - gap, cellHeight - gap];
      context.fillStyle = shade(value, legend, named);
      context.fillRect(...box);
      if (value === null) hatch(context, box, named("hatch"));
      if (isClipped(value, legend)) bar(context, box, named("ink"));
    }
}

/** Among the values that a drawn cell stands for, the place of the one of largest size. */
function strongest(values: Value[][], pool: Cell, drawn: Cell): Cell {
  let best = { row: drawn.row * pool.row, col: drawn.col * pool.col };
  let size = -1;
  for (let row = drawn.row * pool.row; row < Math.min(values.length, (drawn.row + 1) * pool.row); row++)
    for (let col = drawn.col * pool.col; col < (drawn.col + 1) * pool.col; col++) {
      const value = values[row]?.[col] ?? null;
      if (value !== null && Math.abs(value) > size) {
        size = Math.abs(value);
        best = { row, col };
      }
    }
  return best;
}

/** Labels, axis names, means and the mark. */
function annotations(layout: Layout, { axes, data, legend }: Cells, mark: Cell | null): SVGElement {
  const { pool, rows, cols, left, top, cellWidth, cellHeight, tilted } = layout;
  const picture = svg("svg", { class: "annotations", "aria-hidden": "true" });
  const right = left + cols * cellWidth;
  const bottom = top + rows * cellHeight;
  const text = (content: string, x: number, y: number, attributes: Record<string, string | number> = {}) =>
    picture.append(svg("text", { x, y, ...attributes }, content));
  const mean = (x: number, y: number, width: number, height: number) =>
    picture.append(svg("rect", { x, y, width, height, class: "mean" }));

  text(shortLabel(axes.row.name), left - 8, top - 8, { class: "axis", "text-anchor": "end" });
  text(shortLabel(axes.col.name), left, 11, { class: "axis" });
  if (data.row_means.length) text(data.means, right + 6, top - 4, { class: "axis" });
  else text(data.means, left - 8, bottom + 14, { class: "axis", "text-anchor": "end" });

  const everyRow = Math.ceil(12 / cellHeight);
  const longestRow = largest(data.row_means);
  for (let row = 0; row < rows; row++) {
    const y = top + row * cellHeight;
    const name = axes.row.labels[row * pool.row] ?? "";
    if (row % everyRow === 0)
      text(shortLabel(name), left - 8, y + cellHeight / 2, { "text-anchor": "end", "dominant-baseline": "central" });
    const size = largest(data.row_means.slice(row * pool.row, (row + 1) * pool.row));
    if (longestRow) mean(right + 6, y + cellHeight * 0.2, (MEANS * size) / longestRow, cellHeight * 0.6);
  }
  const everyCol = tilted ? Math.ceil(15 / cellWidth) : 1;
  const pose = tilted ? "rotate(-50)" : "translate(0 -2)";
  const longestCol = largest(data.col_means);
  for (let col = 0; col < cols; col++) {
    const x = left + (col + 0.5) * cellWidth;
    const name = axes.col.labels[col * pool.col] ?? "";
    if (col % everyCol === 0)
      text(shortLabel(name), 0, 0, {
        transform: `translate(${x} ${top - 6}) ${pose}`,
        "text-anchor": tilted ? "start" : "middle",
        "dominant-baseline": tilted ? "central" : "auto",
      });
    const size = largest(data.col_means.slice(col * pool.col, (col + 1) * pool.col));
    if (longestCol) mean(x - cellWidth * 0.3, bottom + 5, cellWidth * 0.6, (MEANS * size) / longestCol);
  }
  const like = largest(data.values.flat());
  if (rows * cols <= FEW_CELLS && pool.row * pool.col === 1)
    data.values.forEach((line, row) =>
      line.forEach((value, col) => {
        const figure = inside(value, like, legend.low < 0);
        if (figure && cellHeight >= 14 && textWidth(figure, FONT) <= cellWidth - 4)
          text(figure, left + (col + 0.5) * cellWidth, top + (row + 0.5) * cellHeight, {
            class: "inside",
            "text-anchor": "middle",
            "dominant-baseline": "central",
          });
      }),
    );
  if (mark) {
    const [x, y] = [left + Math.floor(mark.col / pool.col) * cellWidth, top + Math.floor(mark.row / pool.row) * cellHeight];
    picture.append(svg("rect", { class: "mark", x, y, width: cellWidth - 1, height: cellHeight - 1, rx: 2 }));
  }
  return picture;
}

/** A value as it is written into its cell: two digits of the largest; what is not looked at stays empty. */
function inside(value: Value, like: number, signed: boolean): string {
  if (value === null) return "";
  const figure = readable(value, { like: 9.99 * like });
  if (/[1-9]/u.test(figure)) return figure;
  return signed ? "0" : "";
}

function shortLabel(label: string): string {
  return shortened(tokenText(label), 24);
}
