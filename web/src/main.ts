// The bundle's face: `render` and `page`; and where a frame carries its own data, that data drawn at once.

import "./style/base.css";
import "./style/page.css";
import "./style/reading.css";
import "./style/drawing.css";
import "./style/kinds.css";
import "./style/circuits.css";
import "./style/claim.css";
import "./style/print.css";
import { page } from "./page.ts";
import { render } from "./render.ts";

export { page, render };

const data = document.getElementById("sonde-data");
const root = document.getElementById("sonde");
if (data?.textContent && root) {
  const content = JSON.parse(data.textContent);
  root.replaceChildren();
  if (document.documentElement.dataset.frame === "document") page(root, content);
  else render(root, content);
}
