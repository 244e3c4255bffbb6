// Long lists begin with their first rows and say so.

import { h } from "./dom.ts";

/** Hide the rows beyond `most`; the answer is the button that shows them, or nothing where all are shown. */
export function limited(rows: HTMLElement[], most: number, what: string): HTMLElement[] {
  if (rows.length <= most) return [];
  const rest = rows.slice(most);
  const button = h("button", { type: "button", class: "more" });
  const show = (all: boolean) => {
    rest.forEach((row) => (row.hidden = !all));
    button.textContent = all
      ? `Show the first ${most} of ${rows.length} ${what}`
      : `Show all ${rows.length} ${what}; these are the first ${most}`;
    button.setAttribute("aria-expanded", String(all));
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") === "false"));
  show(false);
  return [button];
}
