// All features: searched, filtered, sorted; each with what it stands for and the place where it is strongest.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { tokenElement, visible } from "../text.ts";
import { filterBar } from "./filters.ts";
import { address, latentAddress, remember } from "./route.ts";
import { clip } from "./strips.ts";
import { optionsOf, questionOf, type Question, type Statistics } from "./table.ts";
import { virtualList } from "./virtual.ts";

const ROW = 58;
const SHOWN = ["score", "density", "maximum"];

/** The rows of the list as it was last shown: what "next" means on a feature's page. */
export const order: { rows: number[]; options: URLSearchParams } = { rows: [], options: new URLSearchParams() };

export function listView(root: HTMLElement, statistics: Statistics, options: URLSearchParams): void {
  const scored = statistics.named("score")?.values.some((value) => !Number.isNaN(value)) ?? false;
  const question = questionOf(options, scored ? "score" : "latent", scored);
  const { latents } = statistics.site;
  const count = h("p", { class: "count", role: "status" });
  const head = h("div", { class: "row head" });
  const list = virtualList(ROW, (row) => rowElement(statistics, row, columns(statistics, question)), "features");
  const search = h("input", {
    type: "search",
    value: question.words,
    placeholder: "a word of a description, a token, a number",
    "aria-label": "Search features",
    "data-search": "",
  });

  function update(): void {
    const rows = statistics.rows(question);
    order.rows = rows;
    order.options = optionsOf(question);
    remember("list", order.options);
    head.replaceChildren(...heading(statistics, question, update));
    count.textContent =
      rows.length === latents.length
        ? `${latents.length.toLocaleString("en")} features`
        : `${rows.length.toLocaleString("en")} of ${latents.length.toLocaleString("en")} features`;
    list.element.classList.toggle("none", rows.length === 0);
    list.show(rows);
  }

  search.addEventListener("input", () => {
    question.words = search.value;
    update();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    list.element.querySelector("a")?.focus();
  });
  const none = h("p", { class: "notice" }, "No feature is left. Take a filter away, or search for another word.");
  root.append(
    h("div", { class: "tools" }, h("label", { class: "search" }, search), filterBar(statistics, question, update), count),
    head,
    list.element,
    none,
  );
  update();
}

/** The usual statistics, and the one that the list is sorted by. */
function columns(statistics: Statistics, { sort }: Question): string[] {
  const usual = SHOWN.filter((name) => statistics.named(name));
  return usual.includes(sort) || sort === "latent" || !statistics.named(sort) ? usual : [...usual, sort];
}

function heading(statistics: Statistics, question: Question, update: () => void): HTMLElement[] {
  const button = (name: string, title: string, note: string) => {
    const sorted = question.sort === name;
    const one = h("button", { type: "button", title: note }, visible(title), sorted ? (question.down ? " ↓" : " ↑") : "");
    if (sorted) one.setAttribute("aria-pressed", "true");
    one.addEventListener("click", () => {
      question.down = sorted ? !question.down : name !== "latent";
      question.sort = name;
      update();
    });
    return one;
  };
  const figures = columns(statistics, question).map((name) => {
    const { title = name, note = "" } = statistics.named(name) ?? {};
    return h("span", { class: "figure" }, button(name, title, note));
  });
  return [
    h("span", { class: "number" }, button("latent", "number", "The latent's number in the dictionary")),
    h("span", { class: "what" }, "what it stands for, and where it is strongest"),
    ...figures,
  ];
}

function rowElement({ site, all }: Statistics, row: number, shown: string[]): HTMLElement {
  const latent = site.latents[row] ?? 0;
  const { descriptions, glances } = site.table;
  const glance = glances[row];
  const described = descriptions[row];
  const figures = shown.map((name) => {
    const value = all.find((statistic) => statistic.name === name)?.values[row] ?? NaN;
    return h("span", { class: "figure" }, Number.isNaN(value) ? "–" : readable(value));
  });
  return h(
    "a",
    { class: "row", href: latentAddress(latent) },
    h("span", { class: "number" }, String(latent)),
    h(
      "span",
      { class: "what" },
      h("span", { class: "words" }, described ? visible(described) : h("span", { class: "tokens" }, ...tokensOf(site.table.tokens[row] ?? []))),
      glance ? clip(glance) : h("span", { class: "quiet" }, "never active on this corpus"),
    ),
    ...figures,
  );
}

/** Where a description is missing: the tokens on which a feature is most active. */
export function tokensOf(tokens: string[]): (Node | string)[] {
  return tokens.length ? tokens.flatMap((token, place) => [place ? " " : "", quoted(token)]) : [h("span", { class: "quiet" }, "not described")];
}

function quoted(token: string): HTMLElement {
  const element = tokenElement(token);
  element.classList.add("quoted");
  return element;
}

export function backAddress(): string {
  return address("list", order.options);
}
