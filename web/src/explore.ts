// Reading single values: by pointer, by keyboard, locked by a click or Enter. Every drawing of cells is explored by this one function;
// it gives a drawing one place in the focus order, whatever its size.

import { h } from "./dom.ts";
import { link } from "./link.ts";

export interface Cell {
  row: number;
  col: number;
}

/** What is behind a cell. */
export interface Reading {
  head: (Node | string)[];
  value: string;
  /** further lines: text, or a name and a figure */
  lines?: ((Node | string) | [Node | string, string])[];
}

/** A drawing of rows and columns, seen from outside. */
export interface Stage {
  element: HTMLElement;
  rows: number;
  cols: number;
  /** how many cells a row has, where rows differ */
  width?(row: number): number;
  at(event: PointerEvent | MouseEvent): Cell | null;
  /** where a cell is in the window */
  box(cell: Cell): DOMRect;
  /** what the readout says; nothing where the drawing itself says it */
  read(cell: Cell): Reading | null;
  /** labels of the columns: drawings with the same ones share their hover */
  columns?: string[];
  /** where several columns are drawn as one: the drawn column that holds a column, and the column that stands for a drawn one */
  drawn?(col: number): number;
  column?(cell: Cell): number;
  /** told which cell is read, and when none is */
  point?(cell: Cell | null): void;
  /** what a click or Enter opens elsewhere, instead of keeping the readout */
  open?(cell: Cell): void;
}

const STEPS: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export function explore(figure: HTMLElement, stage: Stage, name: string): void {
  const cursor = h("div", { class: "cursor", hidden: "" });
  const echo = h("div", { class: "cursor echo", hidden: "" });
  const readout = h("div", { class: "readout", role: "status", hidden: "" });
  figure.append(echo, cursor, readout);
  stage.element.classList.add("stage");
  for (const [attribute, value] of Object.entries({
    tabindex: "0",
    role: "application",
    "aria-roledescription": "drawing",
    "aria-label": `${name}. Arrow keys read single values, Enter ${stage.open ? "opens" : "keeps"} one${stage.open ? "" : " open"}, Escape closes it.`,
  }))
    stage.element.setAttribute(attribute, value);

  let current: Cell | null = null;
  let reading = false;
  let locked = false;
  const tell =
    stage.columns && stage.columns.length > 1
      ? link(stage.columns, (col) => (col === null ? hide(echo) : outline(echo, columnBox(stage, stage.drawn?.(col) ?? col))))
      : null;

  function outline(mark: HTMLElement, box: DOMRect): void {
    const frame = figure.getBoundingClientRect();
    const clip = stage.element.getBoundingClientRect(); // a stage may scroll: what is scrolled away has no outline
    const left = Math.max(box.left, clip.left);
    const width = Math.min(box.right, clip.right) - left;
    mark.hidden = width < 0;
    mark.style.translate = `${left - frame.left}px ${box.top - frame.top}px`;
    mark.style.width = `${width}px`;
    mark.style.height = `${box.height}px`;
  }

  function show(cell: Cell): void {
    const changed = cell.row !== current?.row || cell.col !== current?.col || !reading;
    current = cell;
    reading = true;
    outline(cursor, stage.box(cell));
    if (changed) {
      const words = stage.read(cell);
      readout.replaceChildren(...(words ? written(words) : []));
      readout.hidden = !words;
      stage.point?.(cell);
    }
    if (!readout.hidden) place(readout, stage.box(cell), figure);
    tell?.(stage.column?.(cell) ?? cell.col);
  }

  function close(): void {
    reading = false;
    lock(false);
    hide(cursor);
    hide(readout);
    tell?.(null);
    stage.point?.(null);
  }

  function lock(on: boolean): void {
    locked = on;
    figure.classList.toggle("locked", on);
  }

  function keep(cell: Cell): void {
    if (stage.open) stage.open(cell);
    else lock(true);
  }

  const same = (cell: Cell) => cell.row === current?.row && cell.col === current?.col;

  stage.element.addEventListener("pointermove", (event) => {
    const cell = stage.at(event);
    if (locked || event.pointerType === "touch") return;
    if (cell) show(cell);
    else close();
  });
  stage.element.addEventListener("pointerleave", () => locked || close());
  stage.element.addEventListener("click", (event) => {
    const cell = stage.at(event);
    if (!cell || (locked && same(cell))) return close();
    show(cell);
    keep(cell);
  });
  stage.element.addEventListener("focus", () => {
    if (!stage.element.matches(":focus-visible") || locked || stage.rows * stage.cols === 0) return;
    show(current ?? { row: 0, col: 0 });
    reveal(stage, current ?? { row: 0, col: 0 });
  });
  stage.element.addEventListener("blur", () => locked || close());
  stage.element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !current) return;
    const step = STEPS[event.key];
    const next = step
      ? moved(stage, current, step)
      : event.key === "Home"
        ? { ...current, col: 0 }
        : event.key === "End"
          ? { ...current, col: (stage.width?.(current.row) ?? stage.cols) - 1 }
          : null;
    if (next) {
      if (same(next)) return; // at the edge the key is the page's
      reveal(stage, next);
      show(next);
    } else if (event.key === "Enter" || event.key === " ") {
      show(current);
      if (locked) lock(false);
      else keep(current);
    } else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  // what is drawn may move under its outline
  const follow = () => {
    hide(echo);
    if (current && reading) show(current);
  };
  stage.element.addEventListener("scroll", follow);
  new ResizeObserver(follow).observe(figure);
}

function moved(stage: Stage, from: Cell, [down, right]: [number, number]): Cell {
  const within = (place: number, count: number) => Math.min(count - 1, Math.max(0, place));
  const row = within(from.row + down, stage.rows);
  return { row, col: within(from.col + right, stage.width?.(row) ?? stage.cols) };
}

function reveal(stage: Stage, cell: Cell): void {
  const box = stage.box(cell);
  const view = stage.element.getBoundingClientRect();
  const margin = 48;
  if (box.right > view.right - margin) stage.element.scrollLeft += box.right - view.right + margin;
  else if (box.left < view.left + margin) stage.element.scrollLeft -= view.left + margin - box.left;
  const now = stage.box(cell);
  if (now.top < margin || now.bottom > innerHeight - 4 * margin) scrollBy({ top: now.top - innerHeight / 2 });
}

function columnBox(stage: Stage, col: number): DOMRect {
  const first = stage.box({ row: 0, col });
  const last = stage.box({ row: stage.rows - 1, col });
  const top = Math.min(first.top, last.top);
  return new DOMRect(first.left, top, first.width, Math.max(first.bottom, last.bottom) - top);
}

function written({ head, value, lines = [] }: Reading): Node[] {
  const line = (content: Node | string | [Node | string, string]) =>
    Array.isArray(content) ? h("div", { class: "pair" }, content[0], h("span", {}, content[1])) : h("div", {}, content);
  return [h("div", { class: "head" }, ...head), h("div", { class: "value" }, value), ...lines.map(line)];
}

/** Below the cell, or above it near the lower edge of the window; never beyond the figure's sides. */
function place(readout: HTMLElement, box: DOMRect, figure: HTMLElement): void {
  const frame = figure.getBoundingClientRect();
  const left = Math.max(0, Math.min(box.left - frame.left, frame.width - readout.offsetWidth));
  const below = box.bottom + 8;
  const fits = below + readout.offsetHeight < innerHeight || box.top - 8 - readout.offsetHeight < 0;
  const top = fits ? below : box.top - 8 - readout.offsetHeight;
  readout.style.translate = `${left}px ${top - frame.top}px`;
}

function hide(element: HTMLElement): void {
  element.hidden = true;
}
