// A verdict: its badge says in words and shape whether the claim holds, and opens to the evidence.

import { scaleLinear } from "d3-scale";
import { h, svg } from "./dom.ts";
import { exact, largest, readable } from "./numbers.ts";
import { prose, proseText, visible } from "./text.ts";
import type { Verdict } from "./types.ts";

interface Face {
  name: string;
  words: string;
  /** the mark inside the badge's outline, in a square of 16 */
  mark: string;
}

const HOLDS: Face = { name: "holds", words: "holds", mark: "M4.5 8.5 7 11l4.5-6" };
const FAILS: Face = { name: "fails", words: "does not hold", mark: "M5 5l6 6M11 5l-6 6" };
const UNTESTED: Face = { name: "untested", words: "not testable", mark: "M6 6.2a2 2 0 1 1 2.6 1.9c-.5.2-.6.5-.6 1.1M8 11.4v.4" };

function faceOf(verdict: Verdict): Face {
  return verdict.holds === null ? UNTESTED : verdict.holds ? HOLDS : FAILS;
}

/** A claim with its badge; opened, it shows what the badge rests on. */
export function claim(text: string, verdict: Verdict): HTMLElement {
  const face = faceOf(verdict);
  const badge = h("span", { class: "badge" }, shape(face), face.words);
  return h(
    "details",
    { class: `claim ${face.name}` },
    h("summary", {}, h("span", { class: "text" }, ...prose(text)), " ", badge),
    evidence(verdict, text),
  );
}

function shape({ name, mark }: Face): SVGElement {
  const outline =
    name === "holds"
      ? svg("circle", { cx: 8, cy: 8, r: 7 })
      : svg("rect", { x: 1.5, y: 1.5, width: 13, height: 13, rx: name === "fails" ? 2 : 5 });
  return svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, outline, svg("path", { d: mark }));
}

function evidence(verdict: Verdict, text: string): HTMLElement {
  const like = largest([verdict.measured, verdict.control, verdict.threshold]);
  const least = verdict.direction === "greater" ? "at least" : "at most";
  const list = h("dl");
  const tell = (name: string, ...content: (Node | string)[]) => list.append(h("dt", {}, name), h("dd", {}, ...content));
  if (verdict.claim !== text) tell("claim", ...prose(verdict.claim));
  if (verdict.reason) tell("reason", ...prose(verdict.reason));
  tell("measure", proseText(verdict.measure));
  if (verdict.measured !== null) tell("measured", exact(verdict.measured));
  if (verdict.control !== null) tell("control", exact(verdict.control));
  if (verdict.interval)
    tell(
      "interval",
      `${exact(verdict.interval[0], true)} to ${exact(verdict.interval[1], true)}: measured minus control, 95 %; it must exclude 0`,
    );
  if (verdict.n > 0) tell("n", String(verdict.n));
  tell("threshold", `${least} ${readable(verdict.threshold, { like })}: ${proseText(verdict.threshold_source)}`);
  if (verdict.command) tell("repeat with", h("code", { class: "command" }, visible(verdict.command)));
  return h("div", { class: "evidence" }, comparison(verdict, like), list);
}

/** Measured, control and threshold as marks on one line, and the interval of measured minus control laid from the control. */
function comparison({ measured, control, interval, threshold }: Verdict, like: number): SVGElement | null {
  if (measured === null || control === null) return null;
  const [low, high] = interval ? [control + (interval[0] ?? 0), control + (interval[1] ?? 0)] : [measured, measured];
  const values = [0, measured, control, low, high, threshold ?? 0];
  const x = scaleLinear([Math.min(...values), Math.max(...values)], [4, 96]);
  const at = (value: number) => `${x(value)}%`;
  const mark = (name: string, value: number, row: number) => {
    const anchor = x(value) < 12 ? "start" : x(value) > 88 ? "end" : "middle";
    return [
      svg("line", { class: name, x1: at(value), x2: at(value), y1: 24, y2: 40 }),
      svg("text", { x: at(value), y: row, "text-anchor": anchor }, `${name} ${readable(value, { like })}`),
    ];
  };
  return svg(
    "svg",
    { class: "comparison", height: 72, "aria-hidden": "true" },
    svg("line", { class: "axis", x1: "0%", x2: "100%", y1: 32, y2: 32 }),
    svg("line", { class: "interval", x1: at(low), x2: at(high), y1: 32, y2: 32 }),
    ...mark("control", control, 54),
    ...mark("measured", measured, 16),
    ...(threshold === null ? [] : mark("threshold", threshold, 68)),
  );
}
