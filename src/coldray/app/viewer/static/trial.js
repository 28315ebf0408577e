// A reader's page: one image after the other, places marked and rated, and a rating of the whole image. Drawn and marked as
// in the viewer; what is not asked of a reader is not there.

import * as api from "./api.js";
import { Marks } from "./marks.js";
import { $ } from "./panel.js";
import { Picture } from "./pixels.js";
import { Stage } from "./stage.js";

export class Reading {
  constructor(reader) {
    this.reader = reader;
    this.told = null;
    this.open = null;
    this.mode = "single";
    this.tool = "point";
    this.window = this.first = { low: 0, high: 1 };
    this.profile = this.cursorShare = null;
    this.regions = { signal: null, background: null };
    this.marks = [];
    this.selected = -1;
    this.given = null; // rating of the whole image; null until it is given
    this.inspection = { stage: new Marks(this) };
    this.stage = new Stage(this);
    this._wire();
  }

  // ---- what the stage asks ----

  shown() {
    return this.open ? ["original"] : [];
  }

  picture() {
    return this.open;
  }

  size() {
    return this.open;
  }

  pitch() {
    return this.open?.meta.pixel_pitch_mm || null;
  }

  scaleOf() {
    return 1;
  }

  style() {
    return { ...this.window, invert: $("t-invert").checked };
  }

  range() {
    return { low: this.open.meta.minimum, high: this.open.meta.maximum };
  }

  overlay() {
    return null;
  }

  places() {
    return [];
  }

  label() {
    return `Image ${this.told.done + 1}`;
  }

  hover(world) {
    $("t-at").textContent = world ? `x ${Math.floor(world.x)}, y ${Math.floor(world.y)}` : "";
  }

  drawn() {
    document.documentElement.dataset.drawn = "1";
  }

  rendererChanged() {}

  viewChanged() {
    $("t-zoom").textContent = `${Math.round(100 * this.stage.view.zoom * this.stage.ratio)} %`;
  }

  setWindow(low, high) {
    if (!(high > low)) return;
    this.window = { low, high };
    this.stage.redraw();
  }

  // ---- marks ----

  add(kind, points) {
    const [[x, y]] = points, size = this.size();
    if (x < 0 || y < 0 || x > size.cols || y > size.rows) return;
    if (this.marks.length >= this.told.most_marks) {
      this.say(`${this.told.most_marks} places are the most; delete one first.`);
      return;
    }
    this.marks.push({ kind, points, rating: null, decision: "open" });
    this.selected = this.marks.length - 1;
    this.show();
    $("t-marks").lastChild.querySelector("input").focus();
  }

  moved(index, points) {
    const size = this.size();
    this.marks[index].points = points.map(([x, y]) => [Math.min(size.cols, Math.max(0, x)), Math.min(size.rows, Math.max(0, y))]);
  }

  _delete(index) {
    this.marks.splice(index, 1);
    this.selected = Math.min(this.selected, this.marks.length - 1);
    this.show();
  }

  // ---- the answer ----

  // Of the whole image: what was given, but never below the surest place; null while nothing is rated.
  get rating() {
    const rated = [this.given, ...this.marks.map((mark) => mark.rating)].filter((value) => value !== null);
    return rated.length ? Math.max(...rated) : null;
  }

  _rate(value) {
    this.given = Number(value);
    this.show();
  }

  _missing() {
    const open = this.marks.findIndex((mark) => mark.rating === null);
    if (open >= 0) return `Say how sure you are of place ${open + 1}, or delete it.`;
    return this.rating === null ? "Rate the whole image." : "";
  }

  async _send() {
    const marks = this.marks.map((mark) => ({ x_px: mark.points[0][0], y_px: mark.points[0][1], rating: mark.rating }));
    const seconds = Math.round(performance.now() - this.began) / 1000;
    $("t-next").disabled = true;
    try {
      await this.take(await api.call("POST", `api/trial/${this.reader}`, { item: this.open.meta.id, rating: this.rating, marks, seconds }));
    } catch (problem) {
      this.say(problem.message);
      this.show();
    }
  }

  async load() {
    await this.take(await api.call("GET", `api/trial/${this.reader}`));
  }

  async _again() {
    $("t-again").disabled = true;
    try {
      await this.load();
    } catch (problem) {
      this.say(problem.message);
    }
    $("t-again").disabled = false;
  }

  // What the server says comes next. Where its pixels do not come, the image before is gone all the same: it is answered.
  async take(told) {
    let layer = told.item?.layer, data = null, missing = "";
    try {
      data = layer && (await api.pixels(layer, 0, () => {}));
    } catch (problem) {
      missing = problem.message || "the connection broke";
      layer = null;
    }
    this.told = told;
    this.marks = [];
    this.selected = -1;
    this.given = null;
    this.inspection.stage.forget();
    this.open = layer ? new Picture(layer, data) : null;
    this.stage.renderer.keepOnly(new Set(layer ? [layer.id] : []));
    if (layer) {
      const [low, high] = told.item.window;
      this.first = { low, high };
      this.window = { low, high };
      this.stage.fit();
      this.stage.element.focus({ preventScroll: true });
    }
    this.began = performance.now();
    this.say(missing);
    this.show();
    document.documentElement.dataset.item = layer ? layer.id : "";
    document.documentElement.dataset.done = String(told.done);
  }

  say(text) {
    $("notice").textContent = text;
    $("notice").setAttribute("role", "alert");
    $("notice").hidden = !text;
  }

  // ---- what is shown ----

  show() {
    const { told } = this, there = Boolean(this.open);
    $("t-progress").textContent = `Reader ${told.reader}: ${told.done} of ${told.whole} images, block ${told.block} of ${told.blocks}`;
    $("t-question").textContent = told.question;
    $("t-form").hidden = !there;
    $("t-state").hidden = there;
    $("t-again").hidden = there || !told.item;
    $("t-state").textContent = there ? "" : told.item ? "The next image did not arrive; what you answered so far is kept." : told.opens_at
      ? `This block is read. The next one begins on ${new Date(told.opens_at).toLocaleString()}: open the link again then.`
      : "You have read every image. Thank you; the page can be closed.";
    $("t-rating").value = this.rating ?? 0;
    $("t-shown").textContent = this.rating ?? "–";
    $("t-marks").replaceChildren(...this.marks.map((mark, i) => this._entry(mark, i)));
    const missing = this._missing();
    $("t-next").disabled = Boolean(missing);
    $("t-hint").textContent = missing;
    this.stage.redraw();
  }

  _entry(mark, index) {
    const item = document.createElement("li"), row = document.createElement("div"), name = `Place ${index + 1}: how sure`;
    row.className = "row inputs";
    const input = Object.assign(document.createElement("input"), { type: "range", min: 1, max: this.told.highest, value: mark.rating ?? 1 });
    input.setAttribute("aria-label", name);
    const shown = Object.assign(document.createElement("output"), { textContent: mark.rating ?? "–" });
    // while it is dragged the list stays as it is; the rest follows
    input.oninput = () => {
      this.marks[index].rating = Number(input.value);
      shown.textContent = input.value;
    };
    input.onchange = input.onclick = () => {
      this.marks[index].rating = Number(input.value);
      this.show();
      $("t-marks").children[index].querySelector("input").focus();
    };
    const gone = Object.assign(document.createElement("button"), { textContent: "Delete" });
    gone.setAttribute("aria-label", `Delete place ${index + 1}`);
    gone.onclick = () => this._delete(index);
    row.append(input, shown, gone);
    item.append(row);
    return item;
  }

  setTool(tool) {
    this.tool = tool;
    this.stage.element.dataset.tool = tool;
    for (const b of document.querySelectorAll("[data-tool][role=radio]")) b.setAttribute("aria-checked", String(b.dataset.tool === tool));
  }

  _wire() {
    for (const b of document.querySelectorAll("[data-tool][role=radio]")) b.onclick = () => this.setTool(b.dataset.tool);
    $("t-fit").onclick = () => this.stage.fit();
    $("t-one").onclick = () => this.stage.zoomTo(1 / this.stage.ratio);
    $("t-window").onclick = () => this.setWindow(this.first.low, this.first.high);
    $("t-invert").onchange = () => this.stage.redraw();
    $("t-rating").oninput = () => this._rate($("t-rating").value);
    // a click on the slider where it stands is an answer too
    $("t-rating").onclick = () => this._rate($("t-rating").value);
    $("t-next").onclick = () => this._send();
    $("t-again").onclick = () => this._again();
    document.addEventListener("keydown", (event) => this._key(event));
    this.setTool("point");
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.open || event.target.matches("input, button")) return;
    const keys = {
      m: () => this.setTool("point"), v: () => this.setTool("pan"), w: () => this.setTool("window"), f: () => this.stage.fit(),
      z: () => this.stage.zoomTo(1 / this.stage.ratio), a: () => $("t-window").click(), "+": () => this.stage.zoomBy(1.25), "-": () => this.stage.zoomBy(0.8),
    };
    const act = keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

async function start() {
  const reader = new URLSearchParams(location.search).get("reader");
  if (!api.takeToken() || !reader) {
    if (!reader) $("t-link").textContent = "This link names no reader. Open the one that coldray trial serve printed for you.";
    $("token-dialog").showModal();
    return;
  }
  const reading = new Reading(reader);
  try {
    await reading.load();
  } catch (problem) {
    if (problem.status === 401) $("token-dialog").showModal();
    else reading.say(problem.message);
  }
}

start();
