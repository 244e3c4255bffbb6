// Elements, built from data. Children that are strings become text nodes: nothing in this bundle ever parses markup.

type Child = Node | string | null | false;
type Attributes = Record<string, string | number>;

export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children);
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill<Kind extends Element>(element: Kind, attributes: Attributes, children: Child[]): Kind {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/** Redraw now, and whenever the element's width changes. */
export function drawToWidth(element: HTMLElement, draw: (width: number) => void): void {
  let drawn = -1;
  new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width > 0 && width !== drawn) draw((drawn = width));
  }).observe(element);
}

const ruler = document.createElement("canvas").getContext("2d");

/** The width of a text in pixels. */
export function textWidth(text: string, font: string): number {
  if (!ruler) return 7 * text.length;
  ruler.font = font;
  return ruler.measureText(text).width;
}
