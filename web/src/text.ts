// Tokens and prose as a reader sees them: the same rules as `sonde/views/text.py`.

import { h } from "./dom.ts";

const NAMED: Record<string, string> = { "\n": "↵", "\r": "␍", "\t": "⇥", "\x7f": "␡" };
// control, format, private and surrogate characters, line and paragraph separators; joiners stay, some scripts need them
const HIDDEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;
const RIGHT_TO_LEFT = /\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}/gu;

/** Text with nothing hidden in it: control characters as glyphs, the others by their code. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return (
      NAMED[char] ?? (code < 32 ? String.fromCodePoint(0x2400 + code) : `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`)
    );
  });
}

/** A token as it is drawn: marks for its leading spaces, its text, marks for its trailing spaces; a sign for the empty one. */
function drawn(token: string): [string, string, string] {
  const [, before = "", body = "", after = ""] = /^( *)([^]*?)( *)$/u.exec(token) ?? [];
  const marks = (spaces: string) => "·".repeat(spaces.length);
  return [marks(before), token ? visible(body) : "∅", marks(after)];
}

export function tokenText(token: string): string {
  return drawn(token).join("");
}

/** A token as an element: its space marks are fainter than its text, and its script keeps its direction. */
export function tokenElement(token: string): HTMLElement {
  const [before, body, after] = drawn(token);
  const space = (marks: string) => marks !== "" && h("span", { class: "space" }, marks);
  return h("bdi", { class: "token" }, space(before), body, space(after));
}

/** A label in a readout: as a token, and with its place where the label is not the place itself. */
export function placeElements(label: string, place: number): (Node | string)[] {
  return [tokenElement(label), ...(label === String(place) ? [] : [` (${place})`])];
}

/** The direction in which most of the tokens are read. */
export function direction(tokens: string[]): "ltr" | "rtl" {
  const text = tokens.join("");
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return 2 * (text.match(RIGHT_TO_LEFT)?.length ?? 0) > letters ? "rtl" : "ltr";
}

/** Prose in which whatever stands between backticks is drawn as a token. */
export function prose(text: string): (Node | string)[] {
  return split<Node | string>(text, quoted, visible);
}

/** Prose where only a string fits. */
export function proseText(text: string): string {
  return split(text, tokenText, visible).join("");
}

/** Labels of one kind: as tokens if spaces lead any of them, as prose otherwise. */
export function labelElements(labels: string[]): HTMLElement[] {
  const areTokens = labels.some((label) => label.startsWith(" "));
  return labels.map((label) => (areTokens ? tokenElement(label) : h("bdi", {}, ...prose(label))));
}

function split<Part>(text: string, quoted: (part: string) => Part, plain: (part: string) => Part): Part[] {
  const parts = text.split("`");
  return parts.map((part, place) => (place % 2 === 1 && place < parts.length - 1 ? quoted(part) : plain(part)));
}

function quoted(token: string): HTMLElement {
  const element = tokenElement(token);
  element.classList.add("quoted");
  return element;
}

/** Text cut to a number of characters, with an ellipsis where something was cut. */
export function shortened(text: string, most: number): string {
  const chars = [...text];
  return chars.length <= most ? text : chars.slice(0, most - 1).join("") + "…";
}
