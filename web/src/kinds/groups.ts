// Several drawings under one title: one at a time behind tabs, or side by side.

import { h } from "../dom.ts";
import { prose } from "../text.ts";
import type { Drawing, Group } from "../types.ts";

type Draw = (host: HTMLElement, drawing: Drawing) => void;

/** Side by side; one above the other where there is no room. */
export function drawBeside(host: HTMLElement, { data }: Group, draw: Draw): void {
  const parts = data.parts.map(({ label, drawing }) => {
    const part = h("div", { class: "part" }, h("p", { class: "part-label" }, ...prose(label)));
    draw(part, drawing);
    return part;
  });
  host.append(h("div", { class: "beside" }, ...parts));
}

/** One at a time, behind its label. */
export function drawTabs(host: HTMLElement, { data, title }: Group, draw: Draw): void {
  const panels = data.parts.map(({ label, drawing }) => {
    const panel = h("div", {}, h("p", { class: "part-label printed" }, ...prose(label)));
    draw(panel, drawing);
    return panel;
  });
  tabbed(
    host,
    title,
    data.parts.map(({ label }) => prose(label)),
    panels,
  );
}

let made = 0;

/** Panels of which one is seen. The others keep their place in the layout, unseen, so that all of them are drawn when the page is printed. */
export function tabbed(host: HTMLElement, title: string, names: (Node | string | false)[][], panels: HTMLElement[]): void {
  const group = `tabs-${made++}`;
  const heads = names.map((name, place) =>
    h("button", { type: "button", role: "tab", id: `${group}-tab-${place}`, "aria-controls": `${group}-panel-${place}` }, ...name),
  );
  panels.forEach((panel, place) => {
    panel.classList.add("panel");
    const names = { role: "tabpanel", id: `${group}-panel-${place}`, "aria-labelledby": `${group}-tab-${place}` };
    for (const [name, value] of Object.entries(names)) panel.setAttribute(name, value);
  });
  const choose = (chosen: number) => {
    heads.forEach((head, place) => {
      head.setAttribute("aria-selected", String(place === chosen));
      head.tabIndex = place === chosen ? 0 : -1;
    });
    panels.forEach((panel, place) => panel.classList.toggle("closed", place !== chosen));
  };
  const list = h("div", { class: "tablist unseen", role: "tablist", "aria-label": title }, ...heads);
  list.addEventListener("click", (event) => {
    const place = heads.indexOf((event.target as HTMLElement).closest("button") as HTMLButtonElement);
    if (place >= 0) choose(place);
  });
  list.addEventListener("keydown", (event) => {
    const from = heads.indexOf(document.activeElement as HTMLButtonElement);
    const places: Record<string, number> = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: heads.length - 1 };
    const to = places[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = (to + heads.length) % heads.length;
    choose(place);
    heads[place]?.focus();
    event.preventDefault();
  });
  choose(0);
  host.append(list, ...panels);
}
