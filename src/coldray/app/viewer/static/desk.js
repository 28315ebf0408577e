// The desk: what is open, what is shown and how.

import * as api from "./api.js";
import { Dock } from "./dock.js";
import { Folders } from "./folders.js";
import { Inspection } from "./inspection.js";
import { $, worded } from "./panel.js";
import { Picture, difference, inNoise, states } from "./pixels.js";
import { Stage } from "./stage.js";

const BOUNDS = ["lower", "upper"]; // of the interval around the restored image; for profiles
const IMAGES = ["original", "restored", "compared", "reference"];
// Overlays that the page makes of two layers.
const MADE_OF = { states: ["gate", "certificate"], difference: ["restored", "original"], comparison: ["restored", "compared"], error: ["restored", "reference"] };
const OVERLAYS = {
  states: { name: "Three states", map: "states", help: "What every pixel rests on: bare where it is a linear filter of the measurement, blue where the network enters and the measurement does not contradict it, magenta where the measurement contradicts the result." },
  linear: { name: "Linear part", map: "diverging", help: "What a linear filter adds to the measurement: a Wiener filter with the measured noise, or under the gate one fixed filter. Blue lowers the signal, orange raises it." },
  prior: { name: "Prior part", map: "diverging", help: "What goes beyond the linear filter; with a network, what only the network claims. It was inferred, not measured." },
  gate: { name: "Share of the network", map: "sequential", help: "g: how much of the network's claim enters, 0 to 1. Where it is 0 the picture is exactly a linear filter of the measurement." },
  replaced: { name: "Replaced", map: "sequential", help: "Where the measurement contradicted the network, and the linear filter stands in: its weight, 0 to 1." },
  corrected: { name: "Corrected", map: "sequential", help: "Where the measurement contradicted the network and corrects it: the weight of the correction, 0 to 1." },
  residual: { name: "Residual", map: "diverging", help: "Measurement minus re-blurred result, whitened by the noise at the local signal. Noise of 1 SD is expected; structure contradicts the data." },
  certificate: { name: "Contradictions", map: "sequential", help: "Consistency certificate: −log₁₀ of the adjusted p-value. Boxes mark places that the measurement contradicts; none is the expected result." },
  difference: { name: "Restored − original", map: "diverging", help: "Everything that the restoration changed, as a fraction of the open beam." },
  comparison: { name: "Restored − compared", map: "diverging", help: "What separates two restorations, in SD of the measurement's noise at the local signal: far below 1 nobody could have measured the difference." },
  error: { name: "Restored − reference", map: "diverging", help: "What separates the restored image from the reference, noise of both included." },
};

export class Desk {
  constructor() {
    this.state = { studies: [], tasks: [], suffixes: [] };
    this.study = null;
    this.pictures = new Map(); // by role
    this.mode = "swipe";
    this.tool = "pan";
    this.hidden = new Set();
    this.window = { low: 0, high: 1 };
    this.invert = false;
    this.markSaturated = false;
    this.overlayRole = null;
    this.opacity = 0.85;
    this.scales = {}; // of overlays, by role
    this.profile = null;
    this.regions = { signal: null, background: null };
    this.cursorShare = null;
    this.peek = false;
    this.frame = 0;
    this.busy = Promise.resolve();
    this.loaded = Promise.resolve(); // the first look at the server
    this.asked = this.answered = 0;
    this.wanted = null;
    this.shownStudy = null;
    this.inspection = new Inspection(this);
    this.stage = new Stage(this);
    this.dock = new Dock(this, OVERLAYS);
    this.folders = new Folders(this);
    this.rendererChanged();
  }

  // ---- what the stage asks ----

  available() {
    return IMAGES.filter((role) => this.pictures.has(role));
  }

  shown() {
    const there = this.available(), chosen = there.filter((role) => !this.hidden.has(role));
    const roles = chosen.length ? chosen : there.slice(0, 1);
    if (this.peek && there.includes("original")) return ["original"];
    if (this.mode === "single" && roles.length > 1) return [this.single && roles.includes(this.single) ? this.single : roles.includes("restored") ? "restored" : roles[0]];
    return roles;
  }

  picture(role) {
    return this.pictures.get(role);
  }

  base() {
    return this.pictures.get("original") || this.pictures.get("restored") || this.pictures.get("reference");
  }

  size() {
    return this.base() || null;
  }

  pitch() {
    const found = ["original", "restored"].map((r) => this.pictures.get(r)?.meta.pixel_pitch_mm).find(Boolean);
    return found || null;
  }

  // Pixels of a picture per pixel of the original: 1 unless the pitches differ.
  scaleOf(picture) {
    const own = picture.meta.pixel_pitch_mm, pitch = this.pitch();
    return own && pitch && Math.abs(own / pitch - 1) > 0.001 ? pitch / own : 1;
  }

  style(role) {
    const meta = this.pictures.get(role).meta, gain = meta.open_beam / this.base().meta.open_beam;
    const saturation = this.markSaturated && meta.type_maximum !== null ? meta.type_maximum : undefined;
    return { low: this.window.low * gain, high: this.window.high * gain, invert: this.invert, saturation };
  }

  overlay() {
    const picture = this.overlayRole && this.pictures.get(this.overlayRole);
    if (!picture || this.peek) return null;
    return { picture, style: { map: OVERLAYS[this.overlayRole].map, low: 0, high: this.scales[this.overlayRole], opacity: this.opacity } };
  }

  // Overlays speak of the restored image; the other panes stay bare for comparison.
  overlayOn() {
    const shown = this.shown();
    return shown.includes("restored") ? "restored" : shown[0];
  }

  // Places where the certificate marks a contradiction, while its overlay is on.
  places() {
    return ["certificate", "states"].includes(this.overlayRole) && !this.peek ? this.study?.result?.consistency?.places || [] : [];
  }

  label(role) {
    const meta = this.pictures.get(role)?.meta;
    const method = this.study?.result?.method;
    return role === "restored" && method ? `Restored · ${method}` : (meta ? meta.title : role);
  }

  range() {
    const metas = this.available().map((role) => ({ meta: this.pictures.get(role).meta, gain: this.base().meta.open_beam / this.pictures.get(role).meta.open_beam }));
    return { low: Math.min(...metas.map((m) => m.meta.minimum * m.gain)), high: Math.max(...metas.map((m) => m.meta.maximum * m.gain)) };
  }

  hover(world, role) {
    this.pointer = world ? { ...world, role } : null;
    this.dock.showStatus();
  }

  drawn() {
    if (this.drawnOnce) return;
    this.drawnOnce = true;
    document.documentElement.dataset.drawn = "1";
  }

  rendererChanged() {
    $("engine").textContent = this.stage.renderer.constructor.name;
  }

  viewChanged() {
    this.dock.showZoom();
  }

  // ---- changes ----

  setWindow(low, high) {
    if (!(Number.isFinite(low) && Number.isFinite(high) && high > low)) return;
    this.window = { low, high };
    this.dock.showWindow();
    this.stage.redraw();
  }

  autoWindow() {
    const signal = this.regions.signal, base = this.base();
    if (!base) return;
    if (signal) {
      const found = base.region(signal);
      this.setWindow(found.mean - 5 * found.sd, found.mean + 5 * found.sd);
    } else this.setWindow(base.quantile(0.005), Math.max(base.quantile(0.995), base.quantile(0.005) + base.histogram().step));
  }

  setTool(tool) {
    this.tool = tool;
    this.stage.element.dataset.tool = tool;
    this.inspection.stage.forget();
    this.stage.redraw();
    for (const b of document.querySelectorAll("[data-tool][role=radio]")) b.setAttribute("aria-checked", String(b.dataset.tool === tool));
  }

  setMode(mode) {
    this.mode = mode;
    for (const b of document.querySelectorAll("[data-mode]")) b.setAttribute("aria-checked", String(b.dataset.mode === mode));
    if (this.stage.fitted) this.stage.fit();
    this.stage.redraw();
    this.dock.showImages();
  }

  setProfile(change) {
    this.profile = change && { width: 1, x0: 0, y0: 0, x1: 1, y1: 0, ...this.profile, ...change };
    if (this.profile) this._needBounds();
    this.dock.measures.showProfile();
    this.stage.redraw();
  }

  // The interval around the restored image, if it was written with it; null until it is here.
  bounds() {
    const found = BOUNDS.map((role) => this.pictures.get(role));
    return this.pictures.has("restored") && found.every(Boolean) ? found : null;
  }

  // Fetched when the first profile is drawn, and again when another image or frame takes its place.
  _needBounds() {
    const there = BOUNDS.every((role) => this.study?.layers.some((l) => l.role === role));
    if (!there || this.bounds()) return;
    const study = this.study;
    this.busy = this.busy.then(async () => {
      if (this.study !== study || this.bounds()) return;
      await this._load(BOUNDS);
      this.dock.measures.showProfile();
    }).catch(() => {});
  }

  setRegion(name, rectangle) {
    this.regions[name] = rectangle;
    this.dock.measures.showRegions();
    this.stage.redraw();
  }

  async setOverlay(role) {
    this.overlayRole = role && role !== this.overlayRole ? role : null;
    if (this.overlayRole) await this._needOverlay(this.overlayRole);
    if (!this.pictures.has(this.overlayRole)) this.overlayRole = null;
    this.dock.showLayers();
    this.stage.redraw();
  }

  overlaysThere() {
    const stored = new Set((this.study?.layers || []).map((l) => l.role));
    return Object.keys(OVERLAYS).filter((role) => {
      const of = MADE_OF[role] || [role];
      return of.every((each) => stored.has(each)) && this._sameShape(...of);
    });
  }

  _sameShape(a, b = a) {
    const find = (role) => this.study.layers.find((l) => l.role === role);
    return find(a).rows === find(b).rows && find(a).cols === find(b).cols;
  }

  async _needOverlay(role) {
    if (!this.pictures.has(role)) {
      const of = MADE_OF[role] || [role];
      await this._load(of);
      const found = of.map((each) => this.pictures.get(each));
      if (!found.every(Boolean)) return;
      if (role in MADE_OF) {
        const made = await this._made(role, ...found);
        if (made) this.pictures.set(role, made);
      }
    }
    const picture = this.pictures.get(role);
    if (!picture || this.scales[role]) return;
    const reach = Math.max(Math.abs(picture.quantile(0.0005)), Math.abs(picture.quantile(0.9995)));
    this.scales[role] = { "noise SD": 5, "-log10 p": 10, share: 1, "": 1 }[picture.meta.unit] || +(reach || 1).toPrecision(2);
  }

  async _made(role, a, b) {
    const { name } = OVERLAYS[role];
    if (role === "states") return states(a, b, -Math.log10(this.study.result?.consistency?.false_alarm_chance ?? 0.01) - 1e-6, name);
    if (role !== "comparison") return difference(a, b, name, role);
    const noise = await this.dock.restoration.noiseVariance();
    if (!noise) this.say(`The noise of this image is not known: ${$("mtf-note").textContent}`, true);
    return noise && inNoise(a, b, noise, name, role);
  }

  // ---- loading ----

  // What the server holds; an answer that a later question has overtaken does not count.
  async look() {
    const asked = ++this.asked, state = await api.call("GET", "api/state");
    if (asked > this.answered) [this.answered, this.state] = [asked, state];
  }

  async refresh() {
    await this.look();
    const known = this.state.studies.find((s) => s.id === this.wanted);
    this.folders.showButton();
    this.dock.showStudies();
    for (const task of this.state.tasks) this.dock.restoration.showTask(task);
    await this.choose(known || this.state.studies[this.state.studies.length - 1] || null);
  }

  // One change after the other: an upload and the server's news of it arrive together.
  choose(study) {
    this.wanted = study?.id ?? null;
    const next = this.busy.then(() => this._choose(study));
    this.busy = next.catch(() => {});
    return next;
  }

  async _choose(study) {
    this.study = study;
    $("empty").hidden = Boolean(study);
    const first = (study?.id ?? null) !== this.shownStudy;
    if (first) {
      this.pictures.clear();
      this.stage.renderer.keepOnly(new Set());
      Object.assign(this, { profile: null, regions: { signal: null, background: null }, overlayRole: null, scales: {}, frame: 0, hidden: new Set() });
      this.stage.fitted = false;
    }
    if (study) {
      const wanted = new Map(study.layers.map((l) => [l.role, l.id]));
      for (const [role, picture] of [...this.pictures]) {
        const of = MADE_OF[role], stale = of ? !of.every((each) => picture.meta.id.includes(wanted.get(each))) : wanted.get(role) !== picture.meta.id;
        if (stale) {
          this.pictures.delete(role);
          delete this.scales[role];
        }
      }
      await this._load(study.layers.filter((l) => IMAGES.includes(l.role)).map((l) => l.role));
      if (this.overlayRole && !this.overlaysThere().includes(this.overlayRole)) this.overlayRole = null;
      if (this.overlayRole) await this._needOverlay(this.overlayRole);
    }
    this.stage.renderer.keepOnly(new Set([...this.pictures.values()].map((p) => p.meta.id)));
    this.shownStudy = study?.id ?? null;
    this.inspection.take(study);
    if (study) this._showOriginalFirst(study);
    if (study && first) {
      this.invert = study.hints.invert;
      if (study.hints.window) this.setWindow(...study.hints.window);
      else this.autoWindow();
      this.stage.fit();
      this.dock.restoration.showCurves();
    }
    this.dock.showAll();
    this.stage.redraw();
    document.documentElement.dataset.study = study ? study.id : "";
  }

  // A result that the measurement contradicts is shown when asked for; until then the original is.
  _showOriginalFirst(study) {
    const { result } = study, contradicted = /^contradicted/.test(result?.consistency?.verdict || "");
    if (!contradicted || !this.pictures.has("original") || this.warnedOf === result.sha256_out) return;
    this.warnedOf = result.sha256_out;
    this.single = "original";
    this.setMode("single");
    this.say("The measurement contradicts this restoration: the original is shown. Press 1 to compare both.", true);
  }

  async _load(roles) {
    const missing = this.study.layers.filter((l) => roles.includes(l.role) && !this.pictures.has(l.role));
    if (!missing.length) return;
    const study = this.study, whole = missing.reduce((s, l) => s + l.rows * l.cols, 0);
    let before = 0;
    $("loading").hidden = false;
    try {
      for (const layer of missing) {
        const frame = Math.min(this.frame, layer.frames - 1);
        const data = await api.pixels(layer, frame, (f) => {
          const share = (before + f * layer.rows * layer.cols) / whole;
          $("loading-bar").style.width = `${100 * share}%`;
          $("loading-text").textContent = `${layer.title}: ${layer.cols} × ${layer.rows} px`;
        });
        before += layer.rows * layer.cols;
        this.pictures.set(layer.role, new Picture(layer, data));
      }
    } catch (problem) {
      this.say(problem.message, true);
    } finally {
      $("loading").hidden = true;
    }
  }

  async setFrame(frame) {
    this.frame = frame;
    this.pictures.clear();
    this.stage.renderer.keepOnly(new Set());
    await this.choose(this.study);
  }

  async open(files, role = "open") {
    await this.loaded.catch(() => {});
    for (const file of files) {
      const path = role === "open" || !this.study ? "api/studies" : `api/studies/${this.study.id}/layers/${role}`;
      if (file.size > this.state.max_upload_bytes) {
        this.say(`${file.name} has ${(file.size / 2 ** 20).toFixed(0)} MiB; ${(this.state.max_upload_bytes / 2 ** 20).toFixed(0)} MiB are allowed`, true);
        continue;
      }
      $("loading").hidden = false;
      try {
        const answer = await api.upload(path, file, (f) => {
          $("loading-bar").style.width = `${100 * f}%`;
          $("loading-text").textContent = f < 1 ? `sending ${file.name}` : `reading ${file.name}`;
        });
        await this.look();
        this.dock.showStudies();
        await this.choose(this.state.studies.find((s) => s.id === answer.id));
      } catch (problem) {
        this.say(problem.message, true);
      } finally {
        $("loading").hidden = true;
      }
    }
  }

  say(text, bad = false) {
    const notice = $("notice");
    notice.textContent = worded(text);
    notice.classList.toggle("error", bad);
    notice.setAttribute("role", bad ? "alert" : "status");
    notice.hidden = false;
    clearTimeout(this._silence);
    this._silence = setTimeout(() => (notice.hidden = true), bad ? 9000 : 4000);
  }

  async closeStudy() {
    if (!this.study) return;
    await this.inspection.send().catch((problem) => this.say(problem.message, true));
    await api.call("DELETE", `api/studies/${this.study.id}`).catch((problem) => this.say(problem.message, true));
  }
}
