// Shapes that people draw: lengths, angles, areas, and the pixels inside. The formulas of coldray.metrology.shapes, in
// the same order; a test compares the two. Pixel (0, 0) covers 0 to 1; a pixel is inside when its centre is.

export const CLOSED = ["rectangle", "ellipse", "circle", "polygon"];

export function measures(kind, points) {
  if (kind === "point") return {};
  const [[x0, y0], [x1, y1]] = points;
  if (kind === "distance") return { length_px: Math.hypot(x1 - x0, y1 - y0) };
  if (kind === "angle") return { angle_deg: angle(points) };
  if (kind === "circle") {
    const diameter = Math.hypot(x1 - x0, y1 - y0);
    return { diameter_px: diameter, area_px2: (Math.PI * diameter ** 2) / 4 };
  }
  if (kind === "polygon") {
    let twice = 0, around = 0;
    points.forEach((a, i) => {
      const b = points[(i + 1) % points.length];
      twice += a[0] * b[1] - b[0] * a[1];
      around += Math.hypot(b[0] - a[0], b[1] - a[1]);
    });
    return { perimeter_px: around, area_px2: Math.abs(twice) / 2 };
  }
  const width = Math.abs(x1 - x0), height = Math.abs(y1 - y0);
  return { width_px: width, height_px: height, area_px2: (kind === "ellipse" ? Math.PI / 4 : 1) * width * height };
}

function angle([[ax, ay], [vx, vy], [bx, by]]) {
  const first = [ax - vx, ay - vy], second = [bx - vx, by - vy];
  if (!(first[0] || first[1]) || !(second[0] || second[1])) return NaN;
  const cross = first[0] * second[1] - first[1] * second[0], dot = first[0] * second[0] + first[1] * second[1];
  return Math.abs((Math.atan2(cross, dot) * 180) / Math.PI);
}

// Box of a closed shape: left, top, right, bottom.
export function box(kind, points) {
  if (kind === "circle") {
    const [[x0, y0], [x1, y1]] = points, radius = Math.hypot(x1 - x0, y1 - y0) / 2;
    return [(x0 + x1) / 2 - radius, (y0 + y1) / 2 - radius, (x0 + x1) / 2 + radius, (y0 + y1) / 2 + radius];
  }
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function test(kind, points) {
  const [left, top, right, bottom] = box(kind, points);
  if (kind === "rectangle") return (x, y) => x >= left && x < right && y >= top && y < bottom;
  if (kind === "polygon") {
    // even-odd rule: an odd number of edges lies to the right
    return (x, y) => {
      let odd = false;
      points.forEach(([x0, y0], i) => {
        const [x1, y1] = points[(i + 1) % points.length];
        if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) odd = !odd;
      });
      return odd;
    };
  }
  const a = (right - left) / 2, b = (bottom - top) / 2;
  if (!(a > 0 && b > 0)) return () => false;
  return (x, y) => ((x - (left + right) / 2) / a) ** 2 + ((y - (top + bottom) / 2) / b) ** 2 <= 1;
}

// Statistics of the pixels inside; `picture` has data, rows and cols.
export function region(picture, kind, points, threshold = null, voids = "brighter") {
  const [left, top, right, bottom] = box(kind, points), inside = test(kind, points), values = [];
  for (let row = Math.max(0, Math.floor(top)); row < Math.min(picture.rows, Math.ceil(bottom)); row++) {
    for (let col = Math.max(0, Math.floor(left)); col < Math.min(picture.cols, Math.ceil(right)); col++) {
      if (inside(col + 0.5, row + 0.5)) values.push(picture.data[row * picture.cols + col]);
    }
  }
  const n = values.length;
  if (!n) return { pixels: 0, mean: NaN, sd: NaN, minimum: NaN, maximum: NaN, void_share: NaN, snr: NaN };
  let sum = 0, minimum = Infinity, maximum = -Infinity, beyond = 0;
  for (const v of values) {
    sum += v;
    if (v < minimum) minimum = v;
    if (v > maximum) maximum = v;
    if (threshold !== null && (voids === "brighter" ? v > threshold : v < threshold)) beyond++;
  }
  const mean = sum / n;
  let squares = 0;
  for (const v of values) squares += (v - mean) ** 2;
  const sd = n > 1 ? Math.sqrt(squares / (n - 1)) : NaN;
  return { pixels: n, mean, sd, minimum, maximum, void_share: threshold === null ? NaN : beyond / n, snr: sd > 0 ? mean / sd : NaN };
}
