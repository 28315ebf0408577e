// The dock: window, layers and file; measures and restoration have modules of their own. All is shown from the desk's state.

import { Measures } from "./measures.js";
import { $, IMAGE_NAMES, list, number, unitOf } from "./panel.js";
import { histogramPlot, short } from "./plots.js";
import { OwnPresets } from "./presets.js";
import { Restoration } from "./restoration.js";

export class Dock {
  constructor(desk, overlays) {
    this.desk = desk;
    this.overlays = overlays;
    this.measures = new Measures(desk);
    this.restoration = new Restoration(desk);
    this.presets = new OwnPresets(desk);
    this._wire();
  }

  showAll() {
    this.showStudies();
    this.showWindow();
    this.presets.show();
    this.showImages();
    this.showLayers();
    this.measures.showProfile();
    this.measures.showRegions();
    this.desk.inspection.show();
    this.restoration.drawCurves();
    this.restoration.showResult();
    this.showFile();
    this.showStatus();
    this.showZoom();
  }

  _wire() {
    const { desk } = this;
    for (const id of ["low", "high"]) $(id).onchange = () => desk.setWindow(number("low"), number("high"));
    $("invert").onchange = (event) => {
      desk.invert = event.target.checked;
      desk.stage.redraw();
    };
    $("mark-saturated").onchange = (event) => {
      desk.markSaturated = event.target.checked;
      desk.stage.redraw();
    };
    $("opacity").oninput = (event) => {
      desk.opacity = event.target.value / 100;
      desk.stage.redraw();
    };
    $("overlay-scale").onchange = () => {
      const v = number("overlay-scale");
      if (v > 0) desk.scales[desk.overlayRole] = v;
      desk.stage.redraw();
    };
    $("frame").onchange = () => desk.setFrame(Math.max(0, Math.round(number("frame")) - 1));
    for (const details of document.querySelectorAll("#dock > details")) details.addEventListener("toggle", () => details.open && this.showAll());
  }

  // ---- studies and status ----

  showStudies() {
    const { desk } = this, select = $("study");
    select.replaceChildren(...desk.state.studies.map((s) => new Option(s.name, s.id, false, s.id === desk.study?.id)));
    if (!desk.state.studies.length) select.append(new Option("no image open", ""));
    select.disabled = !desk.state.studies.length;
    $("close-study").disabled = !desk.study;
    $("restore").disabled = !desk.study?.restorable;
    document.title = desk.study ? `${desk.study.name} – coldray` : "coldray viewer";
  }

  showStatus() {
    const { desk } = this, at = desk.pointer, base = desk.base(), box = $("values");
    if (!at || !base) {
      $("at").textContent = base ? `${base.cols} × ${base.rows} px` : "";
      box.replaceChildren(Object.assign(document.createElement("span"), { className: "muted", textContent: base ? "Point at a pixel to read it." : "" }));
      return;
    }
    const col = Math.floor(at.x), row = Math.floor(at.y), pitch = desk.pitch();
    const mm = pitch ? `  (${(at.x * pitch).toFixed(3)}, ${(at.y * pitch).toFixed(3)}) mm` : "";
    $("at").textContent = `x ${col}  y ${row}${mm}`;
    const parts = [];
    for (const role of [...desk.available(), ...(desk.overlayRole ? [desk.overlayRole] : [])]) {
      const picture = desk.picture(role);
      if (!picture) continue;
      const scale = desk.scaleOf(picture), v = picture.value(Math.floor((row + 0.5) * scale), Math.floor((col + 0.5) * scale));
      if (Number.isNaN(v)) continue;
      const part = document.createElement("span"), name = document.createElement("b");
      part.className = role;
      part.dataset.value = String(v);
      name.textContent = IMAGE_NAMES[role] || this.overlays[role].name;
      const unit = picture.meta.unit;
      const text = role === "states" ? (v > 0 ? "contradicted" : v < 0 ? "network, consistent" : "linear filter") : unit === "DN" ? `${v} DN` : unit === "open beam" ? `${(100 * v).toFixed(3)} % of open beam` : `${v.toFixed(2)} ${unit}`;
      part.append(name, ` ${text}`);
      if (unit === "DN") part.append(Object.assign(document.createElement("span"), { className: "detail", textContent: ` (${((100 * v) / picture.meta.open_beam).toFixed(2)} % of open beam)` }));
      parts.push(part);
    }
    box.replaceChildren(...parts);
  }

  showZoom() {
    const { desk } = this;
    $("zoom").textContent = desk.base() ? `zoom ${short(100 * desk.stage.view.zoom * desk.stage.ratio)} %` : "";
  }

  // ---- window ----

  showWindow() {
    const { desk } = this, base = desk.base();
    if (!base) return;
    const { low, high } = desk.window, whole = base.meta.unit === "DN", keep = (v) => (whole ? String(Math.round(v)) : String(+v.toPrecision(5)));
    if (document.activeElement !== $("low")) $("low").value = keep(low);
    if (document.activeElement !== $("high")) $("high").value = keep(high);
    $("window-unit").textContent = unitOf(desk);
    $("level-width").textContent = `level ${keep((low + high) / 2)}, width ${keep(high - low)}`;
    $("invert").checked = desk.invert;
    histogramPlot($("histogram"), base.histogram(), this._histogramRange(), desk.window, (a, b) => desk.setWindow(a, b));
    if ($("presets").dataset.study === desk.study.id + Boolean(desk.regions.signal)) return;
    $("presets").dataset.study = desk.study.id + Boolean(desk.regions.signal);
    const range = { low: base.meta.minimum, high: base.meta.maximum }, open = base.meta.open_beam;
    const presets = [
      [desk.regions.signal ? "Auto (region)" : "Auto", () => desk.autoWindow(), "0.5 to 99.5 % of the pixels, or the signal region ± 5 SD"],
      ["Full", () => desk.setWindow(range.low, range.high > range.low ? range.high : range.low + 1), "smallest to largest value"],
      ["Open beam", () => desk.setWindow(0, open), "zero to the open beam"],
      ["Dense", () => desk.setWindow(base.quantile(0.001), Math.max(base.quantile(0.25), base.quantile(0.001) + base.histogram().step)), "the darkest quarter: solder, copper"],
      ["Thin", () => desk.setWindow(base.quantile(0.5), Math.max(base.quantile(0.999), base.quantile(0.5) + base.histogram().step)), "the brightest half: laminate, traces"],
    ];
    if (desk.study.hints.window) presets.push(["File", () => desk.setWindow(...desk.study.hints.window), "the window that the file states"]);
    $("presets").replaceChildren(...presets.map(([name, act, title]) => {
      const button = document.createElement("button");
      button.textContent = name;
      button.title = title;
      button.onclick = act;
      return button;
    }));
  }

  _histogramRange() {
    const base = this.desk.base(), low = Math.min(base.meta.minimum, this.desk.window.low), high = Math.max(base.meta.maximum, this.desk.window.high);
    return { low, high: high > low ? high : low + 1 };
  }

  // ---- layers ----

  showImages() {
    const { desk } = this;
    $("images").replaceChildren(...desk.available().map((role) => {
      const button = document.createElement("button"), swatch = document.createElement("span");
      swatch.className = `swatch ${role}`;
      button.append(swatch, IMAGE_NAMES[role]);
      button.dataset.role = role;
      button.setAttribute("aria-pressed", String(desk.shown().includes(role)));
      button.onclick = () => {
        if (desk.mode === "single") desk.single = role;
        else if (desk.hidden.has(role)) desk.hidden.delete(role);
        else if (desk.shown().length > 1) desk.hidden.add(role);
        this.showImages();
        desk.stage.redraw();
      };
      return button;
    }));
    const frames = desk.study?.layers.find((l) => l.role === "original")?.frames || 1;
    $("frame-row").hidden = frames < 2;
    $("frame").max = frames;
    $("frame-count").textContent = `of ${frames}`;
  }

  showLayers() {
    const { desk } = this, there = desk.overlaysThere();
    $("overlays").replaceChildren(...there.map((role) => {
      const button = document.createElement("button");
      button.textContent = this.overlays[role].name;
      button.dataset.overlay = role;
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", String(desk.overlayRole === role));
      button.onclick = () => desk.setOverlay(role);
      return button;
    }));
    $("overlay-title").hidden = !there.length;
    const role = desk.overlayRole, picture = role && desk.picture(role);
    $("overlay-row").hidden = !picture;
    if (!picture) return;
    $("overlay-scale").value = desk.scales[role];
    $("overlay-unit").textContent = picture.meta.unit === "open beam" ? "× open beam" : picture.meta.unit;
    const { shares } = picture;
    $("shares").hidden = !shares;
    $("legend").hidden = Boolean(shares);
    document.querySelector("#overlay-scale").closest("label").hidden = Boolean(shares);
    const states = { linear: "Linear filter", network: "Network, consistent", contradicted: "Contradicted" };
    list($("shares"), Object.entries(shares || {}).map(([name, v]) => [states[name], `${+(100 * v).toPrecision(3)} %`]));
    $("legend").className = `legend ${this.overlays[role].map}`;
    $("overlay-help").textContent = this.overlays[role].help;
  }

  // ---- file ----

  showFile() {
    const { study } = this.desk;
    list($("facts"), (study?.facts || []).map((f) => [f.name, f.value]));
    $("history").replaceChildren(...(study?.history || []).map((step) => {
      const item = document.createElement("li"), details = document.createElement("pre");
      details.textContent = Object.entries(step.details).map(([k, v]) => `${k}: ${typeof v === "string" ? v : JSON.stringify(v)}`).join("\n");
      item.append(step.verb, details);
      return item;
    }));
  }
}
