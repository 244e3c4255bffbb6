// The data that Python sends: see `sonde/results/schemas/drawing.json`.

export type Value = number | null;
export type Interval = [Value, Value] | null;

export interface Axis {
  name: string;
  labels: string[];
  /** how far along the axis each place is, from 0 to 1; evenly spaced where absent */
  at?: number[];
}

export interface Colours {
  scale: "diverging" | "sequential";
  low: number;
  high: number;
  zero: string;
  clipped: number;
  missing: number;
}

export interface Control {
  label?: string;
  value?: Value;
  interval?: Interval;
  each?: string;
  /** a control with a course of its own */
  name?: string;
  values?: Value[];
  low?: Value[];
  high?: Value[];
}

export interface Verdict {
  claim: string;
  measure: string;
  measured: Value;
  control: Value;
  interval: Interval;
  n: number;
  direction: "greater" | "less";
  threshold: Value;
  threshold_source: string;
  reason: string;
  holds: boolean | null;
  command: string;
}

export interface Series {
  name: string;
  values: Value[];
  low?: Value[];
  high?: Value[];
}

interface Common {
  title: string;
  unit: string;
  note: string;
}

export interface Tokens extends Common {
  kind: "tokens";
  data: { tokens: string[]; values?: Value[]; details?: string[]; roles?: { names: string[]; of: (number | null)[] } };
  legend: Colours;
}

export interface Matrix extends Common {
  kind: "matrix";
  data: { values: Value[][]; row_means: Value[]; col_means: Value[]; means: string; details?: string[][] };
  axes: { row: Axis; col: Axis };
  legend: Colours;
}

export interface Lens extends Common {
  kind: "lens";
  data: { top: string[][]; values: Value[][]; marks?: boolean[][]; true?: boolean[][]; details?: [string, Value][][][] };
  axes: { row: Axis; col: Axis };
  legend: Colours;
}

export interface Bars extends Common {
  kind: "bars";
  data: { labels: string[]; values: Value[]; intervals?: Interval[]; controls?: Value[] };
  legend: { zero: string };
  control: Control;
}

export interface Waterfall extends Common {
  kind: "waterfall";
  data: Omit<Bars["data"], "values"> & { values: number[]; total: number; remainder: Value };
  legend: { zero: string };
  control: Control;
}

export interface Lines extends Common {
  kind: "lines";
  data: { series: Series[] };
  axes: { x: Axis };
  control: Control;
}

/** Series over what goes round; `at` of the axis is each place's share of a turn. */
export interface Rose extends Common {
  kind: "rose";
  data: { series: Series[]; repeats: number; together: boolean };
  axes: { x: Axis };
  control: Control;
}

/** Attention weights as bytes, with axes (head, query, key). */
export interface Packed {
  tokens: string[];
  heads: string[];
  weights: string;
  causal: boolean;
  left_out: number;
}

export interface Attention extends Common {
  kind: "attention";
  data: Packed & { chosen: number; details?: string[] };
  legend: Colours;
}

export interface HeadGrid extends Common {
  kind: "head_grid";
  data: Matrix["data"] & { attention?: Packed };
  axes: Matrix["axes"];
  legend: Colours;
}

/** One byte per channel of a pixel, with axes (row, col, channel). */
export interface PackedPicture {
  rows: number;
  cols: number;
  channels: number;
  range: [number, number];
  pool: number;
  pixels: string;
}

/** Values in steps of 1/30,000 of the largest size, with axes (row, col). */
export interface PackedMap {
  rows: number;
  cols: number;
  largest: number;
  pool: number;
  steps: string;
}

export interface Overlay extends Common {
  kind: "overlay";
  data: { picture: PackedPicture; map: PackedMap; smooth: boolean };
  legend: Colours;
  control: Control;
}

export interface Overlays extends Common {
  kind: "overlays";
  data: { pictures: PackedPicture[]; maps: (PackedMap | null)[][]; details?: string[][]; smooth: boolean; own: boolean };
  axes: Matrix["axes"];
  legend: Colours;
}

export interface PictureGrid extends Common {
  kind: "picture_grid";
  data: {
    pictures: (PackedPicture | null)[][];
    maps?: (PackedMap | null)[][];
    map_unit?: string;
    opened?: [number, number];
    values?: Value[][];
    details?: string[][];
    links?: (string | null)[][];
  };
  axes: Matrix["axes"];
  /** of the maps */
  legend: Colours | Record<string, never>;
}

/** Nodes in rows and columns, and edges from a node to an input that one or several nodes have. */
export interface Wiring {
  nodes: {
    names: string[];
    labels: string[];
    rows: number[];
    columns: number[];
    values?: Value[];
    roles?: { names: string[]; of: (number | null)[] };
    bands?: { names: string[]; of: (number | null)[] };
    details?: string[];
  };
  inputs: { port: string; feeds: number[]; under?: number[] }[];
  senders: number[];
  receivers: number[];
}

export interface Curve extends Series {
  sizes: number[];
  control?: Series;
}

export interface CircuitGraph extends Common {
  kind: "circuit_graph";
  data: Wiring & {
    scores: Value[];
    total: number;
    shown: number;
    order: "size" | "given";
    curve?: Curve;
    attention?: Packed;
  };
  axes: { row: Axis };
  legend: Colours;
}

export interface CircuitPair extends Common {
  kind: "circuit_pair";
  data: Wiring & {
    names: [string, string];
    /** 0: the first circuit alone has the edge; 1: both; 2: the second alone */
    sides: (0 | 1 | 2)[];
    counts: [number, number, number];
    scores: [Value[], Value[]];
  };
  axes: { row: Axis };
}

export interface Points {
  name: string;
  x: Value[];
  y: Value[];
  low?: Value[];
  high?: Value[];
  labels?: string[];
  joined: boolean;
}

export interface Scatter extends Common {
  kind: "scatter";
  data: { series: Points[]; diagonal: string };
  axes: { x: Axis };
  legend: { missing: number };
  control: Control;
}

export interface Violin {
  n: number;
  missing: number;
  quartiles: Value[];
  at: number[];
  density: number[];
  points: number[];
}

export interface Violins extends Common {
  kind: "violins";
  data: { labels: string[]; violins: Violin[] };
  control: Control;
}

export interface Alternative {
  label: string;
  weights: number[];
  output: string;
  apart: number;
}

export interface Swap extends Common {
  kind: "swap";
  data: { tokens: string[]; alternatives: Alternative[] };
  legend: Colours;
}

export interface Verdicts extends Common {
  kind: "verdicts";
  data: { verdicts: Verdict[] };
}

export type Entry = string | number | boolean | null;

export interface Table extends Common {
  kind: "table";
  data: { columns: string[]; rows: Entry[][]; intervals?: Interval[][]; best?: boolean[][] };
}

export interface Group extends Common {
  kind: "tabs" | "beside";
  data: { parts: { label: string; drawing: Drawing }[] };
}

export type Drawing =
  | Tokens
  | Matrix
  | Lens
  | Bars
  | Waterfall
  | Lines
  | Rose
  | Scatter
  | Violins
  | Attention
  | HeadGrid
  | Swap
  | Overlay
  | Overlays
  | PictureGrid
  | CircuitGraph
  | CircuitPair
  | Verdicts
  | Table
  | Group;

export interface Sentence {
  text: string;
  verdict: Verdict | null;
}

export interface Section {
  key: string;
  title: string;
  lead: string;
  sentences: Sentence[];
  folded: boolean;
  drawings: Drawing[];
}

export interface Document {
  title: string;
  subtitle: string;
  facts: [string, string][];
  sections: Section[];
  command: string;
}
