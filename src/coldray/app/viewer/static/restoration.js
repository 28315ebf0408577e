// Detectors, the restoration and what came of it.

import * as api from "./api.js";
import { $, list, worded } from "./panel.js";
import { plot, short } from "./plots.js";
import { node } from "./stage.js";

const ANSWERS = {
  gain: { calibrated: "calibrated: least error", detail: "detail: faint indications stay", paper: "paper: K = 1", network: "network alone: K = 0" },
  even: { linear: "linear filter: faint details stay", network: "network" },
  contradiction: { correct: "corrected, or the linear filter", linear: "linear filter stands in", keep: "keep the network's result", refuse: "refuse the image" },
};

// Fields of the dialog with the settings they state, and what an empty one means.
const FIELDS = [
  ["r-method", "method"], ["r-blurred", "blurred"], ["r-sharp", "sharp"], ["r-model", "model"], ["r-gain", "gain"], ["r-even", "even"],
  ["r-contradiction", "on_contradiction"], ["r-steps", "steps", "the method's own"], ["r-exposure", "exposure_s", "noise estimated from image"],
  ["r-open-beam", "open_beam", "from the file"], ["r-pitch", "pitch_um", "from the file"],
];

export class Restoration {
  constructor(desk) {
    this.desk = desk;
    this.curves = null;
    this.measured = Promise.resolve();
    this.task = null;
    $("restore").onclick = () => this._askRestore();
    $("restore-form").onsubmit = (event) => {
      event.preventDefault();
      if (event.submitter?.value === "go") this._startRestore();
      else $("restore-dialog").close();
    };
    this.flats = [];
    $("r-flats").onclick = () => $("flat-input").click();
    $("flat-input").onchange = (event) => {
      const files = [...event.target.files];
      event.target.value = "";
      this._addFlats(files);
    };
    $("r-flats-clear").onclick = () => {
      for (const { id } of this.flats.splice(0)) api.call("DELETE", `api/flats/${id}`).catch((p) => desk.say(p.message, true));
      this._showFlats();
    };
    $("compared-forget").onclick = () => api.call("DELETE", `api/studies/${desk.study.id}/layers/compared`).catch((p) => desk.say(p.message, true));
    $("task-cancel").onclick = () => this.task && api.call("DELETE", `api/tasks/${this.task.id}`).catch((p) => desk.say(p.message, true));
  }

  // ---- detectors ----

  showCurves() {
    this.measured = this._measure();
    return this.measured;
  }

  // Variance of a pixel's noise, dark and at the open beam: as the restoration found it, else as it is measured here.
  async noiseVariance() {
    await this.measured;
    if (!this.curves) return null;
    const { dark, open_beam: open } = this.curves.noise_variance, sd = this.desk.study?.result?.settings?.noise_relative_sd;
    const gain = Number.isFinite(sd) ? sd ** 2 / open : 1;
    return { dark: dark * gain, open_beam: open * gain };
  }

  async _measure() {
    const { desk } = this, study = desk.study;
    this.curves = null;
    $("mtf-note").textContent = study ? "measuring the noise…" : "";
    this.drawCurves();
    if (!study) return;
    try {
      const used = study.result?.settings;
      const asked = used && desk.choices.detectors.includes(used.blurred) && desk.choices.detectors.includes(used.sharp) ? { blurred: used.blurred, sharp: used.sharp } : {};
      const asking = !used && study.rule?.name ? { rule: study.rule.name } : { method: desk.choices.method, ...asked };
      const found = await api.call("POST", `api/studies/${study.id}/curves`, asking);
      if (desk.study?.id !== study.id) return;
      if (found.unavailable) {
        $("mtf-note").textContent = worded(found.unavailable);
        return;
      }
      this.curves = found;
    } catch (problem) {
      $("mtf-note").textContent = worded(problem.message);
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
    if (!$("r-method").options.length) this._offer(choices);
    if (choices.profile && this.askedOf !== desk.study.id) {
      const { name, refused } = desk.study.rule;
      this.askedOf = desk.study.id;
      $("r-rule").value = name;
      $("r-refused").textContent = refused;
      $("r-refused").hidden = !refused;
      this._fill(choices.profile.rules[name] || choices);
    }
    $("restore-name").textContent = desk.study.name;
    $("restore-error").hidden = true;
    $("restore-dialog").showModal();
  }

  _offer(choices) {
    const options = (id, names, words = {}) => $(id).replaceChildren(...names.map((n) => new Option(words[n] || n, n)));
    options("r-method", choices.methods.map((m) => m.name));
    options("r-blurred", choices.detectors);
    options("r-sharp", choices.detectors);
    options("r-model", choices.models);
    for (const [id, key] of [["gain", "gain"], ["even", "even"], ["contradiction", "on_contradiction"]]) options(`r-${id}`, choices.words[key], ANSWERS[id]);
    $("r-method").onchange = () => this._fit();
    $("r-profile").hidden = !choices.profile;
    if (choices.profile) {
      $("r-profile-name").textContent = `Profile ${choices.profile.name}`;
      $("r-rule").replaceChildren(...Object.keys(choices.profile.rules).map((n) => new Option(n, n)), new Option("none: settings of your own", ""));
      $("r-rule").onchange = () => this._fill(choices.profile.rules[$("r-rule").value] || choices);
    }
    this._fill(choices);
  }

  // What a method does not have cannot be chosen for it.
  _fit() {
    const method = this.desk.choices.methods.find((m) => m.name === $("r-method").value);
    $("r-steps").disabled = !method?.steps;
    $("r-gain").disabled = !method?.corrects;
    for (const id of ["r-model", "r-even", "r-contradiction"]) $(id).disabled = !method?.learns;
  }

  _fill(settings) {
    for (const [id, key] of FIELDS) $(id).value = settings[key] ?? "";
    for (const [id, , empty] of FIELDS) if (empty) $(id).placeholder = $("r-rule").value ? "as the rule says" : empty;
    this._fit();
  }

  async _startRestore() {
    const { desk } = this, body = { method: $("r-method").value, blurred: $("r-blurred").value, sharp: $("r-sharp").value };
    for (const [id, key] of [["r-model", "model"], ["r-gain", "gain"], ["r-even", "even"], ["r-contradiction", "on_contradiction"]]) {
      if (!$(id).disabled) body[key] = $(id).value;
    }
    if ($("r-rule").value) body.rule = $("r-rule").value;
    body.flats = this.flats.map((f) => f.id);
    for (const [id, key] of [["r-steps", "steps"], ["r-exposure", "exposure_s"], ["r-open-beam", "open_beam"], ["r-pitch", "pitch_um"]]) {
      if ($(id).value !== "" && !$(id).disabled) body[key] = Number($(id).value);
    }
    try {
      this.showTask(await api.call("POST", `api/studies/${desk.study.id}/restore`, body));
      $("restore-dialog").close();
    } catch (problem) {
      $("restore-error").textContent = worded(problem.message);
      $("restore-error").hidden = false;
    }
  }

  async _addFlats(files) {
    $("restore-error").hidden = true;
    try {
      for (const file of files) this.flats.push({ name: file.name, ...(await api.upload("api/flats", file, () => {})) });
    } catch (problem) {
      $("restore-error").textContent = worded(problem.message);
      $("restore-error").hidden = false;
    }
    this._showFlats();
  }

  _showFlats() {
    $("r-flats-names").textContent = this.flats.map((f) => f.name).join(", ") || "none: noise from exposure or image";
    $("r-flats-clear").hidden = !this.flats.length;
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
    $("warnings").replaceChildren(...warnings.map((text) => Object.assign(document.createElement("li"), { textContent: worded(text) })));
    if (!result) return;
    const c = result.consistency || {}, share = (v) => `${+(100 * v).toPrecision(3)} %`, used = result.settings, facts = [
      ["Method", `${result.method}${result.steps ? `, ${result.steps} network evaluation${result.steps > 1 ? "s" : ""}` : ""}`],
      ["Detectors", `${used.blurred} → ${used.sharp}`],
    ];
    if (used.model) facts.splice(1, 0, ["Model", `${used.model} (${String(used.model_sha256).slice(0, 12)}…)`]);
    if (Number.isFinite(used.noise_relative_sd)) facts.push(["Noise", `${(100 * used.noise_relative_sd).toFixed(2)} % of open beam (${used.noise})`]);
    if (Number.isFinite(result.seconds)) facts.push(["Time", `${result.seconds.toFixed(1)} s`]);
    if (Number.isFinite(result.clipped_pixels)) facts.push(["Clipped pixels", String(result.clipped_pixels)]);
    const h = result.hits;
    if (h) facts.push(["Replaced pixels", `${h.bright} direct hits, ${h.dark} dead, ${h.masked} masked`]);
    if (Number.isFinite(c.linear_share)) facts.push(["Linear filter alone", `${share(c.linear_share)} of the image: no network enters there`]);
    if (c.network) {
      const { marked_share: marked, replaced_share: replaced = 0, corrected_share: corrected } = c.network;
      const kept = used.on_contradiction === "keep" && !replaced ? "; kept" : "";
      facts.push(["Weight of the network", share(c.network.share)]);
      facts.push(["Network alone", `${c.network.verdict}${marked ? ` (${share(marked)} of the image)${kept}` : ""}`]);
      if (Number.isFinite(corrected)) facts.push(["Corrected by the measurement", `${share(corrected)} of the image`]);
      facts.push(["Replaced by the linear filter", `${share(replaced)} of the image`]);
    }
    this._showVerdict(c);
    this._showCompared(desk.study.compared, used);
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
      button.onclick = () => api.download(`api/studies/${desk.study.id}/download/${kind}`).catch((p) => desk.say(p.message, true));
      return button;
    }));
  }

  // What was done otherwise to the restored image before.
  _showCompared(compared, used) {
    const there = this.desk.study.layers.some((l) => l.role === "compared");
    $("compared").hidden = !there;
    if (!there) return;
    const before = compared?.settings || {}, text = (v) => (v === undefined || v === null ? "–" : typeof v === "object" ? JSON.stringify(v) : String(v));
    const own = [...new Set([...Object.keys(before), ...Object.keys(used)])].filter((key) => !/sha256|consistency|^hits$/.test(key));
    const other = own.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(used[key]));
    const verdict = compared?.consistency?.verdict;
    const facts = other.slice(0, 12).map((key) => [key.replaceAll("_", " "), `${text(before[key])} → ${text(used[key])}`]);
    list($("compared-facts"), [["Verdict", `${verdict || "not known"} → ${this.desk.study.result.consistency?.verdict || "not known"}`], ...facts]);
  }

  _showVerdict(c) {
    const { desk } = this, verdict = $("verdict"), places = c.places || [];
    verdict.hidden = $("statement").hidden = typeof c.verdict !== "string";
    verdict.textContent = c.verdict ? c.verdict[0].toUpperCase() + c.verdict.slice(1) : "";
    verdict.className = `verdict ${/contradicted/.test(c.verdict) ? "contradicted" : c.verdict === "consistent" ? "" : "untestable"}`;
    const sentences = worded(c.statement || "").split(/(?<=\.) (?=[A-Z])/);
    $("statement").textContent = sentences.slice(0, 2).join(" ");
    $("limits").hidden = sentences.length < 3;
    $("limits-text").textContent = sentences.slice(2).join(" ");
    $("no-verdict").hidden = typeof c.verdict === "string";
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
}
