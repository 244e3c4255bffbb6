// Attention weights as Python packs them: one byte per weight, with axes (head, query, key).

import type { Packed } from "./types.ts";

const STEPS = 255;

/** The weights of one drawing; each is off by less than 0.002. */
export class Patterns {
  private readonly bytes: Uint8Array;
  private readonly size: number;
  private readonly causal: boolean;

  constructor({ weights, tokens, causal }: Packed) {
    this.bytes = Uint8Array.from(atob(weights), (char) => char.charCodeAt(0));
    this.size = tokens.length;
    this.causal = causal;
  }

  /** A weight between 0 and 1, to three decimals. */
  weight(head: number, query: number, key: number): number {
    if (this.causal && key > query) return 0;
    const [perHead, before] = this.causal
      ? [(this.size * (this.size + 1)) / 2, (query * (query + 1)) / 2]
      : [this.size * this.size, query * this.size];
    return Math.round(((this.bytes[head * perHead + before + key] ?? 0) / STEPS) * 1000) / 1000;
  }

  /** What each key gets from one query. */
  row(head: number, query: number): number[] {
    return Array.from({ length: this.size }, (_, key) => this.weight(head, query, key));
  }

  /** What one key gets from each query. */
  column(head: number, key: number): number[] {
    return Array.from({ length: this.size }, (_, query) => this.weight(head, query, key));
  }
}
