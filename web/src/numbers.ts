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
  const scale = Math.abs(like || value);
  if (scale === 0) return "0";
  const size = Math.abs(value);
  const plain = scale >= 1e-3 && scale < 1e5;
  const body = plain ? size.toFixed(Math.max(0, 2 - Math.floor(Math.log10(scale)))) : size.toExponential(2).replace("+", "").replace("-", "−");
  return sign(value, signed) + body;
}

/** Every digit that the data holds. */
export function exact(value: Value, signed = false): string {
  if (value === null) return "missing";
  return sign(value, signed) + String(Math.abs(value)).replace("e+", "e").replace("e-", "e−");
}

export function largest(values: Iterable<Value>): number {
  let size = 0;
  for (const value of values) size = Math.max(size, Math.abs(value ?? 0));
  return size;
}

function sign(value: number, signed: boolean): string {
  return value < 0 ? "−" : signed && value > 0 ? "+" : "";
}
