// Which features fire on which token of a prompt: the reader's own where a server runs the model, else those that the file holds.

import { shade } from "../colour.ts";
import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { tokenElement, visible } from "../text.ts";
import { colours } from "./strips.ts";
import { latentAddress, remember } from "./route.ts";
import { active } from "./source.ts";
import type { Statistics } from "./table.ts";
import type { Active, Firing } from "./types.ts";

const SHOWN = 60;
type Order = "activation" | "share" | "effect";
const ORDERS: Record<Order, string> = {
  activation: "by activation",
  share: "by share of its largest activation",
  effect: "by effect on the loss",
};

export function promptView(root: HTMLElement, statistics: Statistics, options: URLSearchParams): void {
  const { site } = statistics;
  const maxima = statistics.named("maximum")?.values;
  const maximum = new Map(site.latents.map((latent, row) => [latent, maxima?.[row] ?? NaN]));
  const result = h("div", { class: "fired" });
  const status = h("p", { class: "quiet", role: "status" });

  function show(found: Active, order: Order = "activation"): void {
    status.textContent = "";
    result.replaceChildren(...fired(found, maximum, order, site.asks.includes("prompt") ? withEffects : null));
  }

  function fail(error: Error): void {
    result.replaceChildren();
    status.textContent = visible(error.message);
  }

  /** Effects take a run of the model for each feature: they are asked for when they are wanted. */
  function withEffects({ text }: Active): void {
    status.textContent = "Running the model without each of the strongest features …";
    active(text, "effect").then((found) => show(found, "effect"), fail);
  }

  root.append(h("h2", {}, "Which features fire on a prompt?"));
  if (site.asks.includes("prompt")) {
    const text = h("textarea", { rows: 3, "aria-label": "Prompt", "data-search": "" });
    text.value = options.get("text") ?? site.prompts[0]?.text ?? "";
    const run = h("button", { type: "submit" }, "Run the model");
    const form = h("form", { class: "ask" }, text, run);
    const asked = async () => {
      if (!text.value) return;
      remember("prompt", new URLSearchParams({ text: text.value }));
      status.textContent = "Running the model …";
      await active(text.value, "activation").then(show, fail);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void asked();
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        void asked();
      }
    });
    root.append(form);
    void asked();
  } else {
    const chosen = h("select", { "aria-label": "Prompt" });
    chosen.append(...site.prompts.map(({ text }, place) => h("option", { value: place }, visible(text))));
    const choose = () => {
      const found = site.prompts[Number(chosen.value)];
      if (found) show(found);
    };
    chosen.addEventListener("change", choose);
    root.append(chosen, h("p", { class: "quiet" }, "These prompts were run when the file was made; ", h("code", {}, "sonde features serve"), " runs your own."));
    choose();
  }
  root.append(status, result);
}

function fired(found: Active, maximum: Map<number, number>, first: Order, withEffects: ((found: Active) => void) | null): HTMLElement[] {
  const { tokens, firings } = found;
  const known = firings.some(({ effects }) => effects);
  const list = h("div", { class: "firings" });
  const offered = (Object.keys(ORDERS) as Order[]).filter((order) => order !== "effect" || known || withEffects);
  const orders = h("select", { "aria-label": "Order" }, ...offered.map((order) => h("option", { value: order }, ORDERS[order])));
  orders.value = first;
  let at: number | null = null;

  const size = (firing: Firing, order: Order): number => {
    const values = order === "effect" ? (firing.effects ?? []) : firing.values;
    const share = order === "share" ? 1 / (maximum.get(firing.latent) ?? NaN) : 1;
    return share * (at === null ? Math.max(...values.map(Math.abs)) : Math.abs(values[at] ?? 0));
  };
  const buttons = tokens.map((token, place) => {
    const button = h("button", { type: "button", class: "token-button", "aria-pressed": "false" }, tokenElement(token));
    button.addEventListener("click", () => {
      at = at === place ? null : place;
      update();
    });
    return button;
  });

  function update(): void {
    const order = orders.value as Order;
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === at)));
    const sized = firings.map((firing): [Firing, number] => [firing, size(firing, order)]).filter(([, value]) => value > 0);
    sized.sort((a, b) => b[1] - a[1]);
    const more = sized.length - SHOWN;
    list.replaceChildren(
      ...sized.slice(0, SHOWN).map(([firing, value]) => firingElement(firing, value, tokens, order)),
      ...(more > 0 ? [h("p", { class: "quiet" }, `${more.toLocaleString("en")} more are weaker.`)] : []),
      ...(sized.length ? [] : [h("p", { class: "notice" }, "No feature is active here.")]),
    );
  }
  orders.addEventListener("change", () => (orders.value === "effect" && !known ? withEffects?.(found) : update()));
  update();
  return [
    h("p", { class: "quiet" }, "A click on a token keeps the features that are active there."),
    h("div", { class: "strip" }, ...buttons),
    h("div", { class: "controls" }, orders),
    list,
  ];
}

function firingElement({ latent, label, values, effects }: Firing, value: number, tokens: string[], order: Order): HTMLElement {
  const drawn = order === "effect" && effects ? effects : values;
  const largest = Math.max(...drawn.map(Math.abs));
  const legend = colours(Math.min(0, ...drawn), largest);
  const cells = tokens.map((token, place) => {
    const element = tokenElement(token);
    const here = drawn[place] ?? 0;
    element.title = readable(here, { signed: legend.low < 0 });
    if (here !== 0) element.style.backgroundColor = shade(here, legend);
    return element;
  });
  return h(
    "div",
    { class: "firing" },
    h("a", { class: "number", href: latentAddress(latent) }, String(latent)),
    h("span", { class: "words" }, visible(label)),
    h("span", { class: "figure" }, order === "share" ? `${Math.round(100 * value)} %` : readable(value)),
    h("span", { class: "text" }, ...cells),
  );
}
