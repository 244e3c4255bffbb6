// The one function behind page, notebook and app: draw this data into this element.

import { h } from "./dom.ts";
import { explore, type Stage } from "./explore.ts";
import { drawBars } from "./kinds/bars.ts";
import { drawLens } from "./kinds/lens.ts";
import { drawLines } from "./kinds/lines.ts";
import { drawMatrix } from "./kinds/matrix.ts";
import { drawTable } from "./kinds/table.ts";
import { drawTokens } from "./kinds/tokens.ts";
import { drawVerdicts } from "./kinds/verdicts.ts";
import { legend } from "./legend.ts";
import { saveButtons } from "./save.ts";
import { prose, proseText, visible } from "./text.ts";
import type { Drawing } from "./types.ts";

export function render(element: HTMLElement, drawing: Drawing): void {
  const host = h("div", { class: "picture" });
  const colours = drawing.kind === "tokens" || drawing.kind === "matrix" || drawing.kind === "lens";
  const caption = h("figcaption", {}, h("h3", {}, ...prose(drawing.title)));
  const figure = h("figure", { class: `drawing ${drawing.kind}-drawing` }, caption, host);
  element.append(figure);
  if (isEmpty(drawing)) {
    host.append(h("p", { class: "notice" }, "Nothing to draw: this drawing holds no values."));
    return;
  }
  try {
    const stage = draw(host, drawing);
    if (colours) figure.append(legend(drawing.legend, drawing.unit));
    if (stage) explore(figure, stage, `${proseText(drawing.title)} ${visible(drawing.unit)}`);
  } catch (failure) {
    host.replaceChildren(
      h("p", { class: "notice" }, `This drawing failed; its numbers can still be saved as CSV. (${String(failure)})`),
    );
    console.error(failure);
  }
  if (drawing.note) figure.append(h("p", { class: "note" }, ...prose(drawing.note)));
  caption.append(saveButtons(figure, drawing));
}

function draw(host: HTMLElement, drawing: Drawing): Stage | void {
  switch (drawing.kind) {
    case "tokens":
      return drawTokens(host, drawing);
    case "matrix":
      return drawMatrix(host, drawing);
    case "lens":
      return drawLens(host, drawing);
    case "bars":
      return drawBars(host, drawing);
    case "lines":
      return drawLines(host, drawing);
    case "verdicts":
      return drawVerdicts(host, drawing);
    case "table":
      return drawTable(host, drawing);
  }
}

function isEmpty(drawing: Drawing): boolean {
  switch (drawing.kind) {
    case "tokens":
    case "attention":
      return drawing.data.tokens.length === 0;
    case "bars":
    case "waterfall":
      return drawing.data.values.length === 0;
    case "matrix":
    case "lens":
    case "head_grid":
      return drawing.axes.row.labels.length * drawing.axes.col.labels.length === 0;
    case "lines":
      return drawing.axes.x.labels.length === 0;
    case "verdicts":
      return drawing.data.verdicts.length === 0;
    case "table":
      return drawing.data.rows.length === 0;
    case "tabs":
    case "beside":
      return false;
  }
}
