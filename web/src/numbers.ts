// Numbers as a reader sees them: the same rules as `sonde/views/text.py`.

import type { Value } from "./types.ts";

interface Style {
  /** write the plus sign too */
  signed?: boolean;
  /** a number of the same figure (its largest), so that all of them get the same decimals */
  like?: number;
}

/** Three significant digits, of the number itself or of `like`. */
export function readable(value: Value, { signed = false, like }: Style = {}): string {
  if (value === null) return "missing";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const isPlain = (scale: number) => scale >= 1e-3 && scale < 1e5;
  const scale = like && isPlain(Math.abs(like)) ? Math.abs(like) : size;
  const body = isPlain(scale)
    ? size.toFixed(Math.max(0, 2 - Math.floor(Math.log10(scale))))
    : size.toExponential(2).replace("+", "").replace("-", "−");
  return sign(value, signed) + body;
}

/** Every digit that the data holds. */
export function exact(value: Value, signed = false): string {
  if (value === null) return "missing";
  return sign(value, signed) + String(Math.abs(value)).replace("e+", "e").replace("e-", "e−");
}

/** Evenly spaced values, with as many decimals as tell them apart. */
export function tickLabels(ticks: number[], signed = false): string[] {
  const step = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0));
  const size = largest(ticks);
  if (size >= 1e5 || step < 1e-3) return ticks.map((tick) => readable(tick, { signed }));
  return ticks.map(
    (tick) => sign(tick, signed) + Math.abs(tick).toFixed(tick === 0 ? 0 : Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))),
  );
}

/** The number whose decimals a column can share: its largest, unless that would write its smallest as zero. */
export function sharedSize(values: Value[]): number | undefined {
  const sizes = values.filter((value) => value !== null && value !== 0).map((value) => Math.abs(value ?? 0));
  const most = largest(sizes);
  return Math.min(...sizes) < most * 0.005 ? undefined : most;
}

export function largest(values: Iterable<Value>): number {
  let size = 0;
  for (const value of values) size = Math.max(size, Math.abs(value ?? 0));
  return size;
}

function sign(value: number, signed: boolean): string {
  return value < 0 ? "−" : signed && value > 0 ? "+" : "";
}
