// A drawing as one SVG file, whatever it is made of: boxes become rectangles, lines of text become texts, vector parts are copied with
// their styles, canvases become images. What the reader sees is what is saved; outlines and readouts are left out.

import { svg } from "./dom.ts";

const COPIED = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-opacity",
  "text-anchor",
  "dominant-baseline",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "paint-order",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "font-style",
];

export function photograph(subject: HTMLElement, background: string): string {
  const frame = subject.getBoundingClientRect();
  const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height)];
  const picture = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` });
  picture.append(svg("rect", { width, height, fill: plain(background) }));
  copy(subject, frame, picture);
  return new XMLSerializer().serializeToString(picture);
}

function copy(element: Element, frame: DOMRect, picture: SVGElement): void {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.matches(".unseen, .cursor, .readout")) return;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const [x, y] = [box.left - frame.left, box.top - frame.top];
  if (element instanceof SVGSVGElement) {
    const clone = styled(element);
    for (const [name, value] of Object.entries({ x, y, width: box.width, height: box.height, overflow: "visible" }))
      clone.setAttribute(name, String(value));
    picture.append(clone);
    return;
  }
  if (element instanceof HTMLCanvasElement) {
    picture.append(
      svg("image", { x, y, width: box.width, height: box.height, href: element.toDataURL(), preserveAspectRatio: "none" }),
    );
    return;
  }
  drawBox(style, x, y, box, picture);
  if (element instanceof HTMLInputElement) {
    // what is typed in a field stands at its right side
    const place = { x: x + box.width - 8, y: y + box.height / 2, "text-anchor": "end", "dominant-baseline": "central" };
    picture.append(
      svg(
        "text",
        { ...place, "font-family": style.fontFamily, "font-size": style.fontSize, fill: plain(style.color) },
        element.value,
      ),
    );
  }
  for (const child of element.childNodes) {
    if (child instanceof Element) copy(child, frame, picture);
    else if (child instanceof Text) drawText(child, style, frame, picture);
  }
}

function styled(element: SVGElement): SVGElement {
  const clone = element.cloneNode(true) as SVGElement;
  const originals = [element, ...element.querySelectorAll<SVGElement>("*")];
  [clone, ...clone.querySelectorAll<SVGElement>("*")].forEach((copied, i) => {
    const style = getComputedStyle(originals[i] ?? element);
    copied.removeAttribute("class");
    copied.removeAttribute("style");
    for (const name of COPIED) {
      const value = style.getPropertyValue(name);
      copied.setAttribute(name, /^(fill|stroke)$/u.test(name) && value !== "none" ? plain(value) : value);
    }
  });
  return clone;
}

function drawBox(style: CSSStyleDeclaration, x: number, y: number, { width, height }: DOMRect, picture: SVGElement): void {
  if (style.backgroundColor !== "rgba(0, 0, 0, 0)") {
    picture.append(
      svg("rect", { x, y, width, height, rx: parseFloat(style.borderTopLeftRadius) || 0, fill: plain(style.backgroundColor) }),
    );
  }
  if (style.backgroundImage !== "none") {
    // the only background images are hatchings
    for (let start = -height; start < width; start += 5) {
      const [from, to] = [Math.max(0, start), Math.min(width, start + height)];
      picture.append(
        svg("line", {
          x1: x + from,
          y1: y + height - (from - start),
          x2: x + to,
          y2: y + height - (to - start),
          stroke: plain(style.getPropertyValue("--hatch").trim()),
        }),
      );
    }
  }
  if (parseFloat(style.borderTopLeftRadius) > 0 && parseFloat(style.borderTopWidth) > 0) {
    const rx = Math.min(parseFloat(style.borderTopLeftRadius), height / 2);
    picture.append(
      svg("rect", {
        x,
        y,
        width,
        height,
        rx,
        fill: "none",
        stroke: plain(style.borderTopColor),
        "stroke-width": style.borderTopWidth,
      }),
    );
    return;
  }
  const edges = [
    ["Top", x, y, x + width, y],
    ["Bottom", x, y + height, x + width, y + height],
    ["Left", x, y, x, y + height],
    ["Right", x + width, y, x + width, y + height],
  ] as const;
  for (const [edge, x1, y1, x2, y2] of edges) {
    const thickness = parseFloat(style[`border${edge}Width`]);
    if (thickness > 0)
      picture.append(svg("line", { x1, y1, x2, y2, stroke: plain(style[`border${edge}Color`]), "stroke-width": thickness }));
  }
}

/** One `text` per line that the browser made of this text. */
function drawText(node: Text, style: CSSStyleDeclaration, frame: DOMRect, picture: SVGElement): void {
  const font = {
    "font-family": style.fontFamily,
    "font-size": style.fontSize,
    "font-weight": style.fontWeight,
    "font-style": style.fontStyle,
  };
  for (const { text, left, bottom, height } of linesOf(node)) {
    if (!text.trim()) continue;
    // the baseline lies about a quarter of the line's box above its lower edge
    const place = { x: left - frame.left, y: bottom - frame.top - height * 0.24, "xml:space": "preserve" };
    picture.append(svg("text", { ...place, ...font, fill: plain(style.color), opacity: style.opacity }, text));
  }
}

interface Line {
  text: string;
  left: number;
  bottom: number;
  height: number;
}

function linesOf(node: Text): Line[] {
  const lines: Line[] = [];
  const range = document.createRange();
  let place = 0;
  for (const char of node.data) {
    range.setStart(node, place);
    range.setEnd(node, (place += char.length));
    const { left, bottom, height, width } = range.getBoundingClientRect();
    const line = lines.at(-1);
    if (line && (width === 0 || Math.abs(bottom - line.bottom) < 3)) {
      line.text += char;
      if (width > 0) line.left = Math.min(line.left, left); // in right-to-left text the later characters lie further left
    } else if (width > 0) lines.push({ text: char, left, bottom, height });
  }
  return lines;
}

const seen = new Map<string, string>();
const palette = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** Any CSS colour as one that every SVG program knows. */
function plain(colour: string): string {
  const known = seen.get(colour);
  if (known !== undefined || !palette) return known ?? colour;
  palette.clearRect(0, 0, 1, 1);
  palette.fillStyle = colour;
  palette.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 0] = palette.getImageData(0, 0, 1, 1).data;
  const written = alpha === 255 ? `rgb(${red},${green},${blue})` : `rgba(${red},${green},${blue},${(alpha / 255).toFixed(3)})`;
  seen.set(colour, written);
  return written;
}
