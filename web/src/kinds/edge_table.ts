// The edges that are seen, as a table: searched by the name of a node, sorted by any column; a row lights its edge up.

import { h } from "../dom.ts";
import type { Entry, Value, Wiring } from "../types.ts";
import { drawTable } from "./table.ts";
import { type Picture } from "./wiring.ts";
import { endsOf } from "./wiring_words.ts";

const MOST = 12;

export function edgeTable(
  host: HTMLElement,
  wiring: Wiring,
  figures: { name: string; values: Entry[] | Value[] }[],
  picture: Picture,
): { renew(): void } {
  const { nodes, senders, receivers, inputs } = wiring;
  const search = h("input", {
    type: "search",
    placeholder: "search by name",
    "aria-label": "Search nodes by name",
    class: "search",
  });
  host.append(h("div", { class: "choices unseen" }, search));
  const ported = inputs.some(({ port }) => port !== "");
  const columns = ["from", "to", ...(ported ? ["input"] : []), ...figures.map(({ name }) => name)];
  const rows = senders.map((_, edge): Entry[] => {
    const { from, to, port } = endsOf(wiring, edge);
    return [from, to, ...(ported ? [port] : []), ...figures.map(({ values }) => values[edge] ?? null)];
  });
  const table = drawTable(host, { data: { columns, rows } }, MOST);
  const none = h("p", { class: "notice", hidden: "" });
  host.append(none);
  const places = new Map<Element, number>(table.all.map((row, edge) => [row, edge]));
  const edgeAt = (event: Event) => places.get((event.target as HTMLElement).closest("tr") as Element) ?? null;
  host.addEventListener("pointerover", (event) => picture.hint(edgeAt(event)));
  host.addEventListener("pointerleave", () => picture.hint(null));
  host.addEventListener("click", (event) => {
    const edge = edgeAt(event);
    if (edge !== null) picture.pin({ edge });
  });

  function renew(): void {
    const asked = search.value.trim().toLowerCase();
    const kept = picture.kept();
    const seen = kept ? kept.edges : new Set(picture.shown());
    const matches = (node: number) => `${nodes.labels[node]}\n${nodes.names[node]}`.toLowerCase().includes(asked);
    const isAsked = (edge: number) =>
      !asked || [senders[edge] ?? 0, ...(inputs[receivers[edge] ?? 0]?.feeds ?? [])].some(matches);
    let count = 0;
    table.keep((edge) => {
      const isListed = seen.has(edge) && isAsked(edge);
      count += Number(isListed);
      return isListed;
    });
    none.hidden = count > 0;
    none.textContent = asked ? `None of the edges that are seen has an end called “${search.value.trim()}”.` : "No edge is seen.";
  }

  search.addEventListener("input", () => {
    const asked = search.value.trim().toLowerCase();
    picture.find(
      new Set(
        asked
          ? nodes.names.flatMap((name, node) => (`${nodes.labels[node]}\n${name}`.toLowerCase().includes(asked) ? [node] : []))
          : [],
      ),
    );
    renew();
  });
  return { renew };
}
