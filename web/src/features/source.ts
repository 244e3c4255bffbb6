// Where a page's data is from: written into the file, latent by latent, or asked of the server that sent it.

import { bytes } from "../base64.ts";
import type { Active, Effects, Feature, Site } from "./types.ts";

/** What went wrong, in words for the reader. */
export class Unavailable extends Error {}

const opened = new Map<number, { feature: Feature; effects: Effects | null }>();

/** One latent; and what it does in its examples, where the file holds that. */
export async function open(site: Site, latent: number): Promise<{ feature: Feature; effects: Effects | null }> {
  const known = opened.get(latent);
  if (known) return known;
  const held = document.getElementById(`latent-${latent}`)?.textContent;
  if (!held && !site.asks.includes("latents"))
    throw new Unavailable(`this file does not hold feature ${latent}: it was exported with ${site.latents.length} features`);
  const found = held ? await inflated(held) : { feature: await ask<Feature>(`latents/${latent}`), effects: null };
  opened.set(latent, found);
  return found;
}

export async function effects(latent: number): Promise<Effects> {
  const known = opened.get(latent);
  if (known?.effects) return known.effects;
  const found = await ask<Effects>(`latents/${latent}/effects`);
  if (known) known.effects = found;
  return found;
}

export function active(text: string, by: "activation" | "effect"): Promise<Active> {
  return ask<Active>(`active?text=${encodeURIComponent(text)}&by=${by}`);
}

async function ask<Answer>(path: string): Promise<Answer> {
  const answer = await fetch(`api/${path}`).catch(() => null);
  if (!answer) throw new Unavailable("the server does not answer: was it stopped? Start `sonde features serve` again, then reload");
  const content = await answer.json().catch(() => null);
  if (!answer.ok) throw new Unavailable(content?.error ?? `the server answered ${answer.status}`);
  return content as Answer;
}

async function inflated(base64: string): Promise<{ feature: Feature; effects: Effects | null }> {
  const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}
