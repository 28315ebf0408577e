// The user's own presets: a window as shares of the open beam, the regions, and the shapes of a task. The server keeps
// them for all pages.

import * as api from "./api.js";
import { $ } from "./panel.js";

export class OwnPresets {
  constructor(desk) {
    this.desk = desk;
    this.drawn = null;
    $("preset-form").onsubmit = (event) => {
      event.preventDefault();
      this._keep($("preset-name").value.trim());
    };
  }

  get known() {
    return this.desk.state.own_presets?.presets || [];
  }

  show() {
    const drawn = JSON.stringify(this.desk.state.own_presets);
    $("preset-keep").disabled = !this.desk.base();
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    $("own-presets").hidden = !this.known.length;
    $("own-presets").replaceChildren(...this.known.map((preset) => this._chip(preset)));
    $("preset-problem").textContent = this.desk.state.own_presets?.problem || "";
  }

  _chip(preset) {
    const chip = document.createElement("span"), use = document.createElement("button"), forget = document.createElement("button");
    const with_ = [preset.signal || preset.background ? "regions" : "", preset.marks.length ? `${preset.marks.length} shapes` : ""].filter(Boolean);
    chip.className = "pair";
    use.textContent = preset.name;
    use.title = `window${with_.map((w) => `, ${w}`).join("")}`;
    use.dataset.preset = preset.name;
    use.onclick = () => this._use(preset);
    forget.textContent = "×";
    forget.setAttribute("aria-label", `Delete the preset ${preset.name}`);
    forget.onclick = () => this._send(this.known.filter((p) => p.name !== preset.name));
    chip.append(use, forget);
    return chip;
  }

  _use(preset) {
    const { desk } = this;
    if (!desk.base()) return;
    const open = desk.base().meta.open_beam;
    desk.setWindow(preset.low * open, preset.high * open);
    for (const name of ["signal", "background"]) if (preset[name]) desk.setRegion(name, preset[name]);
    desk.inspection.put(preset.marks);
  }

  // One of the same name is replaced.
  _keep(name) {
    const { desk } = this, open = desk.base().meta.open_beam;
    const marks = desk.inspection.marks.map((mark) => ({ ...mark, decision: "open" }));
    const preset = { name, low: desk.window.low / open, high: desk.window.high / open, ...desk.regions, marks };
    const at = this.known.findIndex((p) => p.name === name);
    this._send(at < 0 ? [...this.known, preset] : this.known.with(at, preset));
  }

  async _send(presets) {
    try {
      await api.call("PUT", "api/presets", { presets });
      $("preset-name").value = "";
    } catch (problem) {
      this.desk.say(problem.message, true);
    }
  }
}
