// MTF of the edge in the signal region, measured by the library for every image, with its k = 2 band.

import * as api from "./api.js";
import { $, IMAGE_NAMES, fill } from "./panel.js";
import { plot } from "./plots.js";

export class Edge {
  constructor(desk) {
    this.desk = desk;
    this.found = null; // by image, and what it was measured on
    $("edge-measure").onclick = () => this._measure();
  }

  // What a result belongs to: it goes when the region or an image changes.
  get _place() {
    const { desk } = this;
    return JSON.stringify([desk.regions.signal, desk.frame, desk.available().map((role) => desk.picture(role).meta.id)]);
  }

  async _measure() {
    const { desk } = this, { study, frame } = desk, { signal } = desk.regions, place = this._place, images = {};
    $("edge-measure").disabled = true;
    $("edge-note").textContent = "measuring…";
    try {
      for (const role of desk.available()) {
        const k = desk.scaleOf(desk.picture(role)), frames = desk.picture(role).meta.frames, region = signal.map((v) => Math.max(0, Math.round(v * k)));
        images[role] = await api.call("POST", `api/studies/${study.id}/edge`, { role, region, frame: Math.min(frame, frames - 1) });
      }
      this.found = { place, images };
    } catch (problem) {
      this.found = null;
      desk.say(problem.message, true);
    }
    $("edge-measure").disabled = false;
    this.show();
  }

  show() {
    const there = this.found?.place === this._place, images = there ? this.found.images : {}, roles = Object.keys(images);
    $("edge-measure").hidden = !this.desk.regions.signal;
    $("edge-body").hidden = !there;
    if (!$("edge-measure").disabled) $("edge-note").textContent = "";
    if (!there) return;
    plot($("edge-plot"), {
      series: roles.map((role) => ({ x: images[role].frequency_lp_mm, y: images[role].mtf, name: role })),
      areas: roles.map((role) => ({ x: images[role].frequency_lp_mm, low: images[role].mtf_low, high: images[role].mtf_high, name: role })),
      xLabel: "spatial frequency, lp/mm",
      yLabel: "MTF",
    });
    const of = (key) => roles.map((role) => images[role][key] ?? NaN);
    fill($("edge-table"), roles, [["MTF 50 %", of("mtf50_lp_mm"), 4], ["MTF 20 %", of("mtf20_lp_mm"), 4], ["MTF 10 %", of("mtf10_lp_mm"), 4], ["Angle, °", of("angle_deg"), 4]], "lp/mm");
    $("edge-warnings").replaceChildren(...roles.flatMap((role) => images[role].warnings.map((text) => Object.assign(document.createElement("li"), { textContent: `${IMAGE_NAMES[role]}: ${text}` }))));
    $("edge-saves").replaceChildren(...roles.map((role) => {
      const button = document.createElement("button");
      button.textContent = `${IMAGE_NAMES[role]} (CSV)`;
      button.dataset.edge = role;
      button.onclick = () => api.save(new Blob([images[role].csv], { type: "text/csv" }), `mtf_${role}.csv`);
      return button;
    }));
  }
}
