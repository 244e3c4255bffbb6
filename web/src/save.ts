// The buttons under a drawing: its picture as SVG, its numbers as CSV.

import { csv } from "./csv.ts";
import { h } from "./dom.ts";
import { photograph } from "./photograph.ts";
import { proseText } from "./text.ts";
import type { Drawing } from "./types.ts";

export function saveButtons(figure: HTMLElement, drawing: Drawing): HTMLElement {
  const name =
    drawing.title
      .toLowerCase()
      .replace(/[^a-z0-9]+/gu, "-")
      .replace(/^-|-$/gu, "")
      .slice(0, 60) || drawing.kind;
  const button = (format: string, type: string, content: () => string) => {
    const element = h("button", { type: "button", "aria-label": `Save as ${format}: ${proseText(drawing.title)}` }, format);
    element.addEventListener("click", () => save(`${name}.${format.toLowerCase()}`, type, content()));
    return element;
  };
  const page = () => getComputedStyle(figure).getPropertyValue("--page").trim();
  return h(
    "div",
    { class: "save unseen" },
    button("SVG", "image/svg+xml", () => photograph(figure, page())),
    button("CSV", "text/csv", () => csv(drawing)),
  );
}

function save(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
