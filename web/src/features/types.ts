// The data that Python sends: see `sonde/features/records.py` and `sonde/features/pages/site.py`.

export interface About {
  model: string;
  model_hash: string;
  site: string;
  basis: string;
  basis_hash: string;
  size: number;
  corpus: string;
  sequences: number;
  tokens: number;
  left_out: string;
}

export interface Histogram {
  low: number;
  high: number;
  counts: number[];
}

export interface Weight {
  token: string;
  value: number;
}

export interface Logits {
  top: Weight[];
  bottom: Weight[];
  histogram: Histogram;
}

export interface Example {
  sequence: number;
  position: number;
  start: number;
  tokens: string[];
  values: number[];
  again: boolean;
}

export interface Interval {
  low: number;
  high: number;
  share: number;
  highest: number | null;
  examples: Example[];
}

export interface Description {
  text: string;
  author: string;
  scores: Record<string, number | null>;
  controls: Record<string, number | null>;
  note: string;
}

export interface Neighbour {
  latent: number;
  label: string;
  cosine: number | null;
  correlation: number | null;
}

export interface Neuron {
  neuron: number;
  value: number;
  other: number;
}

export interface Profile {
  edges: number[];
  density: (number | null)[];
}

export interface Head {
  head: string;
  share: number;
}

export interface Ratio {
  low: number;
  high: number;
  ratio: number | null;
  interval: [number, number] | null;
  n: number;
}

export interface Property {
  name: string;
  base: number;
  ratios: Ratio[];
}

/** One latent, as `sonde.features.records.Record`. */
export interface Feature {
  latent: number;
  label: string;
  statistics: Record<string, number | null>;
  descriptions: Description[];
  histogram: Histogram;
  logits: Logits | null;
  strongest: Example[];
  intervals: Interval[];
  alignment: Neuron[];
  neurons: Neuron[];
  neurons_at: string;
  nearest: Neighbour[];
  correlated: Neighbour[];
  parallel: Record<string, Neighbour[]>;
  positions: Profile;
  heads: Head[];
  properties: Property[];
}

export interface Move {
  place: number;
  up: Weight[];
  down: Weight[];
}

export interface Effect {
  loss: (number | null)[];
  moved: Move[];
}

export interface Effects {
  latent: number;
  examples: Effect[];
}

export interface Firing {
  latent: number;
  label: string;
  values: number[];
  effects: number[] | null;
}

export interface Active {
  text: string;
  tokens: string[];
  firings: Firing[];
}

/** A statistic of every latent: 32-bit floats, NaN where it is not known. */
export interface Column {
  name: string;
  title: string;
  /** what it says, in a sentence */
  note: string;
  values: string;
}

/** A latent's strongest place, with a few tokens around it. */
export interface Glance {
  tokens: string[];
  values: number[];
  at: number;
}

export interface Table {
  columns: Column[];
  /** in words; empty where a latent is not described */
  descriptions: string[];
  /** the tokens on which it is most active */
  tokens: string[][];
  glances: (Glance | null)[];
}

export interface Match {
  latent: number | null;
  other: number | null;
  label: string;
  other_label: string;
  cosine: number | null;
  correlation: number | null;
  relation: string;
}

export interface Comparison {
  name: string;
  about: About;
  note: string;
  matches: Match[];
  /** the same measure where nothing should match: neurons, random directions, shuffled activations */
  baselines: { name: string; measure: "cosine" | "correlation"; values: number[] }[];
}

export interface Level {
  name: string;
  size: number;
  labels: string[];
  /** of each latent: the one of the smaller dictionary that it is nearest to; null in the smallest */
  parents: (number | null)[];
  cosines: (number | null)[];
  here: boolean;
}

export interface Plane {
  method: string;
  x: string;
  y: string;
}

/** What a page holds before anything is opened. */
export interface Site {
  title: string;
  about: About;
  table: Table;
  latents: number[];
  comparisons: Comparison[];
  levels: Level[];
  plane: Plane | null;
  prompts: Active[];
  /** what a server can be asked for: "latents", "effects", "prompt" */
  asks: string[];
}
