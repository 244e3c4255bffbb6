// Long lists begin with their first rows and say so.

import { h } from "./dom.ts";

/** Hide the rows beyond `most`. The answer: the button that shows them, and what to call when there are other rows or they have a new order. */
export function limited(rows: HTMLElement[], most: number, what: string): { button: HTMLElement; again: () => void } {
  const button = h("button", { type: "button", class: "more" });
  let all = false;
  const again = () => {
    rows.forEach((row, place) => (row.hidden = !all && place >= most));
    button.hidden = rows.length <= most;
    button.textContent = all
      ? `Show the first ${most} of ${rows.length} ${what}`
      : `Show all ${rows.length} ${what}; these are the first ${most}`;
    button.setAttribute("aria-expanded", String(all));
  };
  button.addEventListener("click", () => {
    all = !all;
    again();
  });
  again();
  return { button, again };
}
