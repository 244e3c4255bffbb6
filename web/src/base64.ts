// Bytes from the text that JSON can hold.

export function bytes(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const stored = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) stored[place] = text.charCodeAt(place);
  return stored;
}
