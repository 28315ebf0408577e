// Marks on the stage: drawing them, and taking them from clicks and drags. What they mean is in inspection.js.

import { node } from "./stage.js";

const CLOSE = 9;
const POINTS = { rectangle: 2, ellipse: 2, circle: 2, distance: 2, angle: 3, point: 1, polygon: Infinity };
const DRAGGED = ["rectangle", "ellipse", "circle", "distance"];

export class Marks {
  // inspection offers: marks, selected, add(kind, points), moved(index, points)
  constructor(inspection) {
    this.inspection = inspection;
    this.fresh = null; // what is being drawn: kind and points
    this.grip = null; // point of the selected mark that is moved
  }

  draws(tool) {
    return tool in POINTS;
  }

  forget() {
    this.fresh = this.grip = null;
  }

  // A grip of the selected mark under the pointer; `near` says whether a point of the image is.
  grab(near) {
    const mark = this.inspection.marks[this.inspection.selected];
    if (!mark || this.fresh) return false;
    const found = mark.points.findIndex(([x, y]) => near(x, y));
    this.grip = found < 0 ? null : found;
    return found >= 0;
  }

  press(kind, { x, y }, near) {
    if (this.fresh?.kind !== kind) this.fresh = null;
    if (DRAGGED.includes(kind)) this.fresh = { kind, points: [[x, y], [x, y]] };
    else if (kind === "polygon" && this.fresh) this._corner(x, y, near);
    else {
      this.fresh = { kind, points: [...(this.fresh?.points || []), [x, y]] };
      if (this.fresh.points.length === POINTS[kind]) this._done();
    }
  }

  // A corner more; on the first or the last one the polygon ends.
  _corner(x, y, near) {
    const { points } = this.fresh, last = points[points.length - 1];
    const ends = near(...last) || near(...points[0]);
    if (!ends) points.push([x, y]);
    else if (points.length > 2) this._done();
  }

  move({ x, y }) {
    if (this.grip !== null) {
      const { selected, marks } = this.inspection;
      this.inspection.moved(selected, marks[selected].points.map((p, i) => (i === this.grip ? [x, y] : p)));
    } else if (this.fresh && DRAGGED.includes(this.fresh.kind)) this.fresh.points[1] = [x, y];
  }

  release() {
    if (this.grip !== null) this.grip = null;
    else if (this.fresh && DRAGGED.includes(this.fresh.kind)) {
      const [[ax, ay], [bx, by]] = this.fresh.points;
      // a click without a drag is no shape
      if (Math.abs(bx - ax) + Math.abs(by - ay) < 1) this.fresh = null;
      else this._done();
    }
  }

  _done() {
    const { kind, points } = this.fresh;
    this.fresh = null;
    this.inspection.add(kind, points);
  }

  draw(group, place) {
    const { marks, selected } = this.inspection;
    marks.forEach((mark, i) => this._draw(group, place, mark, String(i + 1), i === selected));
    if (this.fresh) this._draw(group, place, { ...this.fresh, decision: "open" }, "", true);
  }

  _draw(group, place, mark, number, chosen) {
    const at = mark.points.map(([x, y]) => place(x, y));
    for (const look of ["halo", `note ${mark.decision}${chosen ? " picked" : ""}`]) group.append(outline(mark.kind, at, look));
    if (chosen) for (const p of at) group.append(node("circle", { cx: p.x, cy: p.y, r: 3.5, class: "grip" }));
    if (!number) return;
    const text = node("text", { x: Math.max(...at.map((p) => p.x)) + 4, y: Math.min(...at.map((p) => p.y)) - 4, class: "mark-text" });
    text.textContent = number;
    group.append(text);
  }
}

function outline(kind, at, look) {
  const [a, b] = at, all = at.map((p) => `${p.x},${p.y}`).join(" ");
  if (kind === "point") return node("path", { d: `M${a.x - CLOSE} ${a.y}h${2 * CLOSE}M${a.x} ${a.y - CLOSE}v${2 * CLOSE}`, class: look });
  if (kind === "polygon") return node(at.length > 2 ? "polygon" : "polyline", { points: all, class: look });
  if (kind === "distance" || kind === "angle") return node("polyline", { points: all, class: look });
  const left = Math.min(a.x, b.x), top = Math.min(a.y, b.y), w = Math.abs(b.x - a.x), h = Math.abs(b.y - a.y);
  if (kind === "rectangle") return node("rect", { x: left, y: top, width: w, height: h, class: look });
  const r = Math.hypot(w, h) / 2;
  return node("ellipse", { cx: left + w / 2, cy: top + h / 2, rx: kind === "circle" ? r : w / 2, ry: kind === "circle" ? r : h / 2, class: look });
}
