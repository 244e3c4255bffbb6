// Claims with their badges.

import { claim } from "../badge.ts";
import { h } from "../dom.ts";
import type { Verdicts } from "../types.ts";

export function drawVerdicts(host: HTMLElement, { data }: Verdicts): void {
  host.append(h("div", { class: "claims" }, ...data.verdicts.map((verdict) => claim(verdict.claim, verdict))));
}
