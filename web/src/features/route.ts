// Where the reader is: the address after the hash, so that every view has a link and the browser's own buttons work.

export interface Route {
  view: string;
  latent: number | null;
  options: URLSearchParams;
}

export function route(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", number] = path.split("/");
  return { view: view || "list", latent: number === undefined ? null : Number(number), options: new URLSearchParams(query) };
}

export function address(view: string, options?: URLSearchParams): string {
  const query = options?.toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

export function latentAddress(latent: number): string {
  return address(`latent/${latent}`);
}

/** Keep the options in the address without a new step in the browser's history. */
export function remember(view: string, options: URLSearchParams): void {
  history.replaceState(null, "", address(view, options));
}
