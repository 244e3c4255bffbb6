// Two circuits in one picture: the edges that both have, and those that only one has, each of which can be put out of sight.

import { h, svg } from "../dom.ts";
import type { Reading, Stage } from "../explore.ts";
import { exact } from "../numbers.ts";
import { prose, proseText, visible } from "../text.ts";
import type { CircuitPair, Value } from "../types.ts";
import { edgeTable } from "./edge_table.ts";
import { arrange, drawWiring, type Target } from "./wiring.ts";
import { edgeWords, graphWords, keptWords } from "./wiring_words.ts";

const SIDES = [1, 0, 2] as const; // both first

export function drawCircuitPair(host: HTMLElement, drawing: CircuitPair): Stage {
  const { data, axes, unit } = drawing;
  const { nodes, sides, scores } = data;
  const names = [`${data.names[0]} alone`, "both", `${data.names[1]} alone`];
  const seen = new Set<number>(SIDES);
  const graph = h("div", { class: "circuit-graph" });
  const list = h("div", { class: "circuit-list" });
  const kept = h("div", { class: "kept", role: "status" });
  const parts = h("div", { class: "circuit-parts" }, graph, list, kept);

  const toggles = SIDES.map((side) => {
    const swatch = svg(
      "svg",
      { width: 26, height: 8, "aria-hidden": "true" },
      svg("path", { class: `edge side-${side}`, d: "M0,4H26", "stroke-width": 2.2 }),
    );
    const button = h(
      "button",
      { type: "button", "aria-pressed": "true" },
      swatch,
      h("span", {}, ...prose(names[side] ?? "")),
      ` ${data.counts[side].toLocaleString("en")}`,
    );
    button.addEventListener("click", () => {
      if (!seen.delete(side)) seen.add(side);
      button.setAttribute("aria-pressed", String(seen.has(side)));
      show();
    });
    return button;
  });
  host.append(h("div", { class: "choices sides", role: "group", "aria-label": "Which edges are seen" }, ...toggles), parts);

  const ink = (edge: number) => ({ class: `edge side-${sides[edge]}`, width: sides[edge] === 1 ? 1.8 : 1.6, opacity: 0.85 });
  const picture = drawWiring(graph, data, axes.row, { edge: ink }, read, changed);
  const hasScores = scores.map((side) => side.some((score) => score !== null));
  const columns = [
    { name: "in", values: sides.map((side) => names[side] ?? "") },
    ...data.names.flatMap((name, i) =>
      hasScores[i] ? [{ name: `${proseText(name)}${unit ? ` (${proseText(unit)})` : ""}`, values: scores[i] as Value[] }] : [],
    ),
  ];
  const table = edgeTable(list, data, columns, picture);
  const left = data.counts.reduce((sum, count) => sum + count, 0) - sides.length;
  graph.append(
    h(
      "p",
      { class: "key" },
      ...[...graphWords(data), left > 0 && `${left.toLocaleString("en")} edges are left out`].flatMap((words) =>
        words ? [h("span", {}, words)] : [],
      ),
    ),
  );

  function read(target: Target): Reading {
    if ("edge" in target) {
      const lines = data.names.flatMap((name, i): [string, string][] => {
        const score = scores[i]?.[target.edge] ?? null;
        return score === null ? [] : [[proseText(name), `${exact(score, true)} ${visible(unit)}`]];
      });
      return { head: [edgeWords(data, target.edge)], value: `in ${proseText(names[sides[target.edge] ?? 1] ?? "")}`, lines };
    }
    const { node } = target;
    const touching = picture
      .shown()
      .filter((edge) => data.senders[edge] === node || data.inputs[data.receivers[edge] ?? 0]?.feeds.includes(node));
    const lines = SIDES.map((side): [string, string] => [
      proseText(names[side] ?? ""),
      String(touching.filter((edge) => sides[edge] === side).length),
    ]);
    const detail = nodes.details?.[node];
    return {
      head: [
        visible(nodes.labels[node] ?? ""),
        nodes.names[node] === nodes.labels[node] ? "" : ` · ${visible(nodes.names[node] ?? "")}`,
      ],
      value: `${touching.length} ${touching.length === 1 ? "edge" : "edges"}`,
      lines: [...(detail ? [visible(detail)] : []), ...lines],
    };
  }

  function changed(): void {
    kept.replaceChildren(...[keptWords(data, picture)].filter((words) => words !== null));
    table.renew();
  }

  const show = () => picture.show(sides.flatMap((side, edge) => (seen.has(side) ? [edge] : [])));
  arrange(parts, picture);
  show();
  return picture.stage;
}
