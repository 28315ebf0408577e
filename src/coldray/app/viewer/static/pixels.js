// An image in memory: the stored values as they are, and what is computed from them. Statistics, profiles and the
// read-out use the full resolution; the pyramid is for drawing only.

export const LEVELS = 6;
const FLOAT_BINS = 4096;

export class Picture {
  constructor(meta, data) {
    this.meta = meta;
    this.data = data;
    this.rows = meta.rows;
    this.cols = meta.cols;
    this.levels = [{ data, rows: meta.rows, cols: meta.cols }];
    this._histogram = null;
  }

  // Level k of the pyramid of 2 x 2 means.
  level(k) {
    while (this.levels.length <= k) this.levels.push(halved(this.levels[this.levels.length - 1]));
    return this.levels[k];
  }

  value(row, col) {
    return row >= 0 && col >= 0 && row < this.rows && col < this.cols ? this.data[row * this.cols + col] : NaN;
  }

  // Counts over the range of the values: one bin per value for integers, else 4096 bins.
  histogram() {
    if (this._histogram) return this._histogram;
    const { minimum: low, maximum: high } = this.meta;
    const whole = this.meta.wire === "u2";
    const count = whole ? high - low + 1 : FLOAT_BINS;
    const counts = new Float64Array(count);
    if (whole) {
      for (const v of this.data) counts[v - low]++;
    } else {
      const scale = high > low ? (FLOAT_BINS - 1e-6) / (high - low) : 0;
      for (const v of this.data) counts[Math.floor((v - low) * scale)]++;
    }
    const step = whole ? 1 : (high - low) / FLOAT_BINS;
    this._histogram = { low, step, counts, total: this.data.length, whole };
    return this._histogram;
  }

  // Value below which a share of the pixels lies.
  quantile(share) {
    const { low, step, counts, total, whole } = this.histogram();
    let sum = 0;
    for (let i = 0; i < counts.length; i++) {
      sum += counts[i];
      if (sum >= share * total) return low + (whole ? i : (i + 1) * step);
    }
    return this.meta.maximum;
  }

  // Mean and standard deviation (n - 1) of a rectangle, clipped to the image.
  region([x, y, w, h]) {
    const left = Math.max(0, x), top = Math.max(0, y);
    const right = Math.min(this.cols, x + w), bottom = Math.min(this.rows, y + h);
    const n = Math.max(0, right - left) * Math.max(0, bottom - top);
    if (n < 2) return { n, mean: NaN, sd: NaN, minimum: NaN, maximum: NaN, snr: NaN };
    let sum = 0, minimum = Infinity, maximum = -Infinity;
    for (let r = top; r < bottom; r++) {
      const base = r * this.cols;
      for (let c = left; c < right; c++) {
        const v = this.data[base + c];
        sum += v;
        if (v < minimum) minimum = v;
        if (v > maximum) maximum = v;
      }
    }
    const mean = sum / n;
    let squares = 0;
    for (let r = top; r < bottom; r++) {
      const base = r * this.cols;
      for (let c = left; c < right; c++) squares += (this.data[base + c] - mean) ** 2;
    }
    const sd = Math.sqrt(squares / (n - 1));
    return { n, mean, sd, minimum, maximum, snr: mean / sd };
  }

  // Bilinear value at pixel coordinates; a whole number is the centre of a pixel.
  sample(x, y) {
    if (x < -0.5 || y < -0.5 || x > this.cols - 0.5 || y > this.rows - 0.5) return NaN;
    const cx = Math.min(Math.max(x, 0), this.cols - 1), cy = Math.min(Math.max(y, 0), this.rows - 1);
    const c = Math.min(Math.floor(cx), Math.max(0, this.cols - 2)), r = Math.min(Math.floor(cy), Math.max(0, this.rows - 2));
    const fx = cx - c, fy = cy - r;
    const i = r * this.cols + c, right = this.cols > 1 ? 1 : 0, down = this.rows > 1 ? this.cols : 0;
    const top = this.data[i] * (1 - fx) + this.data[i + right] * fx;
    if (fy === 0) return top;
    return top * (1 - fy) + (this.data[i + down] * (1 - fx) + this.data[i + down + right] * fx) * fy;
  }

  // Values along a line, one per pixel length, averaged over `width` parallel lines one pixel apart.
  profile({ x0, y0, x1, y1, width }, scale = 1) {
    const length = Math.hypot(x1 - x0, y1 - y0);
    const count = Math.max(2, Math.round(length) + 1);
    const ux = length ? (x1 - x0) / length : 1, uy = length ? (y1 - y0) / length : 0;
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const t = (i / (count - 1)) * length;
      let sum = 0, used = 0;
      for (let k = 0; k < width; k++) {
        const off = k - (width - 1) / 2;
        const x = x0 + ux * t - uy * off, y = y0 + uy * t + ux * off;
        const v = this.sample((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5);
        if (!Number.isNaN(v)) {
          sum += v;
          used++;
        }
      }
      out[i] = used ? sum / used : NaN;
    }
    return { values: out, length, step: length / (count - 1) };
  }
}

function halved({ data, rows, cols }) {
  const r2 = Math.ceil(rows / 2), c2 = Math.ceil(cols / 2);
  const out = new data.constructor(r2 * c2);
  const whole = data instanceof Uint16Array;
  for (let r = 0; r < r2; r++) {
    const a = 2 * r * cols, b = Math.min(2 * r + 1, rows - 1) * cols;
    for (let c = 0; c < c2; c++) {
      const l = 2 * c, m = l + 1 < cols ? l + 1 : l;
      const sum = data[a + l] + data[a + m] + data[b + l] + data[b + m];
      out[r * c2 + c] = whole ? (sum + 2) >> 2 : sum / 4;
    }
  }
  return { data: out, rows: r2, cols: c2 };
}

// Picture of a difference of two pictures of the same size, as fractions of the open beam.
export function difference(a, b, title, role) {
  const out = new Float32Array(a.data.length);
  const p = 1 / a.meta.open_beam, q = 1 / b.meta.open_beam;
  let minimum = Infinity, maximum = -Infinity;
  for (let i = 0; i < out.length; i++) {
    const v = a.data[i] * p - b.data[i] * q;
    out[i] = v;
    if (v < minimum) minimum = v;
    if (v > maximum) maximum = v;
  }
  const meta = { ...a.meta, id: `${role}:${a.meta.id}:${b.meta.id}`, role, title, unit: "open beam", wire: "f4", open_beam: 1, minimum, maximum };
  return new Picture(meta, out);
}

// Difference of two restored images in SD of the measurement's noise at their mean signal. Its variance rises along a line
// from the dark to the open beam.
export function inNoise(a, b, { dark, open_beam: open }, title, role) {
  const out = new Float32Array(a.data.length), p = 1 / a.meta.open_beam, q = 1 / b.meta.open_beam;
  let minimum = Infinity, maximum = -Infinity;
  for (let i = 0; i < out.length; i++) {
    const x = a.data[i] * p, y = b.data[i] * q, v = (x - y) / Math.sqrt(dark + (open - dark) * Math.max(0, (x + y) / 2));
    out[i] = v;
    if (v < minimum) minimum = v;
    if (v > maximum) maximum = v;
  }
  const meta = { ...a.meta, id: `${role}:${a.meta.id}:${b.meta.id}`, role, title, unit: "noise SD", wire: "f4", open_beam: 1, minimum, maximum };
  return new Picture(meta, out);
}

// Three states of a gated result: 0 a linear filter of the measurement, -1 the network and nothing speaks against it, and
// what the measurement contradicts. The last weighs so much that no mean over pixels hides it.
export const CONTRADICTED = 1000;
export function states(gate, certificate, least, title) {
  const out = new Float32Array(gate.data.length), count = { linear: 0, network: 0, contradicted: 0 };
  for (let i = 0; i < out.length; i++) {
    if (certificate.data[i] >= least) {
      out[i] = CONTRADICTED;
      count.contradicted++;
    } else if (gate.data[i] > 0) {
      out[i] = -1;
      count.network++;
    } else count.linear++;
  }
  const meta = { ...gate.meta, id: `states:${gate.meta.id}:${certificate.meta.id}`, role: "states", title, unit: "", wire: "f4", open_beam: 1, minimum: -1, maximum: CONTRADICTED };
  const picture = new Picture(meta, out);
  picture.shares = Object.fromEntries(Object.entries(count).map(([name, n]) => [name, n / out.length]));
  return picture;
}

export function cnr(signal, background) {
  return Math.abs(signal.mean - background.mean) / Math.sqrt((signal.sd ** 2 + background.sd ** 2) / 2);
}

// Distance over which a profile passes from 10 % to 90 % between its ends, in samples; NaN where it does not.
export function edgeWidth(values) {
  const n = values.length, side = Math.max(2, Math.round(n / 10));
  if (n < 8) return NaN;
  const ends = [values.slice(0, side), values.slice(n - side)].map((part) => {
    const mean = part.reduce((s, v) => s + v, 0) / side;
    return { mean, sd: Math.sqrt(part.reduce((s, v) => s + (v - mean) ** 2, 0) / Math.max(1, side - 1)) };
  });
  const rise = ends[1].mean - ends[0].mean;
  if (!(Math.abs(rise) > 3 * Math.max(ends[0].sd, ends[1].sd))) return NaN;
  // a line that passes half-way more than once crosses several edges: no single width describes it
  let passes = 0;
  for (let i = 1; i < n; i++) if ((values[i - 1] - ends[0].mean - rise / 2) * (values[i] - ends[0].mean - rise / 2) < 0) passes++;
  if (passes > 1) return NaN;
  const crossing = (share) => {
    const level = ends[0].mean + share * rise;
    for (let i = 1; i < n; i++) {
      const a = (values[i - 1] - level) / rise, b = (values[i] - level) / rise;
      if (a < 0 && b >= 0) return i - 1 + a / (a - b);
    }
    return NaN;
  };
  const width = crossing(0.9) - crossing(0.1);
  return width > 0 ? width : NaN;
}
