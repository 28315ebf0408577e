// Draws stored values on the GPU: unsigned 16-bit integers in R16UI textures, everything else in R32F, so the window
// acts on the true value of every pixel. Images are cut into tiles of at most 2048 pixels with their own mean pyramid.

import { LEVELS } from "./pixels.js";
import { MAPS } from "./maps.js";

const TILE = 2048;

const VERTEX = `#version 300 es
in vec2 corner;
uniform vec4 rect; // left, top, width, height in device pixels
uniform vec2 size;
void main() {
  vec2 at = (rect.xy + corner * rect.zw) / size;
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}`;

// One program per kind of texture and of colouring: without branches a processor without GPU keeps up as well.
const fragment = (sampler, colouring) => `#version 300 es
precision highp float;
precision highp int;
precision highp ${sampler};
uniform ${sampler} image;
uniform vec2 first;    // image pixels at device pixel (0, 0), counted from the tile's first
uniform vec2 inverse;  // image pixels per device pixel; y runs up
uniform ivec2 last;
uniform int lod;
uniform vec2 window;   // grey = (value - window.x) * window.y
uniform float saturation;
uniform float opacity;
uniform float least;
uniform vec3 negative, positive;
out vec4 colour;
void main() {
  ivec2 p = clamp(ivec2(floor(gl_FragCoord.xy * inverse + first)), ivec2(0), last) >> lod;
  float value = float(texelFetch(image, p, lod).r);
  ${colouring}
}`;

const GREY = `float t = clamp((value - window.x) * window.y, 0.0, 1.0);
  colour = value >= saturation ? vec4(0.92, 0.16, 0.22, 1.0) : vec4(t, t, t, 1.0);`;
const MAPPED = `float t = clamp(value * window.y, least, 1.0);
  float a = opacity * abs(t);
  colour = vec4((t < 0.0 ? negative : positive) * a, a);`;

export class GlRenderer {
  static name = "WebGL2, 16-bit";

  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    this.canvas = canvas;
    this.tile = Math.min(TILE, gl.getParameter(gl.MAX_TEXTURE_SIZE));
    this.textures = new Map();
    this.programs = {};
    for (const [wire, sampler] of [["u2", "usampler2D"], ["f4", "sampler2D"]]) {
      this.programs[wire] = { grey: this._program(sampler, GREY), mapped: this._program(sampler, MAPPED) };
    }
    const corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.enable(gl.SCISSOR_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  _program(sampler, colouring) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, fragment(sampler, colouring)]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "corner");
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const places = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name } = gl.getActiveUniform(program, i);
      places[name] = gl.getUniformLocation(program, name);
    }
    return { program, places };
  }

  begin(background) {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.scissor(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  // clip: {x, y, w, h}; origin: device position of image pixel (0, 0); scale: device pixels per image pixel
  draw(picture, clip, origin, scale, style) {
    const gl = this.gl, height = this.canvas.height, map = style.map ? MAPS[style.map] : null;
    const { program, places } = this.programs[picture.meta.wire][map ? "mapped" : "grey"];
    gl.scissor(clip.x, height - clip.y - clip.h, clip.w, clip.h);
    gl.useProgram(program);
    const lod = Math.min(LEVELS - 1, Math.max(0, Math.round(Math.log2(1 / scale))));
    gl.uniform2f(places.size, this.canvas.width, height);
    gl.uniform2f(places.inverse, 1 / scale, -1 / scale);
    gl.uniform1i(places.lod, lod);
    if (map) {
      gl.enable(gl.BLEND);
      gl.uniform2f(places.window, 0, 1 / style.high);
      gl.uniform1f(places.opacity, style.opacity ?? 1);
      gl.uniform1f(places.least, map.mode === 2 ? 0 : -1);
      gl.uniform3f(places.negative, ...map.negative.map((v) => v / 255));
      gl.uniform3f(places.positive, ...map.positive.map((v) => v / 255));
    } else {
      gl.disable(gl.BLEND);
      const gain = 1 / (style.high - style.low);
      gl.uniform2f(places.window, style.invert ? style.high : style.low, style.invert ? -gain : gain);
      gl.uniform1f(places.saturation, style.saturation ?? 3.4e38);
    }
    gl.uniform1i(places.image, 0);
    for (const tile of this._tiles(picture)) {
      const left = origin.x + tile.col * scale, top = origin.y + tile.row * scale;
      const right = left + tile.cols * scale, bottom = top + tile.rows * scale;
      if (right <= clip.x || bottom <= clip.y || left >= clip.x + clip.w || top >= clip.y + clip.h) continue;
      gl.bindTexture(gl.TEXTURE_2D, tile.texture);
      gl.uniform4f(places.rect, left, top, right - left, bottom - top);
      gl.uniform2f(places.first, -left / scale, (height - top) / scale);
      gl.uniform2i(places.last, tile.cols - 1, tile.rows - 1);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  _tiles(picture) {
    const known = this.textures.get(picture.meta.id);
    if (known && known.picture === picture) return known.tiles;
    if (known) this.free(picture.meta.id);
    const tiles = [];
    for (let row = 0; row < picture.rows; row += this.tile) {
      for (let col = 0; col < picture.cols; col += this.tile) tiles.push(this._upload(picture, row, col));
    }
    this.textures.set(picture.meta.id, { picture, tiles });
    return tiles;
  }

  _upload(picture, row, col) {
    const gl = this.gl, whole = picture.meta.wire === "u2";
    const rows = Math.min(this.tile, picture.rows - row), cols = Math.min(this.tile, picture.cols - col);
    const grid = 2 ** (LEVELS - 1), up = (n) => Math.ceil(n / grid) * grid;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, LEVELS, whole ? gl.R16UI : gl.R32F, up(cols), up(rows));
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST_MIPMAP_NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    for (let k = 0; k < LEVELS; k++) {
      const level = picture.level(k), left = col >> k, top = row >> k;
      const w = Math.min(Math.ceil(cols / 2 ** k), level.cols - left), h = Math.min(Math.ceil(rows / 2 ** k), level.rows - top);
      gl.pixelStorei(gl.UNPACK_ROW_LENGTH, level.cols);
      gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, left);
      gl.pixelStorei(gl.UNPACK_SKIP_ROWS, top);
      const [format, type] = whole ? [gl.RED_INTEGER, gl.UNSIGNED_SHORT] : [gl.RED, gl.FLOAT];
      gl.texSubImage2D(gl.TEXTURE_2D, k, 0, 0, w, h, format, type, level.data);
    }
    return { texture, row, col, rows, cols };
  }

  // Wait until everything is drawn.
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  free(id) {
    const known = this.textures.get(id);
    if (!known) return;
    for (const tile of known.tiles) this.gl.deleteTexture(tile.texture);
    this.textures.delete(id);
  }

  keepOnly(ids) {
    for (const id of [...this.textures.keys()]) if (!ids.has(id)) this.free(id);
  }
}
