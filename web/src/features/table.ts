// The statistics of all latents, and which of them a reader's search and filters leave, in which order.

import { bytes } from "../base64.ts";
import type { Site } from "./types.ts";

export interface Filter {
  column: string;
  low: number | null;
  high: number | null;
}

export interface Question {
  words: string;
  sort: string;
  down: boolean;
  filters: Filter[];
}

export interface Statistic {
  name: string;
  title: string;
  note: string;
  values: Float32Array;
}

export class Statistics {
  readonly all: Statistic[];
  private readonly texts: string[];

  constructor(readonly site: Site) {
    this.all = site.table.columns.map((column) => ({ ...column, values: floats(column.values) }));
    this.texts = site.latents.map((latent, row) => {
      const { descriptions, tokens } = site.table;
      return `${latent} ${descriptions[row]} ${tokens[row]?.join(" ")}`.toLowerCase();
    });
  }

  named(name: string): Statistic | undefined {
    return this.all.find((statistic) => statistic.name === name);
  }

  /** The rows that a question leaves, in its order; what is not known comes last in either direction. */
  rows({ words, sort, down, filters }: Question): number[] {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const ranges = filters.flatMap(({ column, low, high }) => {
      const values = this.named(column)?.values;
      return values ? [{ values, low: low ?? -Infinity, high: high ?? Infinity }] : [];
    });
    const found: number[] = [];
    for (let row = 0; row < this.texts.length; row++) {
      const text = this.texts[row] ?? "";
      if (!wanted.every((word) => text.includes(word))) continue;
      if (ranges.every(({ values, low, high }) => (values[row] ?? NaN) >= low && (values[row] ?? NaN) <= high)) found.push(row);
    }
    const key = this.named(sort)?.values;
    if (!key) return down ? found.reverse() : found;
    const sign = down ? -1 : 1;
    return found.sort((a, b) => {
      const [first, second] = [key[a] ?? NaN, key[b] ?? NaN];
      if (Number.isNaN(first) || Number.isNaN(second)) return Number(Number.isNaN(first)) - Number(Number.isNaN(second)) || a - b;
      return sign * (first - second) || a - b;
    });
  }
}

/** 32-bit floats, little end first. */
export function floats(base64: string): Float32Array {
  return new Float32Array(bytes(base64).buffer);
}

export function questionOf(options: URLSearchParams, sort: string, down: boolean): Question {
  const number = (text: string | undefined) => (text ? Number(text) : null);
  return {
    words: options.get("find") ?? "",
    sort: options.get("sort") ?? sort,
    down: (options.get("order") ?? (down ? "down" : "up")) === "down",
    filters: options.getAll("where").map((text) => {
      const [column = "", low, high] = text.split("~");
      return { column, low: number(low), high: number(high) };
    }),
  };
}

export function optionsOf({ words, sort, down, filters }: Question): URLSearchParams {
  const options = new URLSearchParams();
  if (words) options.set("find", words);
  options.set("sort", sort);
  options.set("order", down ? "down" : "up");
  for (const { column, low, high } of filters) options.append("where", `${column}~${low ?? ""}~${high ?? ""}`);
  return options;
}
