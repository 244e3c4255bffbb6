// Long lists begin with their first rows and say so.

import { h } from "./dom.ts";

/** Hide the rows beyond `most`. The answer: the button that shows them, or none where all are shown; and what to call when the rows have a
 *  new order. */
export function limited(rows: HTMLElement[], most: number, what: string): { buttons: HTMLElement[]; again: () => void } {
  if (rows.length <= most) return { buttons: [], again: () => {} };
  const button = h("button", { type: "button", class: "more" });
  const show = (all: boolean) => {
    rows.forEach((row, place) => (row.hidden = !all && place >= most));
    button.textContent = all
      ? `Show the first ${most} of ${rows.length} ${what}`
      : `Show all ${rows.length} ${what}; these are the first ${most}`;
    button.setAttribute("aria-expanded", String(all));
  };
  const isOpen = () => button.getAttribute("aria-expanded") === "true";
  button.addEventListener("click", () => show(!isOpen()));
  show(false);
  return { buttons: [button], again: () => show(isOpen()) };
}
