// A circuit in words: its edges, the marks of its picture, what is kept.

import { h } from "../dom.ts";
import { visible } from "../text.ts";
import type { Wiring } from "../types.ts";
import type { Picture, Target } from "./wiring.ts";

/** What the marks of a picture mean. */
export function graphWords({ inputs }: Wiring): string[] {
  return [
    ...(inputs.some(({ port }) => /^[qkv]$/u.test(port)) ? ["inputs of a head, from left to right: q, k, v"] : []),
    ...(inputs.some(({ under }) => under)
      ? ["a thin line: a key or value is read at other positions, too"]
      : inputs.some(({ feeds }) => feeds.length > 1)
        ? ["an input between heads is shared by them"]
        : []),
    "dots: nodes without an edge that is seen",
    "a click on a node or an edge keeps the paths through it",
  ];
}

/** What is kept, in words, with a button that lets go of it. */
export function keptWords(wiring: Wiring, picture: Picture, said: (target: Target) => string = () => ""): HTMLElement | null {
  const kept = picture.kept();
  if (!kept) return null;
  const name = "edge" in kept.target ? edgeWords(wiring, kept.target.edge) : visible(wiring.nodes.labels[kept.target.node] ?? "");
  const button = h("button", { type: "button", class: "unseen" }, "let go");
  button.addEventListener("click", () => picture.pin(null));
  const [count, all] = [kept.edges.size, picture.shown().length];
  const more = said(kept.target);
  return h(
    "p",
    {},
    h("b", {}, name),
    more && ` (${more})`,
    ` is kept: ${count} of the ${all} edges that are seen lie on paths through it. `,
    button,
  );
}

/** An edge in words: its sender, and the receivers with the input that it feeds. */
export function endsOf({ nodes, inputs, senders, receivers }: Wiring, edge: number): { from: string; to: string; port: string } {
  const input = inputs[receivers[edge] ?? 0];
  const names = (input?.under ?? input?.feeds ?? []).map((node) => nodes.labels[node] ?? "");
  const to = names.length > 1 ? `${names[0]} to ${names.at(-1)}` : (names[0] ?? "");
  return { from: nodes.labels[senders[edge] ?? 0] ?? "", to, port: input?.port ?? "" };
}

export function edgeWords(wiring: Wiring, edge: number): string {
  const { from, to, port } = endsOf(wiring, edge);
  return visible(`${from} → ${to} ${port}`.trim());
}
