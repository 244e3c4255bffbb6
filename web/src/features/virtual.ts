// A list of any length of which only the rows in sight are elements. Rows are equally high; arrow keys move between them.

import { h } from "../dom.ts";

const BEYOND = 8;

export interface VirtualList {
  element: HTMLElement;
  show(rows: number[]): void;
}

export function virtualList(rowHeight: number, draw: (row: number, place: number) => HTMLElement, label: string): VirtualList {
  const inner = h("div", { class: "rows", role: "list", "aria-label": label });
  const element = h("div", { class: "scroller" }, inner);
  let rows: number[] = [];
  let [first, last] = [0, -1];

  function fill(afresh: boolean): void {
    const from = Math.max(0, Math.floor(element.scrollTop / rowHeight) - BEYOND);
    const to = Math.min(rows.length, Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + BEYOND) - 1;
    if (!afresh && from === first && to === last) return;
    [first, last] = [from, to];
    const held = document.activeElement?.closest<HTMLElement>("[data-place]")?.dataset.place;
    const elements: HTMLElement[] = [];
    for (let place = from; place <= to; place++) {
      const one = draw(rows[place] ?? 0, place);
      one.dataset.place = String(place);
      one.style.top = `${place * rowHeight}px`;
      one.setAttribute("role", "listitem");
      one.setAttribute("aria-setsize", String(rows.length));
      one.setAttribute("aria-posinset", String(place + 1));
      elements.push(one);
    }
    inner.replaceChildren(...elements);
    if (held !== undefined && inner.isConnected) focus(Number(held));
  }

  function focus(place: number): void {
    const one = inner.querySelector<HTMLElement>(`[data-place="${place}"]`);
    (one?.matches("a") ? one : one?.querySelector("a"))?.focus({ preventScroll: true });
  }

  /** Down to the window's lower edge. */
  const fit = () => (element.style.height = `${Math.max(320, innerHeight - element.getBoundingClientRect().top - scrollY - 12)}px`);
  addEventListener("resize", () => element.isConnected && fit());
  element.addEventListener("scroll", () => fill(false), { passive: true });
  new ResizeObserver(() => fill(true)).observe(element);
  element.addEventListener("keydown", (event) => {
    const place = Number((event.target as HTMLElement).closest<HTMLElement>("[data-place]")?.dataset.place ?? NaN);
    const page = Math.max(1, Math.floor(element.clientHeight / rowHeight) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length }[event.key];
    if (step === undefined || Number.isNaN(place) || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = Math.min(rows.length - 1, Math.max(0, place + step));
    event.preventDefault();
    const [top, bottom] = [next * rowHeight, (next + 1) * rowHeight];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
    fill(false);
    focus(next);
  });
  return {
    element,
    show: (wanted) => {
      rows = wanted;
      fit();
      inner.style.height = `${rows.length * rowHeight}px`;
      element.scrollTop = 0;
      fill(true);
    },
  };
}
