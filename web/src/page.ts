// The report page: heading, facts, a table of contents that stays in view, and one section after another.

import { claim } from "./badge.ts";
import { h } from "./dom.ts";
import { render } from "./render.ts";
import { prose, visible } from "./text.ts";
import type { Document, Section, Sentence } from "./types.ts";

export function page(element: HTMLElement, document: Document): void {
  const main = h("main", {}, heading(document), ...document.sections.map(section));
  if (document.command)
    main.append(h("footer", {}, "Repeat it with ", h("code", { class: "command" }, visible(document.command))));
  element.append(h("div", { class: "page" }, contents(document), main));
  followReading(element);
  openWhatIsLinked(element);
  openForPrint(element);
}

function heading({ title, subtitle, facts }: Document): HTMLElement {
  const list = h(
    "dl",
    { class: "facts" },
    ...facts.map(([label, value]) => h("div", {}, h("dt", {}, visible(label)), h("dd", {}, ...prose(value)))),
  );
  return h(
    "header",
    {},
    h("h1", {}, ...prose(title)),
    subtitle !== "" && h("p", { class: "subtitle" }, ...prose(subtitle)),
    facts.length > 0 && list,
  );
}

function contents({ sections }: Document): HTMLElement {
  const entries = sections.map(({ key, title }) => h("li", {}, h("a", { href: `#${anchor(key)}` }, ...prose(title))));
  return h("nav", { class: "contents", "aria-label": "Contents" }, h("ol", {}, ...entries));
}

function section({ key, title, lead, sentences, drawings, folded }: Section): HTMLElement {
  const paragraphs = lead.split("\n\n").filter(Boolean);
  const heading = h("h2", {}, ...prose(title));
  const content = folded ? h("details", { class: "fold" }, h("summary", {}, heading)) : h("section", {}, heading);
  content.append(...paragraphs.map((paragraph) => h("p", { class: "lead" }, ...prose(paragraph))));
  if (sentences.length) content.append(h("div", { class: "claims" }, ...sentences.map(sentence)));
  const element = folded ? h("section", {}, content) : content;
  element.id = anchor(key);
  for (const drawing of drawings) render(content, drawing);
  return element;
}

function sentence({ text, verdict }: Sentence): HTMLElement {
  return verdict ? claim(text, verdict) : h("p", {}, ...prose(text));
}

function anchor(key: string): string {
  return `section-${key.replace(/[^\p{L}\p{N}]+/gu, "-")}`;
}

/** Mark the section being read in the table of contents. */
function followReading(element: HTMLElement): void {
  const links = new Map(
    [...element.querySelectorAll<HTMLAnchorElement>(".contents a")].map((link) => [link.hash.slice(1), link]),
  );
  const watch = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        if (!isIntersecting) continue;
        links.forEach((link, key) =>
          key === target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"),
        );
      }
    },
    { rootMargin: "-20% 0px -75% 0px" },
  );
  element.querySelectorAll("section").forEach((one) => watch.observe(one));
}

/** A link into a folded section opens it. */
function openWhatIsLinked(element: HTMLElement): void {
  const open = (hash: string) => {
    const fold = [...element.querySelectorAll("section")]
      .find(({ id }) => `#${id}` === hash)
      ?.querySelector<HTMLDetailsElement>(".fold");
    if (fold) fold.open = true;
  };
  element.querySelector(".contents")?.addEventListener("click", (event) => {
    const link = (event.target as HTMLElement).closest("a");
    if (link) open(decodeURIComponent(link.hash));
  });
  open(decodeURIComponent(location.hash));
}

/** Paper cannot be clicked: evidence is open while printing. */
function openForPrint(element: HTMLElement): void {
  let closed: HTMLDetailsElement[] = [];
  addEventListener("beforeprint", () => {
    closed = [...element.querySelectorAll<HTMLDetailsElement>("details:not([open])")];
    closed.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((details) => (details.open = false)));
}
