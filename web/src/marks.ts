// What a painted cell says beside its colour: that its value is missing, or beyond the limits.

export type Box = [x: number, y: number, width: number, height: number];

export function hatch(context: CanvasRenderingContext2D, [x, y, width, height]: Box, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.beginPath();
  for (let start = -height; start < width; start += 5) {
    context.moveTo(x + start, y + height);
    context.lineTo(x + start + height, y);
  }
  context.stroke();
  context.restore();
}

/** A bar along the cell's lower edge. */
export function bar(context: CanvasRenderingContext2D, [x, y, width, height]: Box, colour: string): void {
  const thickness = Math.min(2, height / 3);
  context.fillStyle = colour;
  context.fillRect(x, y + height - thickness, width, thickness);
}
