// Images of the folders that the viewer was started with: small pictures, verdicts, decisions, and the way onto the desk.

import * as api from "./api.js";
import { $ } from "./panel.js";

const AT_ONCE = 2; // pictures asked for at the same time
const FILTERS = {
  all: ["All", () => true],
  contradicted: ["Contradicted", (e) => /contradicted/.test(e.verdict)],
  consistent: ["Consistent", (e) => e.verdict === "consistent"],
  raw: ["Not restored", (e) => !e.restored],
  open: ["Not decided", (e) => e.decision === "open"],
  accepted: ["Accepted", (e) => e.decision === "accepted"],
  rejected: ["Rejected", (e) => e.decision === "rejected"],
  defects: ["With defects", (e) => e.defects > 0],
};
const INSPECTOR = "coldray-inspector";

export class Folders {
  constructor(desk) {
    this.desk = desk;
    this.entries = [];
    this.folder = null;
    this.current = null; // image of the folder that was opened last
    this.pictures = new Map(); // addresses by handle
    this.waiting = [];
    this.busy = 0;
    this.watcher = new IntersectionObserver((seen) => seen.filter((s) => s.isIntersecting).forEach((s) => this._want(s.target)), { root: $("folder-grid"), rootMargin: "200px" });
    $("folder-filter").replaceChildren(...Object.entries(FILTERS).map(([key, [name]]) => new Option(name, key)));
    $("folder-filter").onchange = () => this._show();
    $("folder-choice").onchange = () => this._look($("folder-choice").value);
    $("folder-inspector").value = localStorage.getItem(INSPECTOR) || "";
    $("folder-inspector").onchange = () => localStorage.setItem(INSPECTOR, $("folder-inspector").value.trim());
    $("folder-close").onclick = () => $("folder-dialog").close();
    $("browse").onclick = () => this.browse();
  }

  get known() {
    return this.desk.state.folders || [];
  }

  showButton() {
    $("browse").hidden = !this.known.length;
  }

  async browse() {
    if (!this.known.length) {
      this.desk.say("No folder is open: start the viewer with one, coldray view DIR.");
      return;
    }
    $("folder-choice").replaceChildren(...this.known.map((f) => new Option(f.name, f.id, false, f.id === this.folder)));
    $("folder-dialog").showModal();
    await this._look(this.folder || this.known[0].id);
  }

  async _look(folder) {
    this.folder = folder;
    try {
      const found = await api.call("GET", `api/folders/${folder}`);
      if (folder !== this.folder) return;
      this.entries = found.files;
      this.more = found.more;
      this._show();
    } catch (problem) {
      this._say(problem.message);
    }
  }

  _show() {
    const kept = this.entries.filter(FILTERS[$("folder-filter").value][1]), count = (name) => this.entries.filter(FILTERS[name][1]).length;
    this.watcher.disconnect();
    this.waiting = [];
    const counts = ["contradicted", "raw", "open", "rejected"].map((name) => `${count(name)} ${FILTERS[name][0].toLowerCase()}`);
    this._say(`${this.entries.length} images: ${counts.join(", ")}.${this.more ? ` ${this.more} more are not listed.` : ""}`);
    $("folder-grid").replaceChildren(...kept.map((entry) => this._card(entry)));
  }

  _say(text) {
    $("folder-counts").textContent = text;
  }

  _card(entry) {
    const card = document.createElement("li"), open = document.createElement("button"), image = document.createElement("img"), name = document.createElement("span");
    card.className = "card";
    open.className = "thumb";
    open.dataset.entry = entry.id;
    name.textContent = entry.name;
    name.className = "name";
    image.alt = "";
    open.title = entry.name;
    open.append(image, name);
    open.onclick = () => this.open(entry);
    const verdict = document.createElement("span");
    verdict.className = `verdict ${/contradicted/.test(entry.verdict) ? "contradicted" : entry.verdict === "consistent" ? "" : entry.verdict ? "untestable" : "none"}`;
    verdict.textContent = entry.verdict || (entry.restored ? "no verdict" : "not restored");
    const row = document.createElement("div");
    row.className = "row";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `Decision on ${entry.name}`);
    for (const [decision, text] of [["accepted", "Accept"], ["rejected", "Reject"]]) {
      const button = document.createElement("button");
      button.textContent = text;
      button.dataset.decision = decision;
      button.setAttribute("aria-pressed", String(entry.decision === decision));
      button.onclick = () => this._decide(entry, entry.decision === decision ? "open" : decision);
      row.append(button);
    }
    if (entry.defects) row.append(Object.assign(document.createElement("span"), { className: "muted", textContent: `${entry.defects} defect${entry.defects > 1 ? "s" : ""}` }));
    card.append(open, verdict, row);
    if (this.pictures.has(entry.id)) image.src = this.pictures.get(entry.id);
    else this.watcher.observe(open);
    return card;
  }

  async _decide(entry, decision) {
    try {
      const body = { decision, inspector: $("folder-inspector").value.trim() };
      Object.assign(entry, await api.call("PUT", `api/folders/${this.folder}/files/${entry.id}/decision`, body));
      const old = $("folder-grid").querySelector(`[data-entry="${entry.id}"]`)?.closest("li"), fresh = this._card(entry);
      old?.replaceWith(fresh);
      fresh.querySelector(`[data-decision=${decision === "open" ? "accepted" : decision}]`)?.focus();
    } catch (problem) {
      this._say(problem.message);
    }
  }

  // ---- pictures: only those that are seen, a few at a time ----

  _want(button) {
    this.watcher.unobserve(button);
    this.waiting.push(button);
    this._next();
  }

  async _next() {
    if (this.busy >= AT_ONCE || !this.waiting.length) return;
    const button = this.waiting.shift(), { entry } = button.dataset;
    this.busy++;
    try {
      this.pictures.set(entry, URL.createObjectURL(await api.blob(`api/folders/${this.folder}/files/${entry}/picture`)));
      button.querySelector("img").src = this.pictures.get(entry);
    } catch (problem) {
      button.classList.add("none");
      button.title = problem.message;
    } finally {
      this.busy--;
      this._next();
    }
  }

  // ---- onto the desk ----

  async open(entry) {
    const { desk } = this;
    this.current = entry.id;
    $("folder-dialog").close();
    $("loading").hidden = false;
    $("loading-bar").style.width = "0";
    $("loading-text").textContent = `reading ${entry.name}`;
    try {
      await desk.inspection.send();
      const { id } = await api.call("POST", `api/folders/${this.folder}/files/${entry.id}/open`);
      await desk.look();
      await desk.choose(desk.state.studies.find((s) => s.id === id));
      desk.dock.showStudies();
    } catch (problem) {
      desk.say(problem.message, true);
    } finally {
      $("loading").hidden = true;
    }
  }

  // The next image of the folder, or the one before, among those that the filter keeps.
  async step(by) {
    const kept = this.entries.filter(FILTERS[$("folder-filter").value][1]), at = kept.findIndex((e) => e.id === this.current);
    if (!this.known.length || !kept.length) return this.browse();
    const next = kept[at < 0 ? 0 : at + by];
    if (next) await this.open(next);
    else this.desk.say(by > 0 ? "This is the last image of the list." : "This is the first image of the list.");
  }
}
