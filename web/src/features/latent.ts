// One feature on one page.

import { h } from "../dom.ts";
import { readable } from "../numbers.ts";
import { visible } from "../text.ts";
import { examplesOf } from "./examples.ts";
import { backAddress, order, tokensOf } from "./list.ts";
import * as panels from "./panels.ts";
import { latentAddress } from "./route.ts";
import { effects as askEffects, open } from "./source.ts";
import type { Statistics } from "./table.ts";
import type { Description, Feature } from "./types.ts";

export async function latentView(root: HTMLElement, statistics: Statistics, latent: number): Promise<void> {
  const { site } = statistics;
  const { feature, effects } = await open(site, latent);
  const examples = examplesOf(feature, effects);
  const { top, side } = bands(feature);
  root.append(
    steps(statistics, latent),
    header(feature, statistics),
    h("div", { class: "band" }, ...top),
    h("div", { class: "columns" }, h("div", { class: "main" }, h("h2", {}, "Where it fires"), examples.element), h("aside", {}, ...side)),
  );
  if (effects) return;
  if (!site.asks.includes("effects")) return examples.say("What the feature does to the loss is not in this file: export it with effects.");
  examples.say("Asking the model what the feature does in these places …");
  askEffects(latent).then(examples.learn, (error: Error) => examples.say(visible(error.message)));
}

function bands(feature: Feature): { top: HTMLElement[]; side: HTMLElement[] } {
  const { neighbours, neurons } = panels;
  const parallel = Object.entries(feature.parallel).map(([name, list]) => neighbours(`Nearest in ${visible(name)}`, list, false));
  const side = [
    panels.properties(feature),
    panels.heads(feature),
    neighbours("Nearest directions", feature.nearest, true),
    neighbours("Fires with", feature.correlated, true),
    ...parallel,
    neurons("Largest weights of its direction", feature.alignment, "weight", "of L1", true),
    neurons(`Correlated neurons${feature.neurons_at ? ` of ${visible(feature.neurons_at)}` : ""}`, feature.neurons, "Pearson", "cosine", false),
    panels.positions(feature),
  ];
  const top = [panels.activations(feature), panels.logits(feature), panels.logitWeights(feature)];
  const shown = (list: panels.Panel[]) => list.filter((panel): panel is HTMLElement => panel !== null);
  return { top: shown(top), side: shown(side) };
}

/** Back to the list, and to its neighbours in it. */
function steps({ site }: Statistics, latent: number): HTMLElement {
  const rows = order.rows.length ? order.rows : site.latents.map((_, row) => row);
  const place = rows.findIndex((row) => site.latents[row] === latent);
  const to = (step: number, words: string, key: string) => {
    const next = place < 0 ? undefined : site.latents[rows[place + step] ?? -1];
    return next === undefined
      ? h("span", { class: "quiet" }, words)
      : h("a", { href: latentAddress(next), "data-key": key, title: `key ${key}` }, words);
  };
  return h(
    "nav",
    { class: "steps", "aria-label": "Features" },
    h("a", { href: backAddress(), "data-key": "Escape" }, "‹ all features"),
    h("span", {}, to(-1, "← previous", "k"), to(1, "next →", "j")),
  );
}

function header(feature: Feature, { site, all }: Statistics): HTMLElement {
  const people = feature.descriptions.filter(({ author }) => author === "human");
  const machines = feature.descriptions.filter(({ author }) => author !== "human");
  const [best, ...rest] = [...machines].sort((a, b) => scoreOf(b) - scoreOf(a));
  const row = site.latents.indexOf(feature.latent);
  const facts = all.flatMap(({ name, title, note }) => {
    const value = feature.statistics[name];
    return name === "score" || value == null ? [] : [h("div", { title: note }, h("dt", {}, visible(title)), h("dd", {}, Number.isInteger(value) ? value.toLocaleString("en") : readable(value)))];
  });
  return h(
    "header",
    { class: "feature" },
    h("p", { class: "number" }, `feature ${feature.latent}`),
    h("h1", {}, best ? visible(best.text) : h("span", {}, "Most active on ", ...tokensOf(site.table.tokens[row] ?? []))),
    best ? h("p", { class: "by" }, ...about(best)) : h("p", { class: "by quiet" }, "Nobody described it yet: these are the tokens on which it is strongest."),
    people.length > 0 && h("div", { class: "people" }, ...people.map((one) => h("p", {}, h("b", {}, "In a person's words: "), visible(one.text)))),
    rest.length > 0 &&
      h("details", {}, h("summary", {}, `${rest.length} other description${rest.length > 1 ? "s" : ""}`), ...rest.map((one) => h("p", {}, visible(one.text), " ", h("span", { class: "by" }, ...about(one))))),
    h("dl", { class: "statistics" }, ...facts),
  );
}

/** Who said it, and how well it tells where the feature fires; each score beside that of a shuffled description. */
function about({ author, scores, controls, note }: Description): (Node | string)[] {
  const parts = Object.entries(scores).map(([scorer, score]) => {
    const control = controls[scorer];
    const shuffled = control == null ? "" : ` (shuffled ${control.toFixed(2)})`;
    return h("span", { class: "score" }, `${visible(scorer)} `, h("b", {}, score === null ? "not scored" : score.toFixed(2)), shuffled);
  });
  return [h("span", { title: note }, `by ${visible(author)}`), ...parts];
}

function scoreOf({ scores }: Description): number {
  return Math.max(-Infinity, ...Object.values(scores).filter((score): score is number => score !== null));
}
