// What the panels of the dock share.

export const $ = (id) => document.getElementById(id);
export const IMAGE_NAMES = { original: "Original", restored: "Restored", compared: "Compared", reference: "Reference" };
export const number = (id) => ($(id).value === "" ? NaN : Number($(id).value));
export const unitOf = (desk) => (desk.base()?.meta.unit === "DN" ? "DN" : "× open beam");

// The library names its parameters and the command line its flags; on the page they are fields of the dialog.
const FIELDS = {
  open_beam: "Open beam", exposure_s: "Exposure", pixel_pitch_mm: "Pixel pitch", pitch_um: "Pixel pitch", noise: "Flat fields", flats: "Flat fields",
  blurred: "Taken with", sharp: "Restore towards", steps: "Steps", method: "Method", model: "Model", gain: "Data consistency", even: "Even ground",
  on_contradiction: "Contradicted places", roi: "Signal",
};
export const worded = (text) => String(text).replace(/--([a-z][a-z-]*)(?: (?:DN|FLATS|MODEL|SHARE|DET)\b)?|-m (MODEL)|`(\w+)`/g, (found, flag, model, parameter) => {
  const field = FIELDS[model ? "model" : (flag || parameter).replaceAll("-", "_")];
  return field ? `“${field}”` : found;
});

export function list(box, pairs) {
  box.replaceChildren(...pairs.flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

// Table of quantities by image; every cell carries its full value for whoever reads by machine. A quantity that is not
// known keeps its row: nothing below may move while somebody aims at it.
export function fill(table, roles, rows, unit) {
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  head.append(Object.assign(document.createElement("th"), { textContent: unit }));
  head.firstChild.style.textAlign = "left";
  for (const role of roles) head.append(Object.assign(document.createElement("th"), { textContent: IMAGE_NAMES[role], className: role }));
  const body = table.createTBody();
  for (const [name, values, digits] of rows) {
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
