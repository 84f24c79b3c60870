// Maps: what every neuron gives at each point of the grid.

// The layer and the neuron whose map is shown large: the output's, unless one rests on another.
function large() {
  const last = training.layers.length - 1;
  if (!state.hovered) return [last, 0];
  const [l, k] = state.hovered;
  return l <= last && k < training.layers[l - 1].nout ? [l - 1, k] : [last, 0];
}

// Layer by layer, and in each neuron by neuron over the whole plane: a neuron's numbers lie side by side.
function evaluate() {
  const layers = training.layers;
  if (maps.length !== layers.length || maps.some((m, l) => m.length !== layers[l].nout)) {
    maps = layers.map((layer) => Array.from({ length: layer.nout }, () => new Float64Array(GRID * GRID)));
  }
  const [shownLayer, shownNeuron] = large();
  let below = plane();
  layers.forEach((layer, l) => {
    maps[l].forEach((map, k) => {
      weighted(map, layer, k, below);
      if (l === shownLayer && k === shownNeuron) line.set(map);
      activate(map, layer.activation.value);
    });
    below = maps[l];
  });
}

const inputs = [new Float64Array(GRID * GRID), new Float64Array(GRID * GRID)];

// x1 and x2 at each point of the grid.
function plane() {
  for (let row = 0, i = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++, i++) {
      inputs[0][i] = extent[0] + ((column + 0.5) * (extent[1] - extent[0])) / GRID;
      inputs[1][i] = extent[3] - ((row + 0.5) * (extent[3] - extent[2])) / GRID;
    }
  }
  return inputs;
}

function weighted(z, { nin, weights, biases }, k, below) {
  z.fill(biases[k]);
  for (let j = 0; j < nin; j++) {
    const [w, a] = [weights[k * nin + j], below[j]];
    for (let i = 0; i < z.length; i++) z[i] += w * a[i];
  }
}

function activate(z, value) {
  for (let i = 0; i < z.length; i++) z[i] = value(z[i]);
}

let colors = null;

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  const rgb = (name) => [1, 3, 5].map((i) => parseInt(get(name).slice(i, i + 2), 16));
  const middle = rgb("--middle");
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const t = i / 127.5 - 1; // -1: class 0, 1: class 1
    const end = rgb(t < 0 ? "--zero-map" : "--one-map");
    const [r, g, b] = end.map((c, n) => Math.round(middle[n] + (c - middle[n]) * Math.min(1, Math.abs(t))));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  colors = { table, ink: get("--ink"), soft: get("--soft"), line: get("--line"), page: get("--page"), accent: get("--accent"),
    zero: get("--zero-fill"), one: get("--one-fill") };
}

// A map as colours. The output is shown as a probability. What another neuron gives is white where its z is 0, and as
// strong as it is far from there, beside the farthest point of the plane.
function paint(values, size, stride, layer) {
  const image = new ImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer);
  const isLogit = layer === training.layers.length - 1;
  const middle = training.layers[layer].activation.value(0);
  let most = 0.05;
  if (!isLogit) for (let i = 0; i < values.length; i += 7) most = Math.max(most, Math.abs(values[i] - middle));
  const half = stride >> 1;
  for (let row = 0, i = 0; row < size; row++) {
    for (let column = 0; column < size; column++, i++) {
      const v = values[(row * stride + half) * GRID + column * stride + half];
      const t = isLogit ? 2 * OPS.sigmoid.forward(v) - 1 : (v - middle) / most;
      pixels[i] = colors.table[Math.max(0, Math.min(255, Math.round((t + 1) * 127.5)))];
    }
  }
  return image;
}

const buffer = document.createElement("canvas");
buffer.width = buffer.height = GRID;

function sharp(canvas) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const wide = Math.round(canvas.clientWidth * ratio);
  const high = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, canvas.clientWidth, canvas.clientHeight];
}

const place = (p, side) => [
  ((p[0] - extent[0]) / (extent[1] - extent[0])) * side, ((extent[3] - p[1]) / (extent[3] - extent[2])) * side];

function drawMap() {
  const [context, side] = sharp($("map"));
  const [l, k] = large();
  buffer.getContext("2d").putImageData(paint(maps[l][k], GRID, 1, l), 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(buffer, 0, 0, side, side);
  boundary(context, side, line);
  context.drawImage(marks(side), 0, 0, side, side);
}

let marked = null; // the points as a picture, and of what it is one: hundreds of outlines a frame are slow

function marks(side) {
  const of = [state.points, state.sample, side, $("map").width, colors, ...extent];
  if (marked && of.every((x, i) => x === marked.of[i])) return marked.canvas;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = $("map").width;
  const context = canvas.getContext("2d");
  context.scale(canvas.width / side, canvas.width / side);
  const radius = Math.max(3, Math.min(5, side / 90));
  context.lineWidth = 1;
  context.strokeStyle = "#1e272e";
  state.points.forEach((p, i) => {
    const [x, y] = place(p, side);
    context.beginPath();
    if (p[2] >= 0.5) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else context.arc(x, y, radius, 0, 7);
    context.fillStyle = p[2] >= 0.5 ? colors.one : colors.zero;
    context.fill();
    context.stroke();
    if (i === state.sample) {
      context.beginPath();
      context.arc(x, y, radius + 5, 0, 7);
      context.lineWidth = 3;
      context.strokeStyle = colors.ink;
      context.stroke();
      context.lineWidth = 1;
      context.strokeStyle = "#1e272e";
    }
  });
  marked = { canvas, of };
  return canvas;
}

// The line on which the values are 0: marching squares with straight pieces.
function boundary(context, side, values) {
  context.beginPath();
  const cell = side / GRID;
  for (let row = 0; row < GRID - 1; row++) {
    for (let column = 0; column < GRID - 1; column++) {
      const i = row * GRID + column;
      const corners = [values[i], values[i + 1], values[i + GRID + 1], values[i + GRID]];
      const above = corners[0] > 0;
      if (corners[1] > 0 === above && corners[2] > 0 === above && corners[3] > 0 === above) continue;
      const at = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      const cuts = [];
      for (let e = 0; e < 4; e++) {
        const a = corners[e];
        const b = corners[(e + 1) % 4];
        if (a > 0 === b > 0) continue;
        const t = a / (a - b);
        const [p, q] = [at[e], at[(e + 1) % 4]];
        cuts.push([(p[0] + t * (q[0] - p[0]) + 0.5) * cell, (p[1] + t * (q[1] - p[1]) + 0.5) * cell]);
      }
      for (let c = 0; c + 1 < cuts.length; c += 2) {
        context.moveTo(...cuts[c]);
        context.lineTo(...cuts[c + 1]);
      }
    }
  }
  context.lineWidth = 2.5;
  context.strokeStyle = colors.ink;
  context.stroke();
}

function drawEdges() {
  for (const { element, layer, neuron, input } of paths) {
    const l = training.layers[layer];
    const w = l.weights[neuron * l.nin + input];
    const chosen = layer === state.chosen.layer && neuron === state.chosen.neuron && input === state.chosen.input;
    element.setAttribute("stroke-width", Math.min(9, 0.6 + 2.2 * Math.abs(w)).toFixed(2));
    element.setAttribute("class", (w < 0 ? "negative" : "positive") + (chosen ? " chosen" : ""));
  }
}

function drawThumbs() {
  const stride = Math.floor(GRID / THUMB);
  for (let l = 1; l < nodes.length; l++) {
    nodes[l].forEach(({ canvas, button }, k) => {
      canvas.getContext("2d").putImageData(paint(maps[l - 1][k], THUMB, stride, l - 1), 0, 0);
      button.classList.toggle("shown", !!state.hovered && state.hovered[0] === l && state.hovered[1] === k);
    });
  }
}
