// Draws the same on a 2-D canvas, for browsers without WebGL2: the window still acts on the stored values, one by one.

import { LEVELS } from "./pixels.js";
import { MAPS } from "./maps.js";

export class CanvasRenderer {
  static name = "2-D canvas";

  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!this.context) throw new Error("no 2-D canvas");
  }

  begin(background) {
    this.context.fillStyle = `rgb(${background.map((v) => Math.round(v * 255)).join(" ")})`;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  draw(picture, clip, origin, scale, style) {
    const left = Math.max(clip.x, Math.ceil(origin.x - 0.5)), top = Math.max(clip.y, Math.ceil(origin.y - 0.5));
    const right = Math.min(clip.x + clip.w, Math.ceil(origin.x + picture.cols * scale - 0.5));
    const bottom = Math.min(clip.y + clip.h, Math.ceil(origin.y + picture.rows * scale - 0.5));
    if (right <= left || bottom <= top) return;
    const k = Math.min(LEVELS - 1, Math.max(0, Math.round(Math.log2(1 / scale))));
    const { data, cols } = picture.level(k);
    const across = new Int32Array(right - left);
    for (let x = left; x < right; x++) across[x - left] = clamp(Math.floor((x + 0.5 - origin.x) / scale), picture.cols - 1) >> k;
    const image = style.map ? this.context.getImageData(left, top, right - left, bottom - top) : this.context.createImageData(right - left, bottom - top);
    const out = image.data, { low, high, invert, saturation = Infinity, opacity = 1 } = style;
    const map = style.map ? MAPS[style.map] : null;
    const gain = 255 / (high - low);
    let i = 0;
    for (let y = top; y < bottom; y++) {
      const base = (clamp(Math.floor((y + 0.5 - origin.y) / scale), picture.rows - 1) >> k) * cols;
      for (let x = 0; x < across.length; x++, i += 4) {
        const v = data[base + across[x]];
        if (!map) {
          if (v >= saturation) {
            out[i] = 235;
            out[i + 1] = 41;
            out[i + 2] = 56;
          } else {
            let g = (v - low) * gain;
            g = g < 0 ? 0 : g > 255 ? 255 : g;
            out[i] = out[i + 1] = out[i + 2] = invert ? 255 - g : g;
          }
          out[i + 3] = 255;
          continue;
        }
        const t = Math.max(-1, Math.min(1, v / high));
        const a = opacity * (map.mode === 2 ? Math.max(t, 0) : Math.abs(t));
        const colour = t < 0 ? map.negative : map.positive;
        for (let c = 0; c < 3; c++) out[i + c] = out[i + c] * (1 - a) + colour[c] * a;
      }
    }
    this.context.putImageData(image, left, top);
  }

  free() {}

  keepOnly() {}
}

const clamp = (v, last) => (v < 0 ? 0 : v > last ? last : v);
