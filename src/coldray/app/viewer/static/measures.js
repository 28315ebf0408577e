// Line profile and regions: numbers at full resolution, in millimetres where the pitch is known.

import * as api from "./api.js";
import { Edge } from "./edge.js";
import { established, said } from "./interval.js";
import { $, fill, number, unitOf } from "./panel.js";
import { cnr, edgeWidth } from "./pixels.js";
import { plot } from "./plots.js";

const mean = (values) => values.reduce((s, v) => s + v, 0) / values.length;

export class Measures {
  constructor(desk) {
    this.desk = desk;
    this.edge = new Edge(desk);
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
    $("srb").oninput = () => this.showRegions();
    $("profile-clear").onclick = () => desk.setProfile(null);
    $("roi-clear").onclick = () => {
      desk.regions = { signal: null, background: null };
      desk.setRegion("background", null);
    };
    $("profile-csv").onclick = () => api.save(new Blob([this._profileCsv()], { type: "text/csv" }), "profile.csv");
    $("roi-csv").onclick = () => api.save(new Blob([this._regionCsv()], { type: "text/csv" }), "regions.csv");
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

  // The interval along the line, in the units of the plot; null where none was written with the restored image.
  _interval() {
    const { desk } = this, found = desk.bounds();
    if (!found) return null;
    const open = desk.base().meta.open_beam;
    const [lower, upper] = found.map((picture) => picture.profile(desk.profile, desk.scaleOf(picture)).values.map((v) => (v * open) / picture.meta.open_beam));
    return { lower, upper, name: found[0].meta.title.split(",")[0] };
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
    const interval = this._interval(), restored = found.find((f) => f.role === "restored");
    $("p-interval").hidden = !interval;
    if (interval) $("p-interval").textContent = `${said(established(restored.values, interval.lower, interval.upper), interval.name)} The interval holds at most pixels of an object, as its share says, not at every one.`;
    plot($("profile-plot"), {
      areas: interval ? [{ x, low: interval.lower, high: interval.upper, name: "restored" }] : [],
      series: found.map((f) => ({ x, y: f.values, name: f.role })),
      xLabel: `distance, ${unit}`,
      yLabel: unitOf(desk),
      onHover: (share) => {
        desk.cursorShare = share;
        desk.stage.redraw();
      },
    });
    const rows = [["Mean", (f) => mean(f.values)], ["Minimum", (f) => Math.min(...f.values)], ["Maximum", (f) => Math.max(...f.values)], [`10–90 % edge, ${pitch ? "µm" : "px"}`, (f) => edgeWidth(f.values) * step * (pitch ? pitch * 1000 : 1)]];
    fill($("profile-table"), found.map((f) => f.role), rows.map(([name, of]) => [name, found.map(of), name.startsWith("10") ? 4 : 6]), unitOf(desk));
  }

  _profileCsv() {
    const { desk } = this, found = this._profiles(), pitch = desk.pitch(), interval = this._interval();
    const columns = [...found.map((f) => [f.role, f.values]), ...(interval ? ["lower", "upper"].map((role) => [role, interval[role]]) : [])];
    const head = `distance_${pitch ? "mm" : "px"},${columns.map(([name]) => name).join(",")}`;
    const lines = [...found[0].values].map((_, i) => [(i * found[0].step * (pitch || 1)).toFixed(6), ...columns.map(([, values]) => values[i])].join(","));
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
    if (desk.base()) desk.dock.showWindow();
    for (const [rectangle, mark] of [[signal, "s"], [background, "b"]]) {
      ["x", "y", "w", "h"].forEach((k, i) => {
        if (document.activeElement !== $(`${mark}-${k}`)) $(`${mark}-${k}`).value = rectangle ? rectangle[i] : "";
      });
    }
    if (!on) return;
    const found = this._regionNumbers(), pitch = desk.pitch();
    fill($("roi-table"), found.map((f) => f.role), this._regionRows(found).map(([name, of, digits]) => [name, found.map(of), digits]), unitOf(desk));
    const notes = [];
    for (const [name, r] of [["Signal", signal], ["Background", background]]) {
      if (!r) continue;
      const size = pitch ? `${(r[2] * pitch).toFixed(3)} × ${(r[3] * pitch).toFixed(3)} mm, ` : "";
      notes.push(`${name}: ${size}${r[2]} × ${r[3]} px.`);
      if (r[2] < 20 || r[3] < 20) notes.push("Under 20 × 20 px the deviation is uncertain.");
    }
    if (desk.available().includes("restored")) notes.push("On a restored image SNR and CNR describe detector and network together: take compliance values on the original.");
    $("roi-note").textContent = notes.join(" ");
    this.edge.show();
  }

  _regionCsv() {
    const found = this._regionNumbers(), { signal, background } = this.desk.regions;
    const lines = this._regionRows(found).map(([name, of]) => [name, ...found.map(of)].join(","));
    const where = [["signal", signal], ["background", background]].filter(([, r]) => r).map(([name, r]) => `# ${name}_xywh_px,${r.join(",")}`);
    return `${where.join("\n")}\nquantity,${found.map((f) => f.role).join(",")}\n${lines.join("\n")}\n`;
  }
}
