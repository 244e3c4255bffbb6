// The features of a dictionary: a list, a page for each, the reader's own prompt, comparisons, sizes and a map.

import "../style/base.css";
import "../style/reading.css";
import "../style/features.css";
import { h } from "../dom.ts";
import { visible } from "../text.ts";
import { compareView } from "./compare.ts";
import { latentView } from "./latent.ts";
import { listView } from "./list.ts";
import { mapView } from "./map.ts";
import { promptView } from "./prompt.ts";
import { address, route } from "./route.ts";
import { sizesView } from "./sizes.ts";
import { Unavailable } from "./source.ts";
import { Statistics } from "./table.ts";
import type { Site } from "./types.ts";

function start(root: HTMLElement, site: Site): void {
  const statistics = new Statistics(site);
  const view = h("main", {});
  const links = h("nav", { class: "views", "aria-label": "Views" });
  root.replaceChildren(banner(site, links), view);

  async function show(): Promise<void> {
    const { view: name, latent, options } = route();
    links.replaceChildren(...viewsOf(site).map(([key, words]) => viewLink(key, words, name === key || (name === "latent" && key === "list"))));
    const content = h("div", { class: `view ${name}` });
    try {
      if (name === "latent" && latent !== null) await latentView(content, statistics, latent);
      else if (name === "prompt") promptView(content, statistics, options);
      else if (name === "map" && site.plane) mapView(content, statistics, site.plane);
      else if (name === "compare") compareView(content, site, options);
      else if (name === "sizes") sizesView(content, site);
      else {
        view.replaceChildren(content); // a list measures itself
        return listView(content, statistics, options);
      }
    } catch (error) {
      content.replaceChildren(h("p", { class: "notice" }, error instanceof Unavailable ? visible(error.message) : `This can't be shown: ${error}`));
    }
    view.replaceChildren(content);
    scrollTo(0, 0);
  }

  addEventListener("hashchange", show);
  addEventListener("keydown", (event) => press(event));
  void show();
}

function viewsOf(site: Site): [string, string][] {
  const all: [string, string, boolean][] = [
    ["list", "Features", true],
    ["prompt", "On a prompt", site.prompts.length > 0 || site.asks.includes("prompt")],
    ["map", "Map", site.plane !== null],
    ["compare", "Beside another", site.comparisons.length > 0],
    ["sizes", "By size", site.levels.length > 1],
  ];
  return all.flatMap(([key, words, there]) => (there ? [[key, words]] : []));
}

function viewLink(key: string, words: string, current: boolean): HTMLElement {
  return h("a", { href: address(key), ...(current ? { "aria-current": "page" } : {}) }, words);
}

function banner({ title, about }: Site, links: HTMLElement): HTMLElement {
  const facts = [
    `${about.size.toLocaleString("en")} features of ${about.basis}`,
    `${about.model}, ${about.site}`,
    `${about.tokens.toLocaleString("en")} tokens of ${about.corpus}${about.left_out ? `, without ${about.left_out}` : ""}`,
  ];
  return h("header", { class: "banner" }, h("div", {}, h("p", { class: "title" }, visible(title)), h("p", { class: "facts" }, facts.map(visible).join(" · "))), links);
}

/** One letter for what a reader does most. */
function press(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if ((event.target as HTMLElement).matches("input, textarea, select")) return;
  if (event.key === "/") {
    const search = document.querySelector<HTMLInputElement>("[data-search]");
    if (!search) return;
    search.focus();
    event.preventDefault();
  } else document.querySelector<HTMLAnchorElement>(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
}

const data = document.getElementById("sonde-data");
const root = document.getElementById("sonde");
if (data?.textContent && root) start(root, JSON.parse(data.textContent));
