// Attention weights as Python packs them: one byte per weight, with axes (head, query, key).

import { bytes } from "./base64.ts";
import type { Packed } from "./types.ts";

/** The weight that a byte stands for, to three decimals. */
const WEIGHTS = Array.from({ length: 256 }, (_, byte) => Math.round((byte / 255) * 1000) / 1000);

/** The weights of one drawing, between 0 and 1; each is off by less than 0.002. */
export class Patterns {
  private readonly bytes: Uint8Array;
  private readonly size: number;
  private readonly causal: boolean;

  constructor({ weights, tokens, causal }: Packed) {
    this.bytes = bytes(weights);
    this.size = tokens.length;
    this.causal = causal;
  }

  weight(head: number, query: number, key: number): number {
    return this.causal && key > query ? 0 : (WEIGHTS[this.bytes[this.start(head, query) + key] ?? 0] ?? 0);
  }

  /** What each key gets from one query. */
  row(head: number, query: number): number[] {
    const start = this.start(head, query);
    const stored = this.causal ? query + 1 : this.size;
    const row = new Array<number>(this.size).fill(0);
    for (let key = 0; key < stored; key++) row[key] = WEIGHTS[this.bytes[start + key] ?? 0] ?? 0;
    return row;
  }

  /** What one key gets from each query. */
  column(head: number, key: number): number[] {
    return Array.from({ length: this.size }, (_, query) => this.weight(head, query, key));
  }

  private start(head: number, query: number): number {
    const { size, causal } = this;
    return causal ? (head * size * (size + 1)) / 2 + (query * (query + 1)) / 2 : (head * size + query) * size;
  }
}
