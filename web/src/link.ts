// Drawings of the same prompt share their hover: what is pointed at in one is outlined in the others.

type Listener = (column: number | null) => void;

const listeners = new Map<string, Set<Listener>>();

/** Join the drawings with these columns; the answer tells the others which column is pointed at. */
export function link(columns: string[], listen: Listener): Listener {
  const key = JSON.stringify(columns);
  const group = listeners.get(key) ?? new Set();
  listeners.set(key, group.add(listen));
  return (column) => group.forEach((other) => other !== listen && other(column));
}
