// The data that Python sends: see `sonde/results/schemas/drawing.json`.

export type Value = number | null;
export type Interval = [Value, Value] | null;

export interface Axis {
  name: string;
  labels: string[];
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
  data: { tokens: string[]; values: Value[]; details?: string[] };
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
  data: { top: string[][]; values: Value[][]; marks?: boolean[][]; details?: [string, Value][][][] };
  axes: { row: Axis; col: Axis };
  legend: Colours;
}

export interface Bars extends Common {
  kind: "bars";
  data: { labels: string[]; values: Value[]; intervals?: Interval[]; controls?: Value[] };
  legend: { zero: string };
  control: Control;
}

export interface Lines extends Common {
  kind: "lines";
  data: { series: Series[] };
  axes: { x: Axis };
  control: Control;
}

export interface Verdicts extends Common {
  kind: "verdicts";
  data: { verdicts: Verdict[] };
}

export type Entry = string | number | boolean | null;

export interface Table extends Common {
  kind: "table";
  data: { columns: string[]; rows: Entry[][] };
}

export type Drawing = Tokens | Matrix | Lens | Bars | Lines | Verdicts | Table;

export interface Sentence {
  text: string;
  verdict: Verdict | null;
}

export interface Section {
  key: string;
  title: string;
  lead: string;
  sentences: Sentence[];
  drawings: Drawing[];
}

export interface Document {
  title: string;
  subtitle: string;
  facts: [string, string][];
  sections: Section[];
  command: string;
}
