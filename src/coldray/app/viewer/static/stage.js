// The stage: panes with one shared view, the swipe, and the tools. World coordinates are pixels of the original, with
// pixel (0, 0) covering 0 to 1; marks give pixel centres whole numbers.

import { GlRenderer } from "./gl.js";
import { CanvasRenderer } from "./canvas2d.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 9;
const TRIALS = 8;
const SLOW_MS = 8; // half of the time between two pictures: what takes longer has no GPU, and is drawn without one

export class Stage {
  // desk offers: shown(), picture(role), style(role), overlay(), spec changes; see main.js
  constructor(desk) {
    this.desk = desk;
    this.element = document.getElementById("stage");
    this.canvas = document.getElementById("canvas");
    this.marks = document.getElementById("marks");
    this.view = { x: 0, y: 0, zoom: 1 };
    this.swipes = [null, null]; // shares of what is seen of the image; evenly spread until moved
    this.dirty = false;
    this.pointers = new Map();
    this.drag = null;
    const wanted = new URLSearchParams(location.search).get("renderer");
    this.trials = wanted === "webgl" ? null : [];
    try {
      if (wanted === "2d") throw new Error("asked for");
      this.renderer = new GlRenderer(this.canvas);
    } catch {
      this.renderer = new CanvasRenderer(this.canvas);
      this.trials = null;
    }
    new ResizeObserver(() => this.resize()).observe(this.element);
    this._listen();
    this.resize();
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  resize() {
    const { clientWidth: w, clientHeight: h } = this.element;
    if (!w || !h) return;
    this.canvas.width = Math.round(w * this.ratio);
    this.canvas.height = Math.round(h * this.ratio);
    this.marks.setAttribute("viewBox", `0 0 ${w} ${h}`);
    if (this.fitted) this.fit();
    this.redraw();
  }

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      const began = performance.now();
      this._draw();
      if (this.trials) this._judge(began);
    });
  }

  // WebGL without a GPU behind it is slower than a plain canvas: time some pictures, and change over if they drag.
  _judge(began) {
    if (!this.desk.size()) return;
    this.renderer.finish();
    this.trials.push(performance.now() - began);
    if (this.trials.length < TRIALS) return;
    // the first picture also carries the pixels to the GPU
    const sorted = this.trials.slice(1).sort((a, b) => a - b);
    this.trials = null;
    if (sorted[sorted.length >> 1] < SLOW_MS) return;
    const fresh = this.canvas.cloneNode();
    this.canvas.replaceWith(fresh);
    this.canvas = fresh;
    this.renderer = new CanvasRenderer(fresh);
    this.desk.rendererChanged();
    this.redraw();
  }

  // Panes in CSS pixels: where each shown image is drawn (clip) and the frame its view is centred in.
  panes() {
    const w = this.element.clientWidth, h = this.element.clientHeight, shown = this.desk.shown(), n = shown.length;
    if (!n) return [];
    if (this.desk.mode === "side" && n > 1) {
      const down = w < h && w < 700;
      return shown.map((role, i) => {
        const a = Math.round((i * (down ? h : w)) / n), b = Math.round(((i + 1) * (down ? h : w)) / n);
        const clip = down ? { x: 0, y: a, w, h: b - a - (i < n - 1 ? 1 : 0) } : { x: a, y: 0, w: b - a - (i < n - 1 ? 1 : 0), h };
        return { role, clip, frame: clip };
      });
    }
    const frame = { x: 0, y: 0, w, h };
    if (this.desk.mode === "swipe" && n > 1) {
      const { left, right } = this._span(frame);
      const cuts = [0, ...this._cuts(n).map((share) => Math.round(left + share * (right - left))), w];
      return shown.map((role, i) => ({ role, frame, clip: { x: cuts[i], y: 0, w: cuts[i + 1] - cuts[i], h } }));
    }
    return [{ role: shown[0], clip: frame, frame }];
  }

  // What is seen of the image in a frame, from left to right; the whole frame if nothing is.
  _span(frame) {
    const size = this.desk.size(), start = this.origin({ frame }).x, end = start + (size?.cols ?? 0) * this.view.zoom;
    const left = Math.max(frame.x, start), right = Math.min(frame.x + frame.w, end);
    return right > left ? { left, right } : { left: frame.x, right: frame.x + frame.w };
  }

  _cuts(n) {
    const cuts = Array.from({ length: n - 1 }, (_, i) => this.swipes[i] ?? (i + 1) / n);
    return cuts.sort((a, b) => a - b);
  }

  // CSS position of the first pixel's corner, on whole device pixels: at 1:1 every image pixel is one screen pixel, and
  // what the pointer reads is what is drawn under it.
  origin(pane) {
    const { zoom } = this.view, f = pane.frame, r = this.ratio, whole = (v) => Math.round(v * r) / r;
    return { x: whole(f.x + f.w / 2 - this.view.x * zoom), y: whole(f.y + f.h / 2 - this.view.y * zoom) };
  }

  // CSS position of world (x, y) in a pane.
  toScreen(pane, x, y) {
    const at = this.origin(pane);
    return { x: at.x + x * this.view.zoom, y: at.y + y * this.view.zoom };
  }

  toWorld(pane, x, y) {
    const at = this.origin(pane);
    return { x: (x - at.x) / this.view.zoom, y: (y - at.y) / this.view.zoom };
  }

  paneAt(x, y) {
    const panes = this.panes();
    return panes.find(({ clip: c }) => x >= c.x && x < c.x + c.w && y >= c.y && y < c.y + c.h) || panes[0];
  }

  fit() {
    const panes = this.panes(), size = this.desk.size();
    if (!panes.length || !size) return;
    const { w, h } = panes[0].frame;
    this.view = { x: size.cols / 2, y: size.rows / 2, zoom: Math.min((w - 24) / size.cols, (h - 24) / size.rows) };
    this.fitted = true;
    this.desk.viewChanged();
    this.redraw();
  }

  // Centre on a rectangle of the original.
  goTo(x, y, w, h) {
    const pane = this.panes()[0];
    if (!pane) return;
    const room = Math.min(pane.frame.w / w, pane.frame.h / h) / 4;
    this.view = { x: x + w / 2, y: y + h / 2, zoom: Math.min(16, Math.max(room, 0.05)) };
    this.fitted = false;
    this.desk.viewChanged();
    this.redraw();
  }

  // Zoom so that the world point under (x, y) stays there.
  zoomBy(factor, x = this.element.clientWidth / 2, y = this.element.clientHeight / 2) {
    const pane = this.paneAt(x, y);
    if (!pane) return;
    this.zoomTo(this.view.zoom * factor, x, y);
  }

  zoomTo(zoom, x = this.element.clientWidth / 2, y = this.element.clientHeight / 2) {
    const pane = this.paneAt(x, y);
    if (!pane) return;
    const f = pane.frame, dx = x - f.x - f.w / 2, dy = y - f.y - f.h / 2;
    const next = Math.min(64, Math.max(0.01, zoom)), step = 1 / this.view.zoom - 1 / next;
    this.view = { x: this.view.x + dx * step, y: this.view.y + dy * step, zoom: next };
    this.fitted = false;
    this.desk.viewChanged();
    this.redraw();
  }

  panBy(dx, dy) {
    this.view.x -= dx / this.view.zoom;
    this.view.y -= dy / this.view.zoom;
    this.fitted = false;
    this.redraw();
  }

  _draw() {
    const style = getComputedStyle(this.element).getPropertyValue("--stage-rgb").trim().split(/\s+/).map(Number);
    this.renderer.begin(style.map((v) => v / 255));
    const r = this.ratio, panes = this.panes();
    for (const pane of panes) {
      const clip = { x: Math.round(pane.clip.x * r), y: Math.round(pane.clip.y * r), w: Math.round(pane.clip.w * r), h: Math.round(pane.clip.h * r) };
      const draw = (picture, look) => {
        if (!picture || clip.w <= 0 || clip.h <= 0) return;
        const scale = (this.view.zoom * r) / this.desk.scaleOf(picture);
        const at = this.origin(pane);
        this.renderer.draw(picture, clip, { x: Math.round(at.x * r), y: Math.round(at.y * r) }, scale, look);
      };
      draw(this.desk.picture(pane.role), this.desk.style(pane.role));
      const overlay = this.desk.overlay();
      if (overlay && pane.role === this.desk.overlayOn()) draw(overlay.picture, overlay.style);
    }
    this._drawMarks(panes);
    this._drawLabels(panes);
    this._drawHandles(panes);
    this._drawScale();
    this.desk.drawn();
  }

  _drawMarks(panes) {
    this.marks.replaceChildren();
    const { profile, regions } = this.desk;
    for (const pane of this.desk.mode === "side" ? panes : panes.slice(0, 1)) {
      const group = node("g", {});
      const box = this.desk.mode === "side" ? pane.clip : pane.frame;
      const id = `clip-${panes.indexOf(pane)}`;
      const clip = node("clipPath", { id });
      clip.append(node("rect", { x: box.x, y: box.y, width: Math.max(0, box.w), height: Math.max(0, box.h) }));
      group.setAttribute("clip-path", `url(#${id})`);
      for (const name of ["signal", "background"]) {
        const found = regions[name];
        if (!found) continue;
        const a = this.toScreen(pane, found[0], found[1]), z = this.view.zoom;
        group.append(node("rect", { x: a.x, y: a.y, width: found[2] * z, height: found[3] * z, class: "halo" }));
        group.append(node("rect", { x: a.x, y: a.y, width: found[2] * z, height: found[3] * z, class: `roi ${name}` }));
        for (const [cx, cy] of [[a.x, a.y], [a.x + found[2] * z, a.y], [a.x, a.y + found[3] * z], [a.x + found[2] * z, a.y + found[3] * z]]) {
          group.append(node("circle", { cx, cy, r: 3.5, class: "grip" }));
        }
        const text = node("text", { x: a.x + 4, y: a.y - 5, class: "mark-text" });
        text.textContent = name === "signal" ? "signal" : "background";
        group.append(text);
      }
      for (const place of this.desk.places()) {
        const a = this.toScreen(pane, place.x_px, place.y_px), z = this.view.zoom;
        group.append(node("rect", { x: a.x, y: a.y, width: place.width_px * z, height: place.height_px * z, class: "halo" }));
        group.append(node("rect", { x: a.x, y: a.y, width: place.width_px * z, height: place.height_px * z, class: "place" }));
      }
      if (profile) {
        const a = this.toScreen(pane, profile.x0 + 0.5, profile.y0 + 0.5), b = this.toScreen(pane, profile.x1 + 0.5, profile.y1 + 0.5);
        if (profile.width > 1) {
          const band = { x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: "band", "stroke-width": profile.width * this.view.zoom };
          group.append(node("line", band));
        }
        group.append(node("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: "halo" }));
        group.append(node("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: "profile" }));
        group.append(node("circle", { cx: a.x, cy: a.y, r: 4, class: "grip" }), node("circle", { cx: b.x, cy: b.y, r: 4, class: "grip" }));
        if (this.desk.cursorShare !== null) {
          const t = this.desk.cursorShare;
          group.append(node("circle", { cx: a.x + (b.x - a.x) * t, cy: a.y + (b.y - a.y) * t, r: 5, class: "cursor" }));
        }
      }
      this.desk.inspection.stage.draw(group, (x, y) => this.toScreen(pane, x, y));
      this.marks.append(clip, group);
    }
  }

  _drawLabels(panes) {
    const labels = document.getElementById("labels"), width = this.element.clientWidth;
    const swipe = this.desk.mode === "swipe" && panes.length > 1;
    const wide = panes.filter((pane) => pane.clip.w >= 40);
    while (labels.children.length > wide.length) labels.lastChild.remove();
    while (labels.children.length < wide.length) labels.append(document.createElement("div"));
    wide.forEach((pane, i) => {
      const label = labels.children[i], text = this.desk.label(pane.role), named = `label ${pane.role}`;
      if (label.className !== named) label.className = named;
      if (label.textContent !== text) label.textContent = text;
      label.style.top = `${pane.clip.y + 10}px`;
      // of a swipe each name stands at the cut that its image begins or ends with
      const first = swipe && pane === panes[0];
      label.style.right = first ? `${width - pane.clip.x - pane.clip.w + 10}px` : "";
      label.style.left = first ? "" : `${pane.clip.x + 10}px`;
      label.style.maxWidth = `${pane.clip.w - 20}px`;
    });
  }

  _drawHandles(panes) {
    const box = document.getElementById("handles");
    const wanted = this.desk.mode === "swipe" && panes.length > 1 ? panes.length - 1 : 0;
    while (box.children.length > wanted) box.lastChild.remove();
    while (box.children.length < wanted) box.append(this._handle(box.children.length));
    for (let i = 0; i < wanted; i++) {
      const handle = box.children[i];
      handle.style.left = `${panes[i + 1].clip.x}px`;
      handle.setAttribute("aria-valuenow", String(Math.round(this._cuts(wanted + 1)[i] * 100)));
      handle.setAttribute("aria-label", `Swipe between ${this.desk.label(panes[i].role)} and ${this.desk.label(panes[i + 1].role)}`);
    }
  }

  _handle(index) {
    const handle = document.createElement("div");
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-valuemin", "0");
    handle.setAttribute("aria-valuemax", "100");
    handle.append(document.createElement("span"));
    const set = (share) => {
      const cuts = this._cuts(document.getElementById("handles").children.length + 1);
      const low = index ? cuts[index - 1] : 0, high = index < cuts.length - 1 ? cuts[index + 1] : 1;
      cuts[index] = Math.min(high, Math.max(low, share));
      cuts.forEach((cut, i) => (this.swipes[i] = cut));
      this.redraw();
    };
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
      const { left, right } = this._span(this.panes()[0].frame);
      handle.onpointermove = (move) => set((move.clientX - this.element.getBoundingClientRect().left - left) / (right - left));
    });
    const stop = () => (handle.onpointermove = null);
    handle.addEventListener("pointerup", stop);
    handle.addEventListener("pointercancel", stop);
    handle.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.01;
      const now = this._cuts(document.getElementById("handles").children.length + 1)[index];
      const moves = { ArrowLeft: now - step, ArrowRight: now + step, Home: 0, End: 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      set(moves[event.key]);
    });
    return handle;
  }

  _drawScale() {
    const bar = document.getElementById("scalebar"), pitch = this.desk.pitch();
    bar.hidden = !this.desk.size();
    if (bar.hidden) return;
    const unit = pitch ? pitch : 1, perUnit = this.view.zoom / unit; // CSS pixels per mm or per pixel
    const target = 110 / perUnit, power = 10 ** Math.floor(Math.log10(target));
    const length = [5, 2, 1].map((m) => m * power).find((v) => v <= target) || power;
    document.getElementById("scaleline").style.width = `${length * perUnit}px`;
    const text = pitch ? (length < 1 ? `${+(length * 1000).toPrecision(3)} µm` : `${+length.toPrecision(3)} mm`) : `${+length.toPrecision(3)} px`;
    document.getElementById("scaletext").textContent = text;
  }

  _listen() {
    const e = this.element;
    e.addEventListener("wheel", (event) => {
      event.preventDefault();
      const at = this._at(event);
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), at.x, at.y);
    }, { passive: false });
    e.addEventListener("pointerdown", (event) => this._down(event));
    e.addEventListener("pointermove", (event) => this._move(event));
    for (const name of ["pointerup", "pointercancel"]) e.addEventListener(name, (event) => this._up(event));
    e.addEventListener("pointerleave", () => this.desk.hover(null));
    e.addEventListener("dblclick", (event) => {
      const drawing = this.desk.inspection.stage.draws(this.desk.tool); // a double click ends a polygon
      if (!drawing && (event.target === e || event.target === this.canvas)) this.fit();
    });
    e.addEventListener("contextmenu", (event) => event.target === this.canvas && event.preventDefault());
  }

  _at(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  _down(event) {
    if (event.target.closest("button, .handle, #empty") || !this.desk.size()) return;
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const at = this._at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      this.drag = null;
      return;
    }
    const pane = this.paneAt(at.x, at.y), world = this.toWorld(pane, at.x, at.y);
    const free = event.button === 1 || event.shiftKey;
    this.drag = { tool: event.button === 2 ? "window" : free ? "pan" : this._grab(pane, at) || this.desk.tool, pane, start: world, at, last: at };
    this.drag.window = { ...this.desk.window };
    const marks = this.desk.inspection.stage;
    if (marks.draws(this.drag.tool)) marks.press(this.drag.tool, world, this._near(pane, at));
    this.redraw();
  }

  // Whether a point of the image is under the pointer.
  _near(pane, at) {
    return (x, y) => {
      const s = this.toScreen(pane, x, y);
      return Math.hypot(s.x - at.x, s.y - at.y) < NEAR;
    };
  }

  // Grip of a mark, of the profile or of a region under the pointer.
  _grab(pane, at) {
    const { profile, regions } = this.desk, near = this._near(pane, at);
    if (this.desk.inspection.stage.grab(near)) return "mark-grip";
    if (profile) {
      if (near(profile.x0 + 0.5, profile.y0 + 0.5)) return "grip-start";
      if (near(profile.x1 + 0.5, profile.y1 + 0.5)) return "grip-end";
    }
    for (const name of ["signal", "background"]) {
      const r = regions[name];
      if (!r) continue;
      for (const [i, j] of [[0, 0], [1, 0], [0, 1], [1, 1]]) if (near(r[0] + i * r[2], r[1] + j * r[3])) {
        this.anchor = { x: r[0] + (1 - i) * r[2], y: r[1] + (1 - j) * r[3] };
        return `grip-${name}`;
      }
    }
    return null;
  }

  _move(event) {
    const at = this._at(event);
    const pane = this.paneAt(at.x, at.y);
    if (pane && this.desk.size()) this.desk.hover(this.toWorld(pane, at.x, at.y), pane.role);
    if (!this.pointers.has(event.pointerId)) return;
    if (this.pointers.size === 2) {
      this._pinch(event.pointerId, at);
      return;
    }
    this.pointers.set(event.pointerId, at);
    const drag = this.drag;
    if (!drag) return;
    const world = this.toWorld(drag.pane, at.x, at.y), size = this.desk.size();
    const pixel = (p) => ({ x: Math.min(size.cols - 1, Math.max(0, Math.floor(p.x))), y: Math.min(size.rows - 1, Math.max(0, Math.floor(p.y))) });
    const a = pixel(drag.start), b = pixel(world);
    if (drag.tool === "pan") this.panBy(at.x - drag.last.x, at.y - drag.last.y);
    else if (drag.tool === "window") this._windowDrag(drag, at);
    else if (drag.tool === "mark-grip" || this.desk.inspection.stage.draws(drag.tool)) {
      this.desk.inspection.stage.move(world);
      this.redraw();
    }
    else if (drag.tool === "profile") this.desk.setProfile({ x0: a.x, y0: a.y, ...snapped(a, b, event.ctrlKey || event.metaKey) });
    else if (drag.tool === "grip-start") this.desk.setProfile({ x0: b.x, y0: b.y });
    else if (drag.tool === "grip-end") this.desk.setProfile({ x1: b.x, y1: b.y });
    else if (drag.tool.startsWith("grip-")) this.desk.setRegion(drag.tool.slice(5), spanned(this.anchor, b, size));
    else this.desk.setRegion(drag.tool, [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(b.x - a.x) + 1, Math.abs(b.y - a.y) + 1]);
    drag.last = at;
  }

  _windowDrag(drag, at) {
    const range = this.desk.range(), { low, high } = drag.window;
    const width = Math.max((high - low) * Math.exp((at.x - drag.at.x) / 220), (range.high - range.low) * 1e-4);
    const level = (low + high) / 2 + ((at.y - drag.at.y) / this.element.clientHeight) * (range.high - range.low) * 0.7;
    this.desk.setWindow(level - width / 2, level + width / 2);
  }

  _pinch(id, at) {
    const [a, b] = [...this.pointers.values()];
    const before = Math.hypot(a.x - b.x, a.y - b.y), middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    this.pointers.set(id, at);
    const [c, d] = [...this.pointers.values()];
    const centre = { x: (c.x + d.x) / 2, y: (c.y + d.y) / 2 };
    this.panBy(centre.x - middle.x, centre.y - middle.y);
    if (before > 0) this.zoomBy(Math.hypot(c.x - d.x, c.y - d.y) / before, centre.x, centre.y);
  }

  _up(event) {
    this.pointers.delete(event.pointerId);
    if (this.drag) this.desk.inspection.stage.release();
    this.redraw();
    this.drag = null;
  }
}

function snapped(a, b, straight) {
  if (!straight) return { x1: b.x, y1: b.y };
  return Math.abs(b.x - a.x) > Math.abs(b.y - a.y) ? { x1: b.x, y1: a.y } : { x1: a.x, y1: b.y };
}

// Rectangle between a corner that stays (an edge of pixels) and a pixel that is included.
function spanned(anchor, b, size) {
  const left = Math.min(anchor.x, b.x), top = Math.min(anchor.y, b.y);
  const right = Math.min(size.cols, Math.max(anchor.x, b.x + 1)), bottom = Math.min(size.rows, Math.max(anchor.y, b.y + 1));
  return [left, top, Math.max(1, right - left), Math.max(1, bottom - top)];
}

export function node(name, attributes) {
  const out = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) out.setAttribute(key, value);
  return out;
}
