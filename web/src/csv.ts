// A drawing's numbers as CSV: one row per value, every label as it is.

import { Patterns } from "./patterns.ts";
import { ValueMap } from "./pixels.ts";
import type { Drawing, Entry, Packed, PackedMap, Series, Wiring } from "./types.ts";

export function csv(drawing: Drawing): string {
  return rowsOf(drawing)
    .map((row) => row.map(quoted).join(",") + "\r\n")
    .join("");
}

function quoted(entry: Entry): string {
  const text = entry === null ? "" : String(entry);
  return /^\s|\s$|[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rowsOf(drawing: Drawing): Entry[][] {
  const { unit } = drawing;
  const value = unit ? `value (${unit})` : "value";
  switch (drawing.kind) {
    case "tokens": {
      const { tokens, values, details, roles } = drawing.data;
      return [
        ["position", "token", value, "detail", "role"],
        ...tokens.map((token, i) => [
          i,
          token,
          values?.[i] ?? null,
          details?.[i] ?? null,
          roles?.names[roles.of[i] ?? -1] ?? null,
        ]),
      ];
    }
    case "matrix":
    case "head_grid": {
      const { row, col } = drawing.axes;
      const { values, details } = drawing.data;
      const cells = row.labels.flatMap((rowLabel, r) =>
        col.labels.map((colLabel, c) => [r, rowLabel, c, colLabel, values[r]?.[c] ?? null, details?.[r]?.[c] ?? null]),
      );
      const grid = [["row", row.name, "column", col.name, value, "detail"], ...cells];
      return drawing.kind === "head_grid" && drawing.data.attention ? [...grid, ...weights(drawing.data.attention)] : grid;
    }
    case "attention":
      return weights(drawing.data);
    case "lens": {
      const { row, col } = drawing.axes;
      const { top, values, marks, true: next } = drawing.data;
      const cells = row.labels.flatMap((layer, r) =>
        col.labels.map((token, c) => [
          layer,
          c,
          token,
          top[r]?.[c] ?? null,
          values[r]?.[c] ?? null,
          marks?.[r]?.[c] ?? null,
          next?.[r]?.[c] ?? null,
        ]),
      );
      return [["layer", "position", "token", "top token", value, "final guess", "comes next"], ...cells];
    }
    case "bars":
    case "waterfall": {
      const { labels, values, intervals, controls } = drawing.data;
      const rows = labels.map((label, i) => [
        label,
        values[i] ?? null,
        intervals?.[i]?.[0] ?? null,
        intervals?.[i]?.[1] ?? null,
        controls?.[i] ?? null,
      ]);
      if (drawing.kind === "waterfall") {
        if (drawing.data.remainder !== null) rows.push(["remainder", drawing.data.remainder, null, null, null]);
        rows.push(["total", drawing.data.total, null, null, null]);
      }
      const { label, value: mean, interval } = drawing.control;
      if (label) rows.push([`control: ${label}`, mean ?? null, interval?.[0] ?? null, interval?.[1] ?? null, null]);
      return [["label", value, "low", "high", "control"], ...rows];
    }
    case "lines":
    case "rose": {
      const { name, labels } = drawing.axes.x;
      const points = drawing.data.series.flatMap((one) =>
        labels.map((label, i) => [one.name, label, one.values[i] ?? null, one.low?.[i] ?? null, one.high?.[i] ?? null]),
      );
      const { control } = drawing;
      const { label, value: mean, interval } = control;
      const { name: random, values, low, high } = control;
      labels.forEach((place, i) => {
        if (values) points.push([`control: ${random}`, place, values[i] ?? null, low?.[i] ?? null, high?.[i] ?? null]);
      });
      if (label) points.push([`control: ${label}`, null, mean ?? null, interval?.[0] ?? null, interval?.[1] ?? null]);
      return [["series", name, value, "low", "high"], ...points];
    }
    case "verdicts": {
      const columns = [
        "claim",
        "measure",
        "measured",
        "control",
        "n",
        "direction",
        "threshold",
        "threshold_source",
        "reason",
        "holds",
        "command",
      ] as const;
      const rows = drawing.data.verdicts.map((verdict) => [
        ...columns.map((column) => verdict[column]),
        verdict.interval?.[0] ?? null,
        verdict.interval?.[1] ?? null,
      ]);
      return [[...columns, "difference low", "difference high"], ...rows];
    }
    case "scatter": {
      const points = drawing.data.series.flatMap(({ name, x, y, low, high, labels }) =>
        x.map((across, i) => [name, labels?.[i] ?? null, across, y[i] ?? null, low?.[i] ?? null, high?.[i] ?? null]),
      );
      const { label, value: mean, interval } = drawing.control;
      if (label) points.push([`control: ${label}`, null, null, mean ?? null, interval?.[0] ?? null, interval?.[1] ?? null]);
      return [["series", "label", drawing.axes.x.name, unit, "low", "high"], ...points];
    }
    case "violins": {
      const heads = ["label", "n", "missing", "lowest", "lower quartile", "median", "upper quartile", "highest", value];
      const { labels, violins } = drawing.data;
      return [
        heads,
        ...violins.flatMap(({ n, missing, quartiles, points }, i) =>
          (points.length ? points : [null]).map((point) => [labels[i] ?? "", n, missing, ...quartiles, point]),
        ),
      ];
    }
    case "swap": {
      const { tokens, alternatives } = drawing.data;
      return [
        ["weights", "output", "position", "token", value],
        ...alternatives.flatMap(({ label, output, weights }) =>
          tokens.map((token, i) => [label, output, i, token, weights[i] ?? null]),
        ),
      ];
    }
    case "overlay":
      return [["row", "column", value], ...valuesOf(drawing.data.map)];
    case "overlays": {
      const { row, col } = drawing.axes;
      const maps = drawing.data.maps.flatMap((line, r) =>
        line.flatMap((map, c) => (map ? valuesOf(map).map((entry) => [row.labels[r] ?? "", col.labels[c] ?? "", ...entry]) : [])),
      );
      return [[row.name, col.name, "row", "column", value], ...maps];
    }
    case "picture_grid": {
      const { row, col } = drawing.axes;
      const { pictures, maps, values, details } = drawing.data;
      const cells = pictures.flatMap((line, r) =>
        line.flatMap((picture, c) => {
          const named = [row.labels[r] ?? "", col.labels[c] ?? "", values?.[r]?.[c] ?? null, details?.[r]?.[c] ?? ""];
          const map = maps?.[r]?.[c];
          if (map) return valuesOf(map).map((entry) => [...named, ...entry]);
          return picture ? [maps ? [...named, null, null, null] : named] : [];
        }),
      );
      const places = maps ? ["row", "column", drawing.data.map_unit || "map"] : [];
      return [[row.name, col.name, value, "detail", ...places], ...cells];
    }
    case "circuit_graph": {
      const { scores, curve, attention } = drawing.data;
      const unitOfScore = unit ? `score (${unit})` : "score";
      const edges = [
        ["sender", "receivers", "input", unitOfScore],
        ...wires(drawing.data).map((ends, edge) => [...ends, scores[edge] ?? null]),
      ];
      const measures = curve ? [["edges", "measure", "value", "low", "high"], ...sized(curve, curve.sizes)] : [];
      const random = curve?.control ? sized({ ...curve.control, name: `control: ${curve.control.name}` }, curve.sizes) : [];
      return [...edges, ...measures, ...random, ...(attention ? weights(attention) : [])];
    }
    case "circuit_pair": {
      const { names, sides, scores } = drawing.data;
      const where = [`${names[0]} alone`, "both", `${names[1]} alone`];
      const heads = ["sender", "receivers", "input", "in", ...names.map((name) => `${name}, score${unit ? ` (${unit})` : ""}`)];
      return [
        heads,
        ...wires(drawing.data).map((ends, edge) => [
          ...ends,
          where[sides[edge] ?? 1] ?? "",
          scores[0][edge] ?? null,
          scores[1][edge] ?? null,
        ]),
      ];
    }
    case "table": {
      const { columns, rows, intervals } = drawing.data;
      if (!intervals) return [columns, ...rows];
      return [
        columns.flatMap((name) => [name, `${name}, low`, `${name}, high`]),
        ...rows.map((row, r) =>
          row.flatMap((entry, c) => [entry, intervals[r]?.[c]?.[0] ?? null, intervals[r]?.[c]?.[1] ?? null]),
        ),
      ];
    }
    case "tabs":
    case "beside":
      return drawing.data.parts.flatMap((part) => rowsOf(part.drawing).map((row) => [part.label, ...row]));
  }
}

/** For every edge the names at its ends, and the input that it feeds. */
function wires({ nodes, inputs, senders, receivers }: Wiring): Entry[][] {
  return senders.map((sender, edge) => {
    const input = inputs[receivers[edge] ?? 0];
    return [nodes.names[sender] ?? "", (input?.under ?? input?.feeds ?? []).map((node) => nodes.names[node] ?? "").join("; "), input?.port ?? ""];
  });
}

/** A measure at every size at which it was measured. */
function sized({ name, values, low, high }: Series, sizes: number[]): Entry[][] {
  return sizes.map((size, i) => [size, name, values[i] ?? null, low?.[i] ?? null, high?.[i] ?? null]);
}

/** Every value of a map. */
function valuesOf(packed: PackedMap): Entry[][] {
  const map = new ValueMap(packed);
  return Array.from({ length: map.rows * map.cols }, (_, place) => {
    const [row, col] = [Math.floor(place / map.cols), place % map.cols];
    return [row, col, map.at(row, col)];
  });
}

/** Every stored weight above zero. */
function weights(packed: Packed): Entry[][] {
  const patterns = new Patterns(packed);
  const { heads, tokens } = packed;
  const rows: Entry[][] = [["head", "query", "query token", "key", "key token", "attention weight"]];
  heads.forEach((name, head) =>
    tokens.forEach((from, query) =>
      patterns.row(head, query).forEach((weight, key) => {
        if (weight > 0) rows.push([name, query, from, key, tokens[key] ?? "", weight]);
      }),
    ),
  );
  return rows;
}
