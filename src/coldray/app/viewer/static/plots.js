// Small line plots in SVG, coloured by the style sheet.

import { node } from "./stage.js";

const EDGE = { left: 56, right: 10, top: 8, bottom: 30 };

export function ticks(low, high, wanted) {
  if (!(high > low)) return [low];
  const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) || raw;
  const out = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) out.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return out;
}

export function short(v) {
  const a = Math.abs(v);
  if (a >= 1e5 || (a > 0 && a < 1e-3)) return v.toExponential(1);
  return String(+v.toPrecision(4));
}

// series: [{x, y, name}] with equal lengths; areas: [{x, low, high, name}]; bands: [{from, to, name}]; lines: [{at, name}]
export function plot(svg, { series, xLabel, yLabel, areas = [], bands = [], lines = [], yRange = null, onHover = null }) {
  const w = svg.clientWidth || 300, h = svg.clientHeight || 150;
  svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  svg.replaceChildren();
  if (!series.length) return;
  const xs = series.flatMap((s) => [s.x[0], s.x[s.x.length - 1]]);
  const x0 = Math.min(...xs), x1 = Math.max(...xs);
  let [y0, y1] = yRange || extent([...series, ...areas.flatMap((a) => [{ y: a.low }, { y: a.high }])]);
  if (!yRange) {
    const pad = (y1 - y0 || Math.abs(y1) || 1) * 0.06;
    y0 -= pad;
    y1 += pad;
  }
  const inner = { w: w - EDGE.left - EDGE.right, h: h - EDGE.top - EDGE.bottom };
  const px = (x) => EDGE.left + ((x - x0) / (x1 - x0 || 1)) * inner.w;
  const py = (y) => EDGE.top + (1 - (y - y0) / (y1 - y0 || 1)) * inner.h;
  for (const band of bands) {
    svg.append(node("rect", { x: px(band.from), y: EDGE.top, width: Math.max(0, px(band.to) - px(band.from)), height: inner.h, class: `band-area ${band.name}` }));
  }
  for (const y of ticks(y0, y1, Math.max(2, inner.h / 34))) {
    svg.append(node("line", { x1: EDGE.left, x2: w - EDGE.right, y1: py(y), y2: py(y), class: "grid" }));
    label(svg, EDGE.left - 5, py(y) + 3.5, short(y), "end");
  }
  for (const x of ticks(x0, x1, Math.max(2, inner.w / 60))) {
    svg.append(node("line", { x1: px(x), x2: px(x), y1: EDGE.top, y2: EDGE.top + inner.h, class: "grid faint" }));
    label(svg, px(x), h - EDGE.bottom + 13, short(x), "middle");
  }
  label(svg, EDGE.left + inner.w / 2, h - 3, xLabel, "middle", "axis");
  const turned = label(svg, 10, EDGE.top + inner.h / 2, yLabel, "middle", "axis");
  turned.setAttribute("transform", `rotate(-90 10 ${EDGE.top + inner.h / 2})`);
  for (const line of lines) svg.append(node("line", { x1: px(line.at), x2: px(line.at), y1: EDGE.top, y2: EDGE.top + inner.h, class: `rule ${line.name}` }));
  for (const { x, low, high, name } of areas) {
    const at = (y) => x.map((v, i) => `${px(v).toFixed(1)} ${py(y[i]).toFixed(1)}`);
    svg.append(node("path", { d: `M${[...at(high), ...at(low).reverse()].join("L")}Z`, class: `area ${name}` }));
  }
  for (const s of series) {
    const path = [];
    let pen = false;
    for (let i = 0; i < s.x.length; i++) {
      if (Number.isFinite(s.y[i])) path.push(`${pen ? "L" : "M"}${px(s.x[i]).toFixed(1)} ${py(s.y[i]).toFixed(1)}`);
      pen = Number.isFinite(s.y[i]);
    }
    svg.append(node("path", { d: path.join(""), class: `series ${s.name}` }));
  }
  if (onHover) {
    const rule = node("line", { y1: EDGE.top, y2: EDGE.top + inner.h, class: "rule hover", visibility: "hidden" });
    svg.append(rule);
    svg.onpointermove = (event) => {
      const share = Math.min(1, Math.max(0, (event.clientX - svg.getBoundingClientRect().left - EDGE.left) / inner.w));
      rule.setAttribute("x1", EDGE.left + share * inner.w);
      rule.setAttribute("x2", EDGE.left + share * inner.w);
      rule.setAttribute("visibility", "visible");
      onHover(share);
    };
    svg.onpointerleave = () => {
      rule.setAttribute("visibility", "hidden");
      onHover(null);
    };
  }
}

function extent(series) {
  let low = Infinity, high = -Infinity;
  for (const s of series) for (const v of s.y) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return Number.isFinite(low) ? [low, high] : [0, 1];
}

function label(svg, x, y, text, anchor, name = "tick") {
  const out = node("text", { x, y, "text-anchor": anchor, class: name });
  out.textContent = text;
  svg.append(out);
  return out;
}

// Outline of the histogram on a logarithmic scale; kept, because dragging the window draws it again and again.
function outline(histogram, range, bins, w, h) {
  const key = `${range.low} ${range.high} ${bins} ${w} ${h}`;
  if (histogram.outlineKey === key) return histogram.outline;
  const span = range.high - range.low || 1, counts = new Float64Array(bins);
  histogram.counts.forEach((n, i) => {
    const at = Math.floor(((histogram.low + (i + (histogram.whole ? 0 : 0.5)) * histogram.step - range.low) / span) * bins);
    if (at >= 0 && at < bins) counts[at] += n;
    else if (at === bins) counts[bins - 1] += n;
  });
  const top = Math.log1p(Math.max(...counts)) || 1;
  const steps = [...counts].map((n, i) => {
    const y = (h - (Math.log1p(n) / top) * (h - 4)).toFixed(1);
    return `L${((i / bins) * w).toFixed(1)} ${y}L${(((i + 1) / bins) * w).toFixed(1)} ${y}`;
  });
  histogram.outlineKey = key;
  histogram.outline = `M0 ${h}${steps.join("")}L${w} ${h}Z`;
  return histogram.outline;
}

// Histogram with draggable limits of the window.
export function histogramPlot(svg, histogram, range, window, onSet) {
  const w = svg.clientWidth || 300, h = svg.clientHeight || 90, foot = 16, bins = Math.max(32, Math.floor(w / 2));
  svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  svg.replaceChildren();
  const span = range.high - range.low || 1, px = (v) => ((v - range.low) / span) * w;
  const path = outline(histogram, range, bins, w, h - foot);
  svg.append(node("path", { d: path, class: "bars" }));
  const low = Math.min(w, Math.max(0, px(window.low))), high = Math.min(w, Math.max(0, px(window.high)));
  svg.append(node("rect", { x: low, y: 0, width: Math.max(0, high - low), height: h - foot, class: "chosen" }));
  svg.append(node("path", { d: `M${low} ${h - foot}L${high} 2`, class: "ramp" }));
  for (const [name, x] of [["low", low], ["high", high]]) svg.append(node("line", { x1: x, x2: x, y1: 0, y2: h - foot, class: `limit ${name}` }));
  for (const v of ticks(range.low, range.high, Math.max(2, w / 70))) {
    const x = px(v);
    label(svg, Math.min(w - 2, Math.max(2, x)), h - 3, short(v), x < 20 ? "start" : x > w - 20 ? "end" : "middle");
  }
  svg.onpointerdown = (event) => {
    svg.setPointerCapture(event.pointerId);
    const at = (e) => range.low + ((e.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * span;
    const start = at(event), from = { ...window };
    const near = (v) => Math.abs(px(v) - px(start));
    const inside = start > window.low && start < window.high && Math.min(near(window.low), near(window.high)) > 8;
    const which = inside ? "both" : near(window.low) < near(window.high) ? "low" : "high";
    svg.onpointermove = (move) => {
      const v = at(move);
      if (which === "both") onSet(from.low + v - start, from.high + v - start);
      else if (which === "low") onSet(Math.min(v, from.high - span * 1e-4), from.high);
      else onSet(from.low, Math.max(v, from.low + span * 1e-4));
    };
  };
  svg.onpointerup = svg.onpointercancel = () => (svg.onpointermove = null);
}
