// A circuit by its scores: as many of its edges as the reader wants to see, the measure at that size, and what hangs together with a node.

import { paintOf, shade } from "../colour.ts";
import { h, svg } from "../dom.ts";
import type { Reading, Stage } from "../explore.ts";
import { colourKey } from "../legend.ts";
import { exact, largest, readable } from "../numbers.ts";
import { Patterns } from "../patterns.ts";
import { placeElements, proseText, visible } from "../text.ts";
import type { CircuitGraph, Colours, Value } from "../types.ts";
import { paintPattern } from "./attention.ts";
import { drawDial } from "./dial.ts";
import { edgeTable } from "./edge_table.ts";
import { drawHead } from "./head.ts";
import { arrange, drawWiring, type Target } from "./wiring.ts";
import { edgeWords, endsOf, graphWords, keptWords } from "./wiring_words.ts";

const FEW = 3;
const WEIGHTS: Colours = { scale: "sequential", low: 0, high: 1, zero: "not looked at", clipped: 0, missing: 0 };

export function drawCircuitGraph(host: HTMLElement, drawing: CircuitGraph): Stage {
  const { data, legend, axes, unit } = drawing;
  const { nodes, scores } = data;
  const patterns = data.attention?.heads.length ? new Patterns(data.attention) : null;
  const effects: Colours = { ...legend, high: largest(nodes.values ?? []) };
  const bySize = data.order === "size";
  const sizes = scores.map((score) => Math.abs(score ?? 0));
  const stored = scores.length;

  const top = h("div");
  const graph = h("div", { class: "circuit-graph" });
  const list = h("div", { class: "circuit-list" });
  const kept = h("div", { class: "kept", role: "status" });
  const pattern = h("div", { class: "kept", hidden: "" });
  const parts = h("div", { class: "circuit-parts" }, graph, list, kept, pattern);
  host.append(top, parts);

  const picture = drawWiring(graph, data, axes.row, { edge: ink, ...(nodes.values ? { fill } : {}) }, read, changed);
  graph.append(key());
  const table = edgeTable(list, data, [{ name: unit ? `score (${proseText(unit)})` : "score", values: scores }], picture);
  const head = patterns && data.attention ? openHead(pattern) : null;

  function ink(edge: number): { class: string; width: number; opacity: number } {
    const score = scores[edge] ?? null;
    if (score === null) return { class: "edge", width: 1.2, opacity: 0.7 };
    const share = legend.high ? Math.min(1, Math.abs(score) / legend.high) : 0;
    return {
      class: `edge ${score < 0 ? "negative" : "positive"}`,
      width: round(0.7 + 4.3 * share ** 0.75),
      opacity: round(0.3 + 0.65 * share ** 0.4),
    };
  }

  function fill(node: number): string {
    return shade(nodes.values?.[node] ?? null, effects);
  }

  function amount(value: Value): string {
    return value === null ? "not measured" : `${exact(value, true)} ${visible(unit)}`;
  }

  function read(target: Target): Reading {
    if ("edge" in target) {
      const place = bySize
        ? `number ${target.edge + 1} of ${data.total.toLocaleString("en")} by size`
        : `number ${target.edge + 1} of ${data.total.toLocaleString("en")}`;
      const score = scores[target.edge] ?? null;
      return { head: [edgeWords(data, target.edge)], value: score === null ? "no score" : amount(score), lines: [place] };
    }
    const { node } = target;
    const role = nodes.roles?.names[nodes.roles.of[node] ?? -1];
    const around = neighbours(node);
    return {
      head: [
        visible(nodes.labels[node] ?? ""),
        nodes.names[node] === nodes.labels[node] ? "" : ` · ${visible(nodes.names[node] ?? "")}`,
      ],
      value: nodes.values ? `effect ${amount(nodes.values[node] ?? null)}` : "",
      lines: [
        ...[role, nodes.details?.[node]].flatMap((words) => (words ? [visible(words)] : [])),
        ...around.into
          .slice(0, FEW)
          .map((edge): [string, string] => [`from ${endWords(edge, "from")}`, readable(scores[edge] ?? null, { signed: true })]),
        ...around.from
          .slice(0, FEW)
          .map((edge): [string, string] => [`to ${endWords(edge, "to")}`, readable(scores[edge] ?? null, { signed: true })]),
        counted(around),
        ...glance(node),
      ],
    };
  }

  /** The edges that are seen into a node and from it, the first ones first. */
  function neighbours(node: number): { into: number[]; from: number[] } {
    const seen = picture.shown();
    return {
      into: seen.filter((edge) => data.inputs[data.receivers[edge] ?? 0]?.feeds.includes(node)),
      from: seen.filter((edge) => data.senders[edge] === node),
    };
  }

  function endWords(edge: number, end: "from" | "to"): string {
    const ends = endsOf(data, edge);
    return visible(end === "to" ? `${ends.to} ${ends.port}` : `${ends.from}${ends.port ? `, into ${ends.port}` : ""}`);
  }

  function counted({ into, from }: { into: number[]; from: number[] }): string {
    return `${into.length} ${into.length === 1 ? "edge" : "edges"} in, ${from.length} out, of those seen`;
  }

  /** A head's pattern, small. */
  function glance(node: number): (Node | string)[] {
    const at = data.attention?.heads.indexOf(nodes.names[node] ?? "") ?? -1;
    if (!patterns || !data.attention || at < 0) return [];
    const { tokens } = data.attention;
    const canvas = h("canvas", { class: "glance", "aria-hidden": "true" });
    paintPattern(canvas, at, patterns, tokens.length, WEIGHTS, paintOf(host));
    const last = tokens.length - 1;
    const row = patterns.row(at, last);
    const most = row.indexOf(Math.max(...row));
    const words = h(
      "span",
      {},
      ...placeElements(tokens[last] ?? "", last),
      " looks most at ",
      ...placeElements(tokens[most] ?? "", most),
      ` ${readable(row[most] ?? 0, { like: 1 })}`,
    );
    return [h("div", { class: "glance-parts" }, canvas, words)];
  }

  function openHead(place: HTMLElement): (node: number) => void {
    const packed = data.attention!;
    const labels = packed.heads.map((name) => nodes.labels[nodes.names.indexOf(name)] ?? name);
    const show = drawHead(place, h("div"), { ...packed, heads: labels }, patterns!, WEIGHTS);
    return (node) => {
      const at = packed.heads.indexOf(nodes.names[node] ?? "");
      place.hidden = at < 0;
      if (at >= 0) show(at, nodes.values ? `effect ${amount(nodes.values[node] ?? null)}` : "");
    };
  }

  function said(target: Target): string {
    if ("edge" in target) return scores[target.edge] === null ? "" : amount(scores[target.edge] ?? null);
    const role = nodes.roles?.names[nodes.roles.of[target.node] ?? -1];
    const effect = nodes.values?.[target.node] ?? null;
    return [role && visible(role), effect !== null && `effect ${amount(effect)}`].filter(Boolean).join(", ");
  }

  function changed(): void {
    const target = picture.kept()?.target;
    kept.replaceChildren(...[keptWords(data, picture, said)].filter((words) => words !== null));
    if (target && "node" in target && head) head(target.node);
    else pattern.hidden = true;
    table.renew();
  }

  function key(): HTMLElement {
    const role = (name: string, place: number) =>
      h(
        "span",
        { class: `item series-${place}` },
        svg(
          "svg",
          { width: 4, height: 12, "aria-hidden": "true" },
          svg("rect", { class: "role-mark", width: 4, height: 12, rx: 2 }),
        ),
        h("span", { class: "words" }, visible(name)),
      );
    const left = data.total - stored;
    return h(
      "div",
      {},
      colourKey(legend, unit),
      h(
        "p",
        { class: "key" },
        ...(nodes.roles?.names ?? []).map(role),
        ...[
          nodes.values && effects.high > 0 && `fill of a node: its effect, up to ±${readable(effects.high)} ${visible(unit)}`,
          ...graphWords(data),
          left > 0 &&
            `${left.toLocaleString("en")} of ${data.total.toLocaleString("en")} edges are left out: those ${bySize ? "of smallest score" : "that come last"}`,
        ].flatMap((words) => (words ? [h("span", {}, words)] : [])),
      ),
    );
  }

  arrange(parts, picture);
  const dial = {
    total: data.total,
    stored,
    start: data.shown,
    unit,
    ...(data.curve ? { curve: data.curve } : {}),
    ...(bySize && scores.some((score) => score !== null)
      ? {
          least: (count: number) => scores[count - 1] ?? null,
          atLeast: (size: number) => sizes.filter((one) => one >= size).length,
        }
      : {}),
  };
  drawDial(top, dial, (count) => picture.show(Array.from({ length: count }, (_, edge) => edge)));
  return picture.stage;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
