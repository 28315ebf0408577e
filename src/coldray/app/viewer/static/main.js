// Start: token, buttons, keys, drops and the server's news.

import * as api from "./api.js";
import { Desk } from "./desk.js";
import { $ } from "./panel.js";

const KEYS = [
  ["Space", "show the original while held"], ["R", "residual on and off"], ["W", "window and level: drag ↔ width, ↕ level"],
  ["V P S B", "pan, profile, signal region, background region"], ["1 2 3", "swipe, side by side, one image"],
  ["G", "three states: linear filter, network, contradicted"], ["L M D C", "linear part, prior part, restored − original, contradictions"], ["X", "restored − compared, in SD of the noise"], ["A", "automatic window"], ["I", "invert"],
  ["F Z", "fit, 1:1"], ["+ −", "zoom"], ["← ↑ ↓ →", "pan; on a swipe handle: move it"], ["N", "next open image"],
  ["E", "images of the folder"], ["Page↓ Page↑", "next and previous image of the folder"],
  ["O", "open files"], ["Enter", "restore"], ["T", "light or dark"], ["Shift drag", "pan with any tool; right button: window"], ["Ctrl drag", "straight profile"],
];

const OVERLAY_KEYS = {
  g: ["states", "three states"], r: ["residual", "residual"], l: ["linear", "linear part"], m: ["prior", "prior part"],
  x: ["comparison", "other restored image", "restore again with other settings, or open a second restored file"],
  d: ["difference", "difference between restored image and original"], c: ["certificate", "map of contradictions"],
};

// An overlay by its key; who asks for one that is not there hears why.
function overlay(desk, role, name, need = "it was not written with this restored image, or its method has none") {
  if (desk.overlaysThere().includes(role)) desk.setOverlay(role);
  else if (!desk.study?.layers.some((l) => l.role === "restored")) desk.say(`No ${name} yet: restore this image first.`);
  else desk.say(`No ${name}: ${need}.`);
}

function wire(desk) {
  for (const b of document.querySelectorAll("[data-tool][role=radio]")) b.onclick = () => desk.setTool(b.dataset.tool);
  for (const b of document.querySelectorAll("[data-mode]")) b.onclick = () => desk.setMode(b.dataset.mode);
  $("fit").onclick = () => desk.stage.fit();
  $("one").onclick = () => desk.stage.zoomTo(1 / desk.stage.ratio);
  $("theme").onclick = toggleTheme;
  $("help").onclick = () => $("help-dialog").showModal();
  $("open").onclick = $("open-empty").onclick = () => $("file-input").click();
  $("file-input").onchange = async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    await desk.open(files);
  };
  $("close-study").onclick = () => desk.closeStudy();
  $("study").onchange = (event) => desk.choose(desk.state.studies.find((s) => s.id === event.target.value));
  for (const [key, text] of KEYS) {
    const row = $("keys").insertRow(), cell = row.insertCell();
    for (const part of key.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = part;
      cell.append(kbd, " ");
    }
    row.insertCell().textContent = text;
  }
  // after a click the keys belong to the images again; who came by keyboard keeps the focus
  document.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest(".bar button, #dock button") && !document.querySelector("dialog[open]")) desk.stage.element.focus({ preventScroll: true });
  });
  $("restore-dialog").addEventListener("close", () => desk.stage.element.focus({ preventScroll: true }));
  wireDrop(desk);
  document.addEventListener("keydown", (event) => onKey(desk, event));
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !desk.peek) return;
    desk.peek = false;
    desk.stage.redraw();
  });
  window.addEventListener("blur", () => {
    desk.peek = false;
    desk.stage.redraw();
  });
}

function toggleTheme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("coldray-theme", root.dataset.theme);
  window.dispatchEvent(new Event("themechange"));
}

function wireDrop(desk) {
  const zone = $("drop"), carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  let depth = 0;
  window.addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth++;
    for (const part of zone.children) part.hidden = part.dataset.drop !== "open" && !desk.study;
    zone.hidden = false;
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) zone.hidden = true;
  });
  window.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    for (const part of zone.children) part.classList.toggle("over", part === event.target);
  });
  window.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    zone.hidden = true;
    desk.open([...event.dataTransfer.files], event.target.dataset?.drop || "open");
  });
}

function onKey(desk, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
  if (typing) return;
  const button = event.target.closest("button, summary, [role=slider], input"), stage = desk.stage, step = event.shiftKey ? 200 : 40;
  if (button && (event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow"))) return;
  const keys = {
    " ": () => {
      if (desk.peek) return;
      desk.peek = true;
      stage.redraw();
    },
    ...Object.fromEntries(Object.entries(OVERLAY_KEYS).map(([key, about]) => [key, () => overlay(desk, ...about)])),
    w: () => desk.setTool("window"), v: () => desk.setTool("pan"), p: () => desk.setTool("profile"), s: () => desk.setTool("signal"), b: () => desk.setTool("background"),
    1: () => desk.setMode("swipe"), 2: () => desk.setMode("side"), 3: () => desk.setMode("single"),
    a: () => desk.autoWindow(), i: () => $("invert").click(), f: () => stage.fit(), z: () => stage.zoomTo(1 / stage.ratio), t: toggleTheme,
    "+": () => stage.zoomBy(1.25), "=": () => stage.zoomBy(1.25), "-": () => stage.zoomBy(0.8),
    arrowleft: () => stage.panBy(step, 0), arrowright: () => stage.panBy(-step, 0), arrowup: () => stage.panBy(0, step), arrowdown: () => stage.panBy(0, -step),
    o: () => $("file-input").click(), enter: () => $("restore").click(), "?": () => $("help-dialog").showModal(),
    e: () => desk.folders.browse(), pagedown: () => desk.folders.step(1), pageup: () => desk.folders.step(-1),
    n: () => {
      const all = desk.state.studies, at = all.findIndex((s) => s.id === desk.study?.id);
      if (all.length > 1) desk.choose(all[(at + 1) % all.length]).then(() => desk.dock.showStudies());
    },
  };
  const act = keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

async function start() {
  const theme = localStorage.getItem("coldray-theme");
  if (theme) document.documentElement.dataset.theme = theme;
  if (!api.takeToken()) {
    $("token-dialog").showModal();
    return;
  }
  const desk = new Desk();
  wire(desk);
  desk.setTool("pan");
  desk.setMode("swipe");
  const redo = () => {
    desk.dock.showAll();
    desk.stage.redraw();
  };
  window.addEventListener("themechange", redo);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redo);
  window.addEventListener("resize", () => desk.dock.showAll());
  const load = async () => {
    desk.choices = await api.call("GET", "api/choices");
    await desk.refresh();
  };
  desk.loaded = load();
  try {
    await desk.loaded;
  } catch (problem) {
    if (problem.status === 401) $("token-dialog").showModal();
    else desk.say(problem.message, true);
    return;
  }
  if (desk.folders.known.length && !desk.study) desk.folders.browse();
  let known = true;
  api.listen(
    (message) => {
      if (message.type === "task") desk.dock.restoration.showTask(message.task);
      if (message.type === "studies") desk.refresh().catch((problem) => desk.say(problem.message, true));
    },
    (up) => {
      if (!up && known) desk.say("The server does not answer; trying again.", true);
      if (up && !known) desk.refresh().catch(() => {});
      known = up;
    },
  );
}

start();
