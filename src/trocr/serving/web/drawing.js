// Lines of a page as SVG; text only ever goes in as text.
import { grade } from "./confidence.js";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Degrees, clockwise on the screen; 0 where the line has no direction. */
export function angle({ baseline }) {
  if (baseline.length < 2) return 0;
  const [[left, top], [right, bottom]] = [baseline[0], baseline.at(-1)];
  return (Math.atan2(bottom - top, right - left) * 180) / Math.PI;
}

/** How a page lies, of 0, 90, 180 and 270 degrees: as most of its lines do. */
export function turnOf(lines) {
  const counts = new Map();
  for (const line of lines) {
    const turn = (Math.round(angle(line) / 90) * 90 + 360) % 360;
    counts.set(turn, (counts.get(turn) ?? 0) + 1);
  }
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0] ?? 0;
}

export const outline = (line) =>
  svg("polygon", {
    class: grade(line.confidence),
    "data-line": line.key,
    points: line.polygon.map((point) => point.join()).join(" "),
  });

/** What a line says where the picture has it. */
export function written(line, text) {
  const { width, height, x, y } = levelled(line);
  const size = height * 0.72;
  return svg(
    "g",
    { class: "written", "data-line": line.key, transform: `rotate(${angle(line)})` },
    svg("rect", { x, y, width, height }),
    svg("text", {
      x: x + width / 2,
      y: y + height * 0.74,
      "font-size": size,
      "text-anchor": "middle",
      ...(text.length > 1 && { textLength: width * 0.98, lengthAdjust: "spacingAndGlyphs" }),
    }, text),
  );
}

/** The box of a line in a picture that was turned back by its angle. */
export function levelled(line) {
  const back = new DOMMatrix().rotate(-angle(line));
  const points = line.polygon.map(([x, y]) => back.transformPoint({ x, y }));
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** Boxes of those words of a line that may be wrong. */
export const doubts = (line) =>
  line.words
    .filter(({ box, confidence }) => box && ["check", "doubtful"].includes(grade(confidence)))
    .map(({ box: [left, top, right, bottom], confidence }) =>
      svg("rect", { class: grade(confidence), x: left, y: top, width: right - left, height: bottom - top }));
