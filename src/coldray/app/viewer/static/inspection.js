// The inspection of an image: marks with words, classes and decisions, their numbers, calibration, and the decision on
// the image. The server keeps all of it beside the image; nothing is ever drawn into the image.

import * as api from "./api.js";
import { Marks } from "./marks.js";
import { $, fill, number, unitOf } from "./panel.js";
import { CLOSED, measures, region } from "./shapes.js";

const NAMES = { rectangle: "Rectangle", ellipse: "Ellipse", circle: "Diameter", polygon: "Polygon", distance: "Distance", angle: "Angle", point: "Point" };
const DECISIONS = { open: "not decided", accepted: "accepted", rejected: "rejected" };
const PAUSE_MS = 400;

export class Inspection {
  constructor(desk) {
    this.desk = desk;
    this.selected = -1;
    this.notes = null;
    this.study = null;
    this.unsaved = false;
    this.onTheWay = 0; // changes sent, but not taken yet
    this.stage = new Marks(this);
    this._wire();
  }

  get marks() {
    return this.notes?.marks || [];
  }

  _wire() {
    const on = (id, key, of) => ($(id).onchange = () => this._change(key, of ? of($(id).value) : $(id).value));
    on("n-class", "defect");
    on("n-text", "text");
    on("n-decision", "decision");
    on("n-threshold", "threshold", () => (Number.isFinite(number("n-threshold")) ? number("n-threshold") : null));
    on("n-voids", "voids");
    for (const [id, key] of [["i-decision", "decision"], ["i-inspector", "inspector"], ["i-note", "note"]]) {
      $(id).onchange = () => this._set({ [key]: $(id).value });
    }
    $("n-known").onchange = () => this._calibrate();
    $("i-magnification").onchange = () => {
      const value = number("i-magnification");
      this._set({ calibration: value > 0 ? { magnification: value, known_mm: null, between: null } : null });
    };
    $("i-calibration-clear").onclick = () => this._set({ calibration: null });
    $("n-delete").onclick = () => this._delete();
    $("i-csv").onclick = () => api.save(new Blob([this._csv()], { type: "text/csv" }), "marks.csv");
    for (const button of document.querySelectorAll("[data-inspection]")) button.onclick = () => this._download(button.dataset.inspection);
  }

  // ---- what changes ----

  // What the server holds; changes that were not sent yet, or not taken yet, are newer.
  take(study) {
    const same = study?.id === this.study?.id;
    if (!same) this.send().catch((problem) => this.desk.say(problem.message, true));
    this.study = study;
    if (!same) {
      this.selected = -1;
      this.stage.forget();
    }
    if (!same || !(this.unsaved || this.onTheWay)) this.notes = study ? structuredClone(study.inspection) : null;
    this.selected = Math.min(this.selected, this.marks.length - 1);
    this.show();
  }

  add(kind, points) {
    this.notes.marks.push({ kind, points, text: "", defect: "", decision: "open", threshold: null, voids: "brighter" });
    this.select(this.marks.length - 1);
    this._keep();
  }

  // Shapes of a preset; those that are there already are not put there twice.
  put(marks) {
    const same = (a, b) => a.kind === b.kind && JSON.stringify(a.points) === JSON.stringify(b.points);
    const fresh = marks.filter((mark) => !this.marks.some((known) => same(mark, known)));
    if (!fresh.length) return;
    this.notes.marks.push(...structuredClone(fresh));
    this._keep();
    this.show();
    this.desk.stage.redraw();
  }

  moved(index, points) {
    this.marks[index].points = points;
    this._keep();
    this.show();
  }

  select(index) {
    this.selected = index;
    this.show();
    this.desk.stage.redraw();
  }

  _change(key, value) {
    if (!this.marks[this.selected]) return;
    this.marks[this.selected][key] = value;
    this._keep();
    this.show();
    this.desk.stage.redraw();
  }

  _set(change) {
    if (!this.notes) return;
    Object.assign(this.notes, change);
    this._keep();
    this.show();
  }

  _delete() {
    if (!this.marks[this.selected]) return;
    this.notes.marks.splice(this.selected, 1);
    this._keep();
    this.select(Math.min(this.selected, this.marks.length - 1));
    $("note-list").querySelector("[aria-pressed=true]")?.focus();
  }

  _calibrate() {
    const mark = this.marks[this.selected], known = number("n-known");
    if (mark && known > 0) this._set({ calibration: { magnification: null, known_mm: known, between: mark.points.slice(0, 2) } });
  }

  // Sent a moment after the last change, and at once before a report is asked for.
  _keep() {
    this.unsaved = true;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.send().catch((problem) => this.desk.say(problem.message, true)), PAUSE_MS);
  }

  async send() {
    clearTimeout(this.waiting);
    if (!this.unsaved || !this.study) return;
    const { id } = this.study;
    this.unsaved = false;
    this.onTheWay++;
    try {
      await api.call("PUT", `api/studies/${id}/inspection`, this.notes);
    } catch (problem) {
      if (this.study?.id === id) this.unsaved = true;
      throw problem;
    } finally {
      this.onTheWay--;
    }
  }

  async _download(kind) {
    const { id } = this.study;
    try {
      await this.send();
      await api.download(`api/studies/${id}/inspection/${kind}`);
    } catch (problem) {
      this.desk.say(problem.message, true);
    }
  }

  // ---- what is known ----

  // Size of a pixel at the object [mm]; null where nothing says it.
  pixelMm() {
    const known = this.notes?.calibration, pitch = this.desk.pitch();
    if (known?.known_mm) return known.known_mm / measures("distance", known.between).length_px;
    return pitch ? pitch / (known?.magnification || this.study?.magnification || 1) : null;
  }

  _size(mark, whole = true) {
    const mm = this.pixelMm(), per = mm || 1, unit = mm ? "mm" : "px", told = (v) => +(v * per).toPrecision(4), m = measures(mark.kind, mark.points);
    const area = whole && "area_px2" in m ? `, ${+(m.area_px2 * per * per).toPrecision(4)} ${unit}²` : "";
    if ("width_px" in m) return `${told(m.width_px)} × ${told(m.height_px)} ${unit}${area}`;
    if ("diameter_px" in m) return `⌀ ${told(m.diameter_px)} ${unit}${area}`;
    if ("perimeter_px" in m) return `around ${told(m.perimeter_px)} ${unit}${area}`;
    if ("length_px" in m) return `${told(m.length_px)} ${unit}`;
    return "angle_deg" in m ? `${m.angle_deg.toFixed(2)}°` : `x ${told(mark.points[0][0])}, y ${told(mark.points[0][1])} ${unit}`;
  }

  _numbers(mark) {
    const { desk } = this;
    return desk.available().map((role) => {
      const picture = desk.picture(role), k = desk.scaleOf(picture), gain = desk.base().meta.open_beam / picture.meta.open_beam;
      const points = mark.points.map(([x, y]) => [x * k, y * k]);
      const threshold = mark.threshold === null ? null : mark.threshold / gain;
      const found = region(picture, mark.kind, points, threshold, mark.voids);
      return { role, ...found, mean: found.mean * gain, sd: found.sd * gain };
    });
  }

  _csv() {
    const mm = this.pixelMm(), quoted = (v) => `"${String(v).replaceAll('"', '""')}"`;
    const safe = (v) => quoted(/^[=+\-@\t]/.test(v) ? `'${v}` : v);
    const shape = (mark) => {
      const m = measures(mark.kind, mark.points), length = m.diameter_px ?? m.length_px ?? m.perimeter_px ?? "";
      return [m.width_px ?? "", m.height_px ?? "", length, m.area_px2 ?? "", m.angle_deg ?? ""];
    };
    const head = "mark,shape,class,words,decision,width_px,height_px,length_px,area_px2,angle_deg,pixel_mm,image,mean,sd,void_percent";
    const lines = this.marks.flatMap((mark, i) => {
      const begin = [i + 1, mark.kind, safe(mark.defect), safe(mark.text), mark.decision, ...shape(mark), mm ?? ""];
      if (!CLOSED.includes(mark.kind)) return [[...begin, "", "", "", ""].join(",")];
      return this._numbers(mark).map((f) => [...begin, f.role, f.mean, f.sd, Number.isNaN(f.void_share) ? "" : 100 * f.void_share].join(","));
    });
    return `${head}\n${lines.join("\n")}\n`;
  }

  // ---- what is shown ----

  show() {
    const { notes, marks } = this, mark = marks[this.selected], there = Boolean(notes && this.desk.base());
    $("inspection-body").hidden = !there;
    if (!there) return;
    $("note-list").replaceChildren(...marks.map((m, i) => this._entry(m, i)));
    $("note-hint").hidden = marks.length > 0;
    $("note-body").hidden = !mark;
    if (mark) this._showMark(mark);
    const put = (id, value) => document.activeElement !== $(id) && ($(id).value = value);
    put("i-decision", notes.decision);
    put("i-inspector", notes.inspector);
    put("i-note", notes.note);
    put("i-magnification", notes.calibration?.magnification ?? "");
    const mm = this.pixelMm(), from = notes.calibration?.known_mm ? `a length of ${notes.calibration.known_mm} mm` : notes.calibration ? "the magnification" : "the file";
    $("i-calibration").textContent = mm ? `${+(1000 * mm).toPrecision(4)} µm per pixel at the object, from ${from}.` : "Sizes are in pixels: draw a distance of known length, or restore with a pixel pitch.";
    $("i-calibration-clear").hidden = !notes.calibration;
    $("i-kept").textContent = this.study.keeps_notes ? "Kept beside the image, and there again when it is opened." : "This image came through the page: save the notes before it is closed.";
  }

  _entry(mark, index) {
    const button = document.createElement("button"), item = document.createElement("li");
    button.className = `entry ${mark.decision}`;
    button.setAttribute("aria-pressed", String(index === this.selected));
    const size = Object.assign(document.createElement("span"), { className: "muted", textContent: this._size(mark, false) });
    button.append(`${index + 1}  ${mark.defect || NAMES[mark.kind]}`, size, Object.assign(document.createElement("span"), { textContent: mark.defect ? DECISIONS[mark.decision] : "" }));
    button.onclick = () => {
      this.select(index === this.selected ? -1 : index);
      $("note-list").children[index].firstChild.focus();
    };
    item.append(button);
    return item;
  }

  _showMark(mark) {
    const { desk } = this, closed = CLOSED.includes(mark.kind), put = (id, value) => document.activeElement !== $(id) && ($(id).value = value);
    put("n-class", mark.defect);
    put("n-text", mark.text);
    put("n-decision", mark.decision);
    put("n-threshold", mark.threshold ?? "");
    put("n-voids", mark.voids);
    const between = JSON.stringify(this.notes.calibration?.between), known = between === JSON.stringify(mark.points.slice(0, 2));
    put("n-known", known ? this.notes.calibration.known_mm : "");
    $("n-known-row").hidden = !["distance", "circle"].includes(mark.kind);
    $("n-void-row").hidden = $("n-table").hidden = !closed;
    $("n-size").textContent = `${NAMES[mark.kind]}: ${this._size(mark)}`;
    $("n-unit").textContent = unitOf(desk);
    if (!closed) return;
    const found = this._numbers(mark), rows = [["Mean", (f) => f.mean, 6], ["SD", (f) => f.sd, 4], ["SNR", (f) => f.snr, 4], ["Void, %", (f) => 100 * f.void_share, 4]];
    fill($("n-table"), found.map((f) => f.role), rows.map(([name, of, digits]) => [name, found.map(of), digits]), `${found[0]?.pixels ?? 0} px, ${unitOf(desk)}`);
  }
}
