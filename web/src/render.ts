// The one function behind page, notebook and app: draw this data into this element.

import { h } from "./dom.ts";
import { explore, type Stage } from "./explore.ts";
import { drawAttention } from "./kinds/attention.ts";
import { drawBars } from "./kinds/bars.ts";
import { drawCircuitGraph } from "./kinds/circuit_graph.ts";
import { drawCircuitPair } from "./kinds/circuit_pair.ts";
import { drawBeside, drawTabs } from "./kinds/groups.ts";
import { drawHeadGrid } from "./kinds/head_grid.ts";
import { drawLens } from "./kinds/lens.ts";
import { drawLines } from "./kinds/lines.ts";
import { drawMatrix } from "./kinds/matrix.ts";
import { drawOverlay } from "./kinds/overlay.ts";
import { drawOverlays } from "./kinds/overlays.ts";
import { drawPictureGrid } from "./kinds/picture_grid.ts";
import { drawRose } from "./kinds/rose.ts";
import { drawScatter } from "./kinds/scatter.ts";
import { drawSwap } from "./kinds/swap.ts";
import { drawTable } from "./kinds/table.ts";
import { drawTokens } from "./kinds/tokens.ts";
import { drawVerdicts } from "./kinds/verdicts.ts";
import { drawViolins } from "./kinds/violins.ts";
import { drawWaterfall } from "./kinds/waterfall.ts";
import { saveButtons } from "./save.ts";
import { prose, proseText, visible } from "./text.ts";
import type { Drawing } from "./types.ts";

export function render(element: HTMLElement, drawing: Drawing): void {
  const caption = h("figcaption", {}, h("h3", {}, ...prose(drawing.title)));
  const figure = h("figure", {}, caption);
  element.append(figure);
  fill(figure, drawing);
  if (!isEmpty(drawing)) caption.append(saveButtons(figure, drawing));
}

/** A part of a group: its title is written where it is not the group's. */
function renderPart(element: HTMLElement, drawing: Drawing, group: Drawing): void {
  const part = h("div", {}, drawing.title !== group.title && h("h4", {}, ...prose(drawing.title)));
  element.append(part);
  fill(part, drawing);
}

/** The picture and its note. */
function fill(figure: HTMLElement, drawing: Drawing): void {
  const host = h("div", { class: "picture" });
  figure.className = `drawing ${drawing.kind.replace("_", "-")}-drawing`;
  figure.append(host);
  if (isEmpty(drawing)) {
    host.append(h("p", { class: "notice" }, "Nothing to draw: this drawing holds no values."));
    return;
  }
  try {
    const stage = draw(host, drawing);
    if (stage) explore(figure, stage, `${proseText(drawing.title)} ${visible(drawing.unit)}`);
  } catch (failure) {
    host.replaceChildren(
      h("p", { class: "notice" }, `This drawing failed; its numbers can still be saved as CSV. (${String(failure)})`),
    );
    console.error(failure);
  }
  if (drawing.note) figure.append(h("p", { class: "note" }, ...prose(drawing.note)));
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
    case "waterfall":
      return drawWaterfall(host, drawing);
    case "lines":
      return drawLines(host, drawing);
    case "rose":
      return drawRose(host, drawing);
    case "attention":
      return drawAttention(host, drawing);
    case "head_grid":
      return drawHeadGrid(host, drawing);
    case "scatter":
      return drawScatter(host, drawing);
    case "violins":
      return drawViolins(host, drawing);
    case "swap":
      return drawSwap(host, drawing);
    case "overlay":
      return drawOverlay(host, drawing);
    case "overlays":
      return drawOverlays(host, drawing);
    case "picture_grid":
      return drawPictureGrid(host, drawing);
    case "circuit_graph":
      return drawCircuitGraph(host, drawing);
    case "circuit_pair":
      return drawCircuitPair(host, drawing);
    case "verdicts":
      return drawVerdicts(host, drawing);
    case "table":
      return void drawTable(host, drawing);
    case "tabs":
      return drawTabs(host, drawing, (element, part) => renderPart(element, part, drawing));
    case "beside":
      return drawBeside(host, drawing, (element, part) => renderPart(element, part, drawing));
  }
}

function isEmpty(drawing: Drawing): boolean {
  switch (drawing.kind) {
    case "tokens":
    case "attention":
    case "swap":
      return drawing.data.tokens.length === 0;
    case "bars":
    case "waterfall":
      return drawing.data.values.length === 0;
    case "matrix":
    case "lens":
    case "head_grid":
    case "overlays":
    case "picture_grid":
      return drawing.axes.row.labels.length * drawing.axes.col.labels.length === 0;
    case "lines":
    case "rose":
      return drawing.axes.x.labels.length === 0;
    case "violins":
      return drawing.data.labels.length === 0;
    case "scatter":
      return drawing.data.series.every(({ x }) => x.length === 0);
    case "overlay":
      return false;
    case "circuit_graph":
    case "circuit_pair":
      return drawing.data.senders.length === 0;
    case "verdicts":
      return drawing.data.verdicts.length === 0;
    case "table":
      return drawing.data.rows.length === 0;
    case "tabs":
    case "beside":
      return false;
  }
}
