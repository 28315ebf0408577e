// The dock: window, layers, profile, regions, detectors, restoration and file, each shown from the desk's state.

import * as api from "./api.js";
import { cnr, edgeWidth } from "./pixels.js";
import { histogramPlot, plot, short } from "./plots.js";
import { node } from "./stage.js";

const $ = (id) => document.getElementById(id);
const IMAGE_NAMES = { original: "Original", restored: "Restored", reference: "Reference" };

export class Dock {
  constructor(desk, overlays) {
    this.desk = desk;
    this.overlays = overlays;
    this.curves = null;
    this._wire();
  }

  showAll() {
    this.showStudies();
    this.showWindow();
    this.showImages();
    this.showLayers();
    this.showProfile();
    this.showRegions();
    this.drawCurves();
    this.showResult();
    this.showFile();
    this.showStatus();
    this.showZoom();
  }

  _wire() {
    const desk = this.desk, number = (id) => (($(id).value === "" ? NaN : Number($(id).value)));
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
    for (const key of ["x0", "y0", "x1", "y1", "width"]) {
      $(`p-${key}`).onchange = () => {
        const v = number(`p-${key}`);
        if (Number.isFinite(v)) desk.setProfile({ [key]: key === "width" ? Math.min(101, Math.max(1, Math.round(v))) : v });
      };
    }
    for (const [name, mark] of [["signal", "s"], ["background", "b"]]) {
      for (const key of ["x", "y", "w", "h"]) {
        $(`${mark}-${key}`).onchange = () => {
          const r = ["x", "y", "w", "h"].map((k) => Math.round(number(`${mark}-${k}`)));
          if (r.every(Number.isFinite) && r[2] > 0 && r[3] > 0) desk.setRegion(name, r);
        };
      }
    }
    $("srb").onchange = () => this.showRegions();
    $("profile-clear").onclick = () => desk.setProfile(null);
    $("roi-clear").onclick = () => {
      desk.regions = { signal: null, background: null };
      desk.setRegion("background", null);
    };
    $("profile-csv").onclick = () => api.save(new Blob([this._profileCsv()], { type: "text/csv" }), "profile.csv");
    $("roi-csv").onclick = () => api.save(new Blob([this._regionCsv()], { type: "text/csv" }), "regions.csv");
    $("restore").onclick = () => this._askRestore();
    $("restore-form").onsubmit = (event) => {
      event.preventDefault();
      if (event.submitter?.value === "go") this._startRestore();
      else $("restore-dialog").close();
    };
    $("task-cancel").onclick = () => this.task && api.call("DELETE", `/api/tasks/${this.task.id}`).catch((p) => desk.say(p.message, true));
    for (const details of document.querySelectorAll("#dock > details")) details.addEventListener("toggle", () => details.open && this.showAll());
  }

  unit() {
    return this.desk.base()?.meta.unit === "DN" ? "DN" : "× open beam";
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
      box.replaceChildren();
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
      const text = unit === "DN" ? `${v} DN` : unit === "open beam" ? `${(100 * v).toFixed(3)} % of open beam` : `${v.toFixed(2)} ${unit}`;
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
    $("window-unit").textContent = this.unit();
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
    $("legend").className = `legend ${this.overlays[role].map}`;
    $("overlay-help").textContent = this.overlays[role].help;
  }

  // ---- profile ----

  _profiles() {
    const { desk } = this;
    return desk.available().map((role) => {
      const picture = desk.picture(role), found = picture.profile(desk.profile, desk.scaleOf(picture));
      const gain = desk.base().meta.open_beam / picture.meta.open_beam;
      return { role, ...found, values: gain === 1 ? found.values : found.values.map((v) => v * gain) };
    });
  }

  showProfile() {
    const { desk } = this, on = Boolean(desk.profile && desk.base());
    $("profile-body").hidden = !on;
    $("profile-plot").toggleAttribute("hidden", !on);
    $("profile-hint").hidden = on;
    if (!on) return;
    for (const key of ["x0", "y0", "x1", "y1", "width"]) if (document.activeElement !== $(`p-${key}`)) $(`p-${key}`).value = desk.profile[key];
    const pitch = desk.pitch(), per = pitch || 1, unit = pitch ? "mm" : "px", found = this._profiles();
    const { length, step } = found[0];
    $("p-length").textContent = pitch ? `${(length * pitch).toFixed(3)} mm (${length.toFixed(1)} px)` : `${length.toFixed(1)} px`;
    const x = Float64Array.from(found[0].values, (_, i) => i * step * per);
    plot($("profile-plot"), {
      series: found.map((f) => ({ x, y: f.values, name: f.role })),
      xLabel: `distance, ${unit}`,
      yLabel: this.unit(),
      onHover: (share) => {
        desk.cursorShare = share;
        desk.stage.redraw();
      },
    });
    const rows = [["Mean", (f) => mean(f.values)], ["Minimum", (f) => Math.min(...f.values)], ["Maximum", (f) => Math.max(...f.values)], [`10–90 % edge, ${pitch ? "µm" : "px"}`, (f) => edgeWidth(f.values) * step * (pitch ? pitch * 1000 : 1)]];
    fill($("profile-table"), found.map((f) => f.role), rows.map(([name, of]) => [name, found.map(of), name.startsWith("10") ? 4 : 6]), this.unit());
  }

  _profileCsv() {
    const { desk } = this, found = this._profiles(), pitch = desk.pitch();
    const head = `distance_${pitch ? "mm" : "px"},${found.map((f) => f.role).join(",")}`;
    const lines = [...found[0].values].map((_, i) => [(i * found[0].step * (pitch || 1)).toFixed(6), ...found.map((f) => f.values[i])].join(","));
    return `${head}\n${lines.join("\n")}\n`;
  }

  // ---- regions ----

  _regionNumbers() {
    const { desk } = this, { signal, background } = desk.regions, srb = Number($("srb").value);
    return desk.available().map((role) => {
      const picture = desk.picture(role), k = desk.scaleOf(picture), scaled = (r) => (k === 1 ? r : r.map((v) => Math.round(v * k)));
      const s = signal && picture.region(scaled(signal)), b = background && picture.region(scaled(background));
      return { role, s, b, cnr: s && b ? cnr(s, b) : NaN, snrN: s && srb > 0 ? (s.snr * 88.6) / srb : NaN, open: picture.meta.open_beam };
    });
  }

  _regionRows(found) {
    const rows = [];
    if (found[0]?.s) rows.push(["Mean", (f) => f.s.mean, 7], ["SD", (f) => f.s.sd, 5], ["% of open beam", (f) => (100 * f.s.mean) / f.open, 5], ["SNR", (f) => f.s.snr, 5], ["SNR_N", (f) => f.snrN, 5]);
    if (found[0]?.b) rows.push(["Background mean", (f) => f.b.mean, 7], ["Background SD", (f) => f.b.sd, 5]);
    if (found[0]?.s && found[0]?.b) rows.push(["CNR", (f) => f.cnr, 5]);
    return rows;
  }

  showRegions() {
    const { desk } = this, { signal, background } = desk.regions, on = Boolean((signal || background) && desk.base());
    $("roi-body").hidden = !on;
    $("roi-hint").hidden = on;
    if (desk.base()) this.showWindow();
    for (const [rectangle, mark] of [[signal, "s"], [background, "b"]]) {
      ["x", "y", "w", "h"].forEach((k, i) => {
        if (document.activeElement !== $(`${mark}-${k}`)) $(`${mark}-${k}`).value = rectangle ? rectangle[i] : "";
      });
    }
    if (!on) return;
    const found = this._regionNumbers(), pitch = desk.pitch();
    fill($("roi-table"), found.map((f) => f.role), this._regionRows(found).map(([name, of, digits]) => [name, found.map(of), digits]), this.unit());
    const notes = [];
    for (const [name, r] of [["Signal", signal], ["Background", background]]) {
      if (!r) continue;
      const size = pitch ? `${(r[2] * pitch).toFixed(3)} × ${(r[3] * pitch).toFixed(3)} mm, ` : "";
      notes.push(`${name}: ${size}${r[2]} × ${r[3]} px.`);
      if (r[2] < 20 || r[3] < 20) notes.push("Under 20 × 20 px the deviation is uncertain.");
    }
    if (desk.available().includes("restored")) notes.push("On a restored image SNR and CNR describe detector and network together: take compliance values on the original.");
    $("roi-note").textContent = notes.join(" ");
  }

  _regionCsv() {
    const found = this._regionNumbers(), { signal, background } = this.desk.regions;
    const lines = this._regionRows(found).map(([name, of]) => [name, ...found.map(of)].join(","));
    const where = [["signal", signal], ["background", background]].filter(([, r]) => r).map(([name, r]) => `# ${name}_xywh_px,${r.join(",")}`);
    return `${where.join("\n")}\nquantity,${found.map((f) => f.role).join(",")}\n${lines.join("\n")}\n`;
  }

  // ---- detectors ----

  async showCurves() {
    const { desk } = this, study = desk.study;
    this.curves = null;
    $("mtf-note").textContent = study ? "measuring the noise…" : "";
    this.drawCurves();
    if (!study) return;
    try {
      const used = study.result?.settings;
      const asked = used && desk.choices.detectors.includes(used.blurred) && desk.choices.detectors.includes(used.sharp) ? { blurred: used.blurred, sharp: used.sharp } : {};
      const method = desk.choices.method;
      const found = await api.call("POST", `/api/studies/${study.id}/curves`, { method, ...asked });
      if (desk.study?.id !== study.id) return;
      if (found.unavailable) {
        $("mtf-note").textContent = found.unavailable;
        return;
      }
      this.curves = found;
    } catch (problem) {
      $("mtf-note").textContent = problem.message;
      return;
    }
    this.drawCurves();
  }

  drawCurves() {
    const found = this.curves;
    $("mtf-plot").toggleAttribute("hidden", !found);
    $("mtf-legend").replaceChildren();
    if (!found) return;
    const x = found.frequency_lp_mm, from = found.prior_from_lp_mm;
    const named = [["blurred", `MTF ${found.names.blurred}`], ["sharp", `MTF ${found.names.sharp}`], ["ratio", "ratio H"], ["support", "supported by data"]];
    plot($("mtf-plot"), {
      series: named.map(([name]) => ({ x, y: found[name], name })),
      bands: from === null ? [] : [{ from, to: x[x.length - 1], name: "prior" }],
      xLabel: "spatial frequency, lp/mm",
      yLabel: "share",
      yRange: [0, 1.02],
    });
    $("mtf-legend").replaceChildren(...named.map(([name, text]) => {
      const item = document.createElement("span"), line = node("svg", { viewBox: "0 0 22 10" });
      line.append(node("line", { x1: 0, x2: 22, y1: 5, y2: 5, class: `series ${name}` }));
      item.append(line, text);
      return item;
    }));
    const noise = `Noise ${(100 * found.noise_relative_sd).toFixed(2)} % of the open beam (${found.noise}), mean signal ${(100 * found.mean_signal).toFixed(1)} %.`;
    $("mtf-note").textContent = from === null
      ? `The data support more than half of the expected content up to Nyquist, ${short(found.nyquist_lp_mm)} lp/mm. ${noise}`
      : `Shaded, from ${from.toFixed(2)} lp/mm on: less than half of the expected content is supported by the data, the rest is prior. ${noise}`;
    $("mtf-note").dataset.priorFrom = String(from);
  }

  // ---- restoration ----

  async _askRestore() {
    const { desk } = this, choices = desk.choices;
    if (!desk.study?.restorable || !choices) return;
    const options = (id, names, chosen) => $(id).replaceChildren(...names.map((n) => new Option(n, n, false, n === chosen)));
    if (!$("r-method").options.length) {
      options("r-method", choices.methods.map((m) => m.name), choices.method);
      options("r-blurred", choices.detectors, choices.blurred);
      options("r-sharp", choices.detectors, choices.sharp);
      for (const [id, key] of [["r-exposure", "exposure_s"], ["r-open-beam", "open_beam"], ["r-pitch", "pitch_um"]]) if (choices[key]) $(id).value = choices[key];
      const steps = () => ($("r-steps").disabled = !choices.methods.find((m) => m.name === $("r-method").value)?.steps);
      $("r-method").onchange = steps;
      steps();
    }
    $("restore-name").textContent = desk.study.name;
    $("restore-error").hidden = true;
    $("restore-dialog").showModal();
  }

  async _startRestore() {
    const { desk } = this, body = { method: $("r-method").value, blurred: $("r-blurred").value, sharp: $("r-sharp").value };
    for (const [id, key] of [["r-steps", "steps"], ["r-exposure", "exposure_s"], ["r-open-beam", "open_beam"], ["r-pitch", "pitch_um"]]) {
      if ($(id).value !== "" && !$(id).disabled) body[key] = Number($(id).value);
    }
    try {
      this.showTask(await api.call("POST", `/api/studies/${desk.study.id}/restore`, body));
      $("restore-dialog").close();
    } catch (problem) {
      $("restore-error").textContent = problem.message;
      $("restore-error").hidden = false;
    }
  }

  showTask(task) {
    const { desk } = this, known = this.task;
    if (known && known.id !== task.id && !["done", "failed", "cancelled"].includes(known.state) && task.state === "queued") return;
    const over = ["done", "failed", "cancelled"].includes(task.state);
    if (over && known?.id !== task.id) return;
    this.task = task;
    $("task").hidden = over;
    $("task-title").textContent = task.name;
    $("task-note").textContent = `${task.method}: ${task.note}`;
    if (task.state === "running" && task.fraction > 0.02) $("task-bar").value = task.fraction;
    else $("task-bar").removeAttribute("value");
    $("task-eta").textContent = task.eta_s === null ? "" : `about ${task.eta_s < 90 ? `${Math.ceil(task.eta_s)} s` : `${Math.ceil(task.eta_s / 60)} min`} to go`;
    if (!over) return;
    this.task = null;
    if (task.state === "failed") desk.say(task.error, true);
    if (task.state === "cancelled") desk.say("Cancelled; nothing was changed.");
    if (task.state === "done") {
      desk.say(`Restored in ${task.seconds.toFixed(1)} s.`);
      this.showCurves();
    }
  }

  showResult() {
    const { desk } = this, result = desk.study?.result, there = desk.study?.downloads || [];
    $("result-body").hidden = !result;
    $("result-hint").hidden = Boolean(result);
    const warnings = [...new Set([...(desk.study?.warnings || []), ...(result?.warnings || [])])];
    $("warnings").replaceChildren(...warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    if (!result) return;
    const c = result.consistency || {}, facts = [
      ["Method", `${result.method}${result.steps ? `, ${result.steps} network evaluation${result.steps > 1 ? "s" : ""}` : ""}`],
      ["Detectors", `${result.settings.blurred} → ${result.settings.sharp}`],
      ["Noise", `${(100 * result.settings.noise_relative_sd).toFixed(2)} % of open beam (${result.settings.noise})`],
      ["Time", `${result.seconds.toFixed(1)} s`],
      ["Clipped pixels", String(result.clipped_pixels)],
    ];
    if (result.settings.model) facts.splice(1, 0, ["Model", `${result.settings.model} (${result.settings.model_sha256.slice(0, 12)}…)`]);
    this._showVerdict(c);
    const share = (v) => `${+(100 * v).toPrecision(3)} %`;
    if (Number.isFinite(c.residual_over_noise)) facts.push(["Residual over noise", c.residual_over_noise.toFixed(3)]);
    if (Number.isFinite(c.marked_share)) facts.push(["Marked area", share(c.marked_share)]);
    if (Number.isFinite(c.verifiable_to_lp_mm)) facts.push(["Verifiable up to", `${c.verifiable_to_lp_mm.toFixed(2)} lp/mm`]);
    if (Number.isFinite(c.prior_share)) facts.push(["Prior part", `${share(c.prior_share)} of the contrast energy`]);
    if (Number.isFinite(c.mean_shift)) facts.push(["Mean shift", `${+(100 * c.mean_shift).toPrecision(2)} % of open beam`]);
    facts.push(["SHA-256 out", result.sha256_out]);
    list($("result-facts"), facts);
    const names = { image: "Restored image", provenance: "Provenance layers", record: "Record (JSON)", report: "Report (HTML)", report_pdf: "Report (PDF)" };
    $("downloads").replaceChildren(...there.map((kind) => {
      const button = document.createElement("button"), icon = node("svg", {});
      icon.append(node("use", { href: "#i-save" }));
      button.append(icon, Object.assign(document.createElement("span"), { textContent: names[kind] || kind }));
      button.dataset.download = kind;
      button.onclick = () => api.download(`/api/studies/${desk.study.id}/download/${kind}`).catch((p) => desk.say(p.message, true));
      return button;
    }));
  }

  _showVerdict(c) {
    const { desk } = this, verdict = $("verdict"), places = c.places || [];
    verdict.hidden = $("statement").hidden = typeof c.verdict !== "string";
    verdict.textContent = c.verdict ? c.verdict[0].toUpperCase() + c.verdict.slice(1) : "";
    verdict.className = `verdict ${/contradicted/.test(c.verdict) ? "contradicted" : c.verdict === "consistent" ? "" : "untestable"}`;
    $("statement").textContent = c.statement || "";
    $("places").replaceChildren(...places.slice(0, 8).map((place, i) => {
      const button = document.createElement("button");
      button.textContent = `Place ${i + 1}`;
      button.title = `measurement ${place.measurement}, ${place.width_mm} × ${place.height_mm} mm at (${place.x_mm}, ${place.y_mm}) mm, p ${place.chance}`;
      button.onclick = async () => {
        if (desk.overlayRole !== "certificate") await desk.setOverlay("certificate");
        desk.stage.goTo(place.x_px, place.y_px, place.width_px, place.height_px);
      };
      return button;
    }));
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

const mean = (values) => values.reduce((s, v) => s + v, 0) / values.length;

function list(box, pairs) {
  box.replaceChildren(...pairs.flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

// Table of quantities by image; every cell carries its full value for whoever reads by machine.
function fill(table, roles, rows, unit) {
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  head.append(Object.assign(document.createElement("th"), { textContent: unit }));
  head.firstChild.style.textAlign = "left";
  for (const role of roles) head.append(Object.assign(document.createElement("th"), { textContent: IMAGE_NAMES[role], className: role }));
  const body = table.createTBody();
  for (const [name, values, digits] of rows) {
    if (values.every(Number.isNaN)) continue;
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: name, scope: "row" }));
    values.forEach((v, i) => {
      const cell = row.insertCell();
      cell.textContent = Number.isFinite(v) ? String(+v.toPrecision(digits)) : "";
      cell.dataset.role = roles[i];
      cell.dataset.quantity = name;
      cell.dataset.value = String(v);
    });
  }
}
