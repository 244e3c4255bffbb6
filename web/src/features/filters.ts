// Filters on statistics: each a range; an open end has no number.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { visible } from "../text.ts";
import type { Filter, Question, Statistics } from "./table.ts";

export function filterBar(statistics: Statistics, question: Question, update: () => void): HTMLElement {
  const bar = h("div", { class: "filters" });
  const chosen = h("select", { "aria-label": "Filter by a statistic" }, h("option", { value: "" }, "filter by…"));
  chosen.append(...statistics.all.map(({ name, title }) => h("option", { value: name }, visible(title))));
  chosen.addEventListener("change", () => {
    question.filters.push({ column: chosen.value, low: null, high: null });
    chosen.value = "";
    draw();
    bar.querySelector<HTMLInputElement>(".filter:last-of-type input")?.focus();
  });

  function draw(): void {
    bar.replaceChildren(...question.filters.map(chip), chosen);
  }

  function chip(filter: Filter): HTMLElement {
    const { title = filter.column, note = "", values = new Float32Array() } = statistics.named(filter.column) ?? {};
    const [least, most] = limits(values);
    const end = (which: "low" | "high", hint: number) => {
      const label = `${title}: ${which === "low" ? "at least" : "at most"}`;
      const input = h("input", { inputmode: "decimal", placeholder: readable(hint), value: filter[which] ?? "", "aria-label": label });
      input.addEventListener("input", () => {
        const value = Number(input.value.replace(",", "."));
        const wrong = input.value.trim() !== "" && Number.isNaN(value);
        input.setAttribute("aria-invalid", String(wrong));
        if (wrong) return;
        filter[which] = input.value.trim() === "" ? null : value;
        update();
      });
      return input;
    };
    const remove = h("button", { type: "button", "aria-label": `Take away the filter on ${title}` }, "×");
    remove.addEventListener("click", () => {
      question.filters.splice(question.filters.indexOf(filter), 1);
      draw();
      update();
    });
    return h("span", { class: "filter", title: note }, `${visible(title)} `, end("low", least), " to ", end("high", most), remove);
  }

  draw();
  return bar;
}

function limits(values: Float32Array): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return least <= most ? [least, most] : [0, 0];
}
