// The places where a feature is active: the strongest, then some of each interval between 0 and its largest activation.

import { shade } from "../colour.ts";
import { h } from "../dom.ts";
import { explore, type Cell, type Reading, type Stage } from "../explore.ts";
import { readable } from "../numbers.ts";
import { direction, tokenElement } from "../text.ts";
import type { Colours } from "../types.ts";
import { colours, shaded } from "./strips.ts";
import type { Effect, Effects, Example, Feature } from "./types.ts";

const CONTEXTS = { short: 10, longer: 24, whole: Infinity };
type Context = keyof typeof CONTEXTS;

/** What the reader chose, kept from feature to feature. */
const chosen: { context: Context; numbers: boolean; breaks: boolean } = { context: "short", numbers: false, breaks: false };

interface Line {
  example: Example;
  effect: Effect | null;
  from: number;
  cells: HTMLElement[];
}

export interface Examples {
  element: HTMLElement;
  /** draw the effects too, once they are known */
  learn(effects: Effects): void;
  say(words: string): void;
}

export function examplesOf(feature: Feature, known: Effects | null): Examples {
  const all = [feature.strongest, ...feature.intervals.map(({ examples }) => examples)];
  const values = all.flat().flatMap((example) => example.values);
  const legend = colours(Math.min(0, ...values), Math.max(0, ...values.map(Math.abs)));
  const body = h("div", { class: "lines" });
  const status = h("p", { class: "quiet", role: "status" });
  const figure = h("div", { class: "examples" });
  let effects = known;
  let lines: Line[] = [];

  function draw(): void {
    lines = [];
    const group = (examples: Example[]) => h("div", { class: "group" }, ...examples.map((example) => line(example)));
    const strongest = group(feature.strongest); // first: effects come in this order
    const intervals = feature.intervals.map((interval) =>
      h(
        "section",
        { class: "interval" },
        h(
          "h3",
          {},
          `${readable(interval.low)} to ${readable(interval.high)}`,
          h(
            "span",
            { class: "quiet" },
            ` · ${percent(interval.share)} of its firings${interval.highest === null ? "" : `, the highest ${readable(interval.highest)}`}`,
          ),
        ),
        interval.examples.length ? group(interval.examples) : h("p", { class: "quiet" }, "none"),
      ),
    );
    body.replaceChildren(
      h("section", {}, h("h3", {}, `The ${feature.strongest.length} strongest places`), strongest),
      h("h2", {}, "From its highest activation to its lowest"),
      h("p", { class: "quiet" }, "Ten intervals of activation, evenly spaced; examples of each drawn at random. ↑ marks a place that was shown before."),
      ...intervals,
    );
    body.classList.toggle("numbers", chosen.numbers);
  }

  function line(example: Example): HTMLElement {
    const place = lines.length;
    const own = example.position - example.start;
    const reach = CONTEXTS[chosen.context];
    const from = Math.max(0, own - reach);
    const to = Math.min(example.tokens.length, own + reach + 1);
    const effect = effects?.examples[place] ?? null;
    const cells = example.tokens.slice(from, to).map((token, at) => cell(token, example, from + at, effect, legend));
    cells.forEach((one, at) => Object.assign(one.dataset, { row: place, col: at }));
    lines.push({ example, effect, from, cells });
    const strip = h("span", { class: "text", dir: direction(example.tokens) });
    if (from > 0) strip.append(h("span", { class: "quiet" }, "…"));
    cells.forEach((one, at) => {
      strip.append(one);
      if (chosen.breaks && example.tokens[from + at]?.includes("\n")) strip.append(h("br"));
    });
    if (to < example.tokens.length) strip.append(h("span", { class: "quiet" }, "…"));
    return h(
      "div",
      { class: "line" },
      h("span", { class: "figure" }, readable(example.values[own] ?? 0), example.again ? h("span", { title: "shown before" }, " ↑") : ""),
      strip,
    );
  }

  const stage: Stage = {
    element: body,
    get rows() {
      return lines.length;
    },
    cols: Math.max(1, ...all.flat().map(({ tokens }) => tokens.length)),
    width: (row) => lines[row]?.cells.length ?? 1,
    at: (event) => {
      const { row, col } = (event.target as HTMLElement).closest<HTMLElement>("[data-col]")?.dataset ?? {};
      return row === undefined || col === undefined ? null : { row: Number(row), col: Number(col) };
    },
    box: ({ row, col }) => lines[row]?.cells[col]?.getBoundingClientRect() ?? new DOMRect(),
    read: (cell) => reading(lines[cell.row], cell),
  };

  const again = () => draw();
  const key = h("p", { class: "legend" }, ...legendOf(legend));
  const tellEffects = () => key.append(...effectLegend());
  if (effects) tellEffects();
  figure.append(controls(again), key, status, body);
  draw();
  explore(figure, stage, `Examples of feature ${feature.latent}`);
  return {
    element: figure,
    learn: (found) => {
      effects = found;
      status.textContent = "";
      tellEffects();
      draw();
    },
    say: (words) => (status.textContent = words),
  };
}

function cell(token: string, example: Example, at: number, effect: Effect | null, legend: Colours): HTMLElement {
  const value = example.values[at] ?? 0;
  const element = shaded(token, value, legend);
  element.classList.toggle("own", at === example.position - example.start);
  if (value !== 0) element.append(h("span", { class: "amount" }, readable(value)));
  const loss = effect?.loss[at] ?? 0;
  const width = Math.min(4, Math.round(8 * Math.abs(loss)));
  if (width > 0) {
    element.classList.add(loss > 0 ? "helps" : "hurts");
    element.style.textDecorationThickness = `${width}px`;
  }
  return element;
}

function reading(line: Line | undefined, { col }: Cell): Reading | null {
  if (!line) return null;
  const { example, effect, from } = line;
  const at = from + col;
  const loss = effect?.loss[at];
  const moved = effect?.moved.find(({ place }) => place === at);
  const pairs = (weights: { token: string; value: number }[]) =>
    weights.map(({ token, value }): [Node, string] => [tokenElement(token), readable(value, { signed: true })]);
  return {
    head: [tokenElement(example.tokens[at] ?? ""), ` sequence ${example.sequence}, position ${example.start + at}`],
    value: `activation ${readable(example.values[at] ?? 0)}`,
    lines: [
      ...(effect && loss !== undefined
        ? [loss === null ? "the first token is not predicted" : `loss here without the feature: ${readable(loss, { signed: true })} nats`]
        : []),
      ...(moved ? ["next token, with the feature:", ...pairs(moved.up), ...pairs(moved.down)] : []),
    ],
  };
}

function controls(again: () => void): HTMLElement {
  const contexts = h("select", { "aria-label": "How much context" });
  for (const name of Object.keys(CONTEXTS)) contexts.append(h("option", { value: name }, `${name} context`));
  contexts.value = chosen.context;
  contexts.addEventListener("change", () => {
    chosen.context = contexts.value as Context;
    again();
  });
  const toggle = (words: string, name: "numbers" | "breaks") => {
    const box = h("input", { type: "checkbox" });
    box.checked = chosen[name];
    box.addEventListener("change", () => {
      chosen[name] = box.checked;
      again();
    });
    return h("label", {}, box, words);
  };
  return h("div", { class: "controls" }, contexts, toggle("numbers", "numbers"), toggle("line breaks", "breaks"));
}

function legendOf(legend: Colours): HTMLElement[] {
  const swatch = h("span", { class: "ramp" });
  swatch.style.background = `linear-gradient(to right, ${shade(legend.low, legend)}, ${shade(0, legend)} ${legend.low < 0 ? "50%" : "0%"}, ${shade(legend.high, legend)})`;
  return [
    h("span", {}, `activation ${readable(legend.low)} `, swatch, ` ${readable(legend.high)}`),
    h("span", {}, h("b", {}, "bold"), " the place itself"),
  ];
}

function effectLegend(): HTMLElement[] {
  return [
    h("span", {}, h("span", { class: "helps" }, "solid"), " the feature helps to predict this token"),
    h("span", {}, h("span", { class: "hurts" }, "dashed"), " it makes that harder"),
  ];
}

export function percent(share: number): string {
  return share === 0 ? "0 %" : `${readable(100 * share)} %`;
}
