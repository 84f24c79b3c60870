// The page: controls, pictures, the link. The network itself is in playground_training.js above.

const setup = JSON.parse(document.getElementById("setup").textContent);
const $ = (id) => document.getElementById(id);
const MOST_LAYERS = 6;
const MOST_NEURONS = 16;
const GRID = 64; // points of the plane a side, at which the network is evaluated
const THUMB = 20; // of which a neuron's box shows so many

const state = {
  settings: { ...setup.settings },
  data: setup.data,
  points: setup.data === "own" ? setup.own : setup.sets[setup.data],
  given: setup.weights, // initial weights that came with the page or with a link
  chosen: { layer: 0, neuron: 0, input: 0 },
  sample: 0,
  hovered: null, // [layer, neuron] whose map is shown large
  playing: false,
};
let training;
let extent; // [x1 low, x1 high, x2 low, x2 high] of the plane
let maps = []; // for each neuron of each layer, its activation over the grid
const line = new Float64Array(GRID * GRID); // the z of the neuron that is shown: where it is 0 is its boundary
let shapeOf = "";

// Numbers as the other pages write them.
function shown(x) {
  if (!Number.isFinite(x)) return String(x).replace("Infinity", "inf").replace("NaN", "nan").replace("-", "−");
  const size = Math.abs(x);
  if (size && (size < 1e-3 || size >= 1e5)) {
    const [digits, exponent] = x.toExponential(2).split("e");
    return `${digits}e${Number(exponent)}`.replaceAll("-", "−");
  }
  return (size ? x : 0).toFixed(4).replace("-", "−");
}

function say(text, wrong = false) {
  $("message").textContent = text;
  $("message").classList.toggle("wrong", wrong);
}

// What the page can be set to.

const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const BATCHES = [0, 1, 4, 10, 16, 32, 64];

function options(id, values, chosen, text = String) {
  const select = $(id);
  select.replaceChildren();
  if (!values.includes(chosen)) values = [...values, chosen];
  for (const value of values) {
    const option = new Option(text(value), String(value));
    option.selected = value === chosen;
    select.append(option);
  }
}

function showSettings() {
  const s = state.settings;
  options("data", Object.keys(setup.sets).concat(state.data === "own" ? ["own"] : []), state.data,
    (name) => (name === "own" ? "own points" : name));
  options("activation", Object.keys(ACTIVATIONS), s.activation, (name) => name.replace("_", " "));
  options("loss", Object.keys(LOSSES), s.loss, (name) => name.replace("_", "-").replace("squared-", "squared "));
  options("optimizer", Object.keys(OPTIMIZERS), s.optimizer, (name) => OPTIMIZERS[name].about.title);
  options("rate", RATES, s.rate);
  options("batch", BATCHES, s.batch, (size) => (size ? String(size) : "all"));
  $("seed").value = s.seed;
}

// Begin anew: the initial weights, epoch 0.
function restart(keep = null) {
  training = new Training(state.settings, state.points, keep || state.given);
  if (!(state.sample < state.points.length)) state.sample = 0;
  findExtent();
  build();
  redraw(true);
}

function change(name, value) {
  const shape = ["activation", "seed"].includes(name);
  state.settings[name] = value;
  if (shape) state.given = null;
  if (name === "rate") training.settings.rate = value; // as one turns a knob
  else restart();
  showSettings();
}

function findExtent() {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (const p of state.points) {
    for (const i of [0, 1]) {
      low[i] = Math.min(low[i], p[i]);
      high[i] = Math.max(high[i], p[i]);
    }
  }
  if (!state.points.length) { low.fill(-1.5); high.fill(1.5); }
  const half = Math.max(high[0] - low[0], high[1] - low[1], 1e-6) * 0.56;
  const centre = [0, 1].map((i) => (low[i] + high[i]) / 2);
  extent = [centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half];
}

// The network's picture: boxes for neurons, paths for weights.

const nodes = []; // [layer][k]: { button, canvas, x, y }; layer 0 holds the inputs
let paths = []; // { element, layer, neuron, input }

function build() {
  const sizes = [2, ...state.settings.layers, 1];
  $("depth").textContent = `${sizes.length - 2} hidden layer${sizes.length === 3 ? "" : "s"}`;
  $("fewer").disabled = sizes.length <= 2;
  $("more").disabled = sizes.length - 2 >= MOST_LAYERS;
  const graph = $("graph");
  const wide = Math.max(graph.clientWidth || 500, (sizes.length - 1) * 44 + 52);
  const most = Math.max(...sizes);
  const gap = most > 8 ? 44 : 48;
  const top = 92;
  const height = top + most * gap + 8;
  const key = JSON.stringify([sizes, wide]);
  if (key === shapeOf) return;
  shapeOf = key;
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : "";
  for (const old of graph.querySelectorAll(".neuron, .width, .count")) old.remove();
  graph.style.height = `${height}px`;
  const edges = $("edges");
  edges.setAttribute("width", wide);
  edges.setAttribute("height", height);
  edges.replaceChildren();
  nodes.length = 0;
  paths = [];
  sizes.forEach((size, l) => {
    const x = sizes.length === 1 ? wide / 2 : 26 + (l * (wide - 52)) / (sizes.length - 1);
    const column = [];
    for (let k = 0; k < size; k++) {
      const y = top + (most * gap) / 2 + (k - (size - 1) / 2) * gap;
      const button = document.createElement("button");
      button.type = "button";
      button.className = l ? "neuron" : "neuron input";
      button.style.left = `${x - 20}px`;
      button.style.top = `${y - 20}px`;
      button.dataset.key = `n${l},${k}`;
      let canvas = null;
      if (l) {
        canvas = document.createElement("canvas");
        canvas.width = canvas.height = THUMB;
        button.append(canvas);
        button.setAttribute("aria-label", l === sizes.length - 1 ? "Output neuron" : `Layer ${l}, neuron ${k + 1}`);
        const show = () => { state.hovered = [l, k]; redraw(); };
        const hide = () => { state.hovered = null; redraw(); };
        button.addEventListener("pointerenter", show);
        button.addEventListener("pointerleave", hide);
        button.addEventListener("focus", show);
        button.addEventListener("blur", hide);
        button.addEventListener("click", () => choose({ layer: l - 1, neuron: k, input: state.chosen.input }));
      } else {
        button.innerHTML = `x<sub>${k + 1}</sub>`;
        button.setAttribute("aria-label", `Input ${k + 1}`);
      }
      graph.append(button);
      column.push({ button, canvas, x, y });
    }
    nodes.push(column);
    if (l && l < sizes.length - 1) {
      for (const [sign, step, y, word] of [["+", 1, 0, "more"], ["−", -1, 42, "less"]]) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "width";
        button.textContent = sign;
        button.dataset.key = `w${l},${step}`;
        button.style.left = `${x - 20}px`;
        button.style.top = `${y}px`;
        button.setAttribute("aria-label", `Layer ${l} has ${size}: one neuron ${word}`);
        button.disabled = step < 0 ? size <= 1 : size >= MOST_NEURONS;
        button.addEventListener("click", () => {
          const layers = [...state.settings.layers];
          layers[l - 1] += step;
          resize(layers);
        });
        graph.append(button);
      }
    }
  });
  for (let l = 1; l < nodes.length; l++) {
    nodes[l].forEach((to, k) => nodes[l - 1].forEach((from, j) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const half = (to.x - from.x) / 2;
      element.setAttribute("d", `M${from.x + 20} ${from.y}C${from.x + half} ${from.y} ${to.x - half} ${to.y} ${to.x - 20} ${to.y}`);
      edges.append(element);
      paths.push({ element, layer: l - 1, neuron: k, input: j, from, to });
    }));
  }
  if (focused) graph.querySelector(`[data-key="${focused}"]`)?.focus();
  choose(state.chosen);
}

function resize(layers) {
  state.settings.layers = layers;
  state.given = null;
  restart();
}

// A cubic from one box to the next, at a share t of its way.
function along({ from, to }, t) {
  const half = (to.x - from.x) / 2;
  const xs = [from.x + 20, from.x + half, to.x - half, to.x - 20];
  const ys = [from.y, from.y, to.y, to.y];
  const u = 1 - t;
  const mix = (p) => u * u * u * p[0] + 3 * u * u * t * p[1] + 3 * u * t * t * p[2] + t * t * t * p[3];
  return [mix(xs), mix(ys)];
}

function nearestEdge(x, y) {
  let best = null;
  let least = 20;
  for (const path of paths) {
    if (x < path.from.x || x > path.to.x) continue;
    for (let t = 0; t <= 1; t += 0.05) {
      const [px, py] = along(path, t);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) { least = distance; best = path; }
    }
  }
  return best;
}

// The layer and the neuron whose map is shown large: the output's, unless one rests on another.
function large() {
  const last = training.layers.length - 1;
  if (!state.hovered) return [last, 0];
  const [l, k] = state.hovered;
  return l <= last && k < training.layers[l - 1].nout ? [l - 1, k] : [last, 0];
}

// Maps: what every neuron gives at each point of the grid.

function evaluate() {
  const layers = training.layers;
  if (maps.length !== layers.length || maps.some((m, l) => m.length !== layers[l].nout)) {
    maps = layers.map((layer) => Array.from({ length: layer.nout }, () => new Float64Array(GRID * GRID)));
  }
  const [shownLayer, shownNeuron] = large();
  const x = [0, 0];
  for (let row = 0, i = 0; row < GRID; row++) {
    x[1] = extent[3] - ((row + 0.5) * (extent[3] - extent[2])) / GRID;
    for (let column = 0; column < GRID; column++, i++) {
      x[0] = extent[0] + ((column + 0.5) * (extent[1] - extent[0])) / GRID;
      training.logit(x);
      for (let l = 0; l < layers.length; l++) {
        const a = layers[l].a;
        for (let k = 0; k < a.length; k++) maps[l][k][i] = a[k];
      }
      line[i] = layers[shownLayer].z[shownNeuron];
    }
  }
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

function drawCurve() {
  const [context, wide, high] = sharp($("curve"));
  context.clearRect(0, 0, wide, high);
  const losses = training.history;
  const log = $("log").checked;
  const scale = (v) => (log ? Math.log10(Math.max(v, 1e-12)) : v);
  const [left, right, top, bottom] = [46, wide - 8, 8, high - 20];
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = colors.soft;
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.strokeRect(left, top, right - left, bottom - top);
  if (!losses.length) {
    context.fillText("no epoch yet", left + 8, top + 20);
    return;
  }
  let [low, most] = [log ? Infinity : 0, -Infinity];
  for (const v of losses) { low = Math.min(low, scale(v)); most = Math.max(most, scale(v)); }
  if (!(most > low)) { most = low + 1; }
  context.textAlign = "right";
  const text = (v) => (log ? (10 ** v).toExponential(1).replace("e-", "e−").replace("e+", "e") : v.toFixed(v < 10 ? 3 : 0));
  context.fillText(text(most), left - 4, top + 10);
  context.fillText(text(low), left - 4, bottom);
  context.fillText(`epoch ${training.epochs}`, right, bottom + 15);
  context.textAlign = "left";
  context.fillText(String(training.epochs - losses.length + 1), left, bottom + 15);
  context.beginPath();
  const n = losses.length;
  const every = Math.max(1, Math.floor(n / 600));
  for (let i = 0; i < n; i += every) {
    const x = left + (n === 1 ? 0 : ((right - left) * i) / (n - 1));
    const y = bottom - ((bottom - top) * (scale(losses[i]) - low)) / (most - low);
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  }
  context.strokeStyle = colors.accent;
  context.lineWidth = 2;
  context.stroke();
}

// The size of the gradient by layer, on a scale of powers of ten from 1e-8 to 10.
function drawSizes() {
  const box = $("sizes");
  const layers = training.layers;
  if (box.childElementCount !== layers.length) {
    box.replaceChildren(...layers.map((_, l) => {
      const row = document.createElement("div");
      row.className = "size";
      row.innerHTML = '<span></span><div class="track"><div class="fill"></div></div><span class="number"></span>';
      row.firstChild.textContent = l === layers.length - 1 ? "output" : `layer ${l + 1}`;
      return row;
    }));
  }
  const sizes = layers.map(({ dweights }) => dweights.reduce((sum, g) => sum + Math.abs(g), 0) / dweights.length);
  sizes.forEach((size, l) => {
    const row = box.children[l];
    const share = size > 0 ? Math.max(0, Math.min(1, (Math.log10(size) + 8) / 9)) : 0;
    row.querySelector(".fill").style.width = `${(100 * share).toFixed(1)}%`;
    row.querySelector(".number").textContent = shown(size);
  });
  const ratio = sizes[sizes.length - 1] / sizes[0];
  let text = "mean |∂J/∂w| over the data; each step of the bar a power of ten, from 1e−8 to 10";
  if (sizes[0] === 0 || ratio > 30) {
    const times = Number.isFinite(ratio) ? `1/${ratio < 1000 ? ratio.toFixed(0) : ratio.toExponential(0).replace("e+", "e")}` : "nothing";
    text += `. It vanishes: layer 1 gets ${times} of what the output layer gets.`;
  } else text += ".";
  if ($("vanishing").textContent !== text) $("vanishing").textContent = text;
}

// One weight by the chain rule, at the chosen point.

function name(symbol, layer, ...below) {
  const up = layer === null ? "" : `<sup>${layer}</sup>`;
  return `<i>${symbol}</i>${up}${below.length ? `<sub>${below.join(",")}</sub>` : ""}`;
}

function choose({ layer, neuron, input }) {
  const layers = training.layers;
  layer = Math.min(layer, layers.length - 1);
  neuron = Math.min(neuron, layers[layer].nout - 1);
  input = Math.min(input, layers[layer].nin - 1);
  state.chosen = { layer, neuron, input };
  const count = (n) => Array.from({ length: n }, (_, i) => i);
  options("which-layer", count(layers.length), layer, (l) => (l === layers.length - 1 ? "output" : String(l + 1)));
  options("which-neuron", count(layers[layer].nout), neuron, (k) => String(k + 1));
  options("which-input", count(layers[layer].nin), input, (j) => String(j + 1));
  redraw();
}

// A number in a product: a negative one in parentheses, but for the first.
const factor = (x, before) => (before && (x < 0 || Object.is(x, -0)) ? `(${shown(x)})` : shown(x));

function explain() {
  const { layer, neuron, input } = state.chosen;
  const layers = training.layers;
  const last = layers.length - 1;
  const L = layers[layer];
  const l = layer + 1;
  const point = state.points[state.sample];
  if (!point) {
    $("says").textContent = "Add a point to the plane.";
    return;
  }
  const mean = L.dweights[neuron * L.nin + input]; // of all points, as redraw left it
  training.gradient([state.sample]);
  const w = L.weights[neuron * L.nin + input];
  const below = layer ? layers[layer - 1].a[input] : point[input];
  const delta = L.dz[neuron];
  const W = name("w", l, neuron + 1, input + 1);
  const Z = name("z", l, neuron + 1);
  const A = name("a", l, neuron + 1);
  const before = layer ? name("a", l - 1, input + 1) : name("x", null, input + 1);
  const part = (top, bottom) => `∂${top}/∂${bottom}`;
  const up = (x) => `<span class="up">${x}</span>`;
  const local = (x) => `<span class="local">${x}</span>`;
  const lines = [`<p>${W} = ${shown(w)}, at the point x = (${shown(point[0])}, ${shown(point[1])}) of class ${point[2]}, ringed in the plane:</p>`];
  lines.push(`<p class="formula">${part("<i>J</i>", W)} = ${up(part("<i>J</i>", Z))} · ${local(part(Z, W))} = ${up(part("<i>J</i>", Z))} · ${local(before)} = ${up(shown(delta))} × ${local(factor(below, 1))} = <b>${shown(delta * below)}</b></p>`);
  if (layer === last) {
    lines.push(`<p>The first factor is the slope of the loss at the output's ${Z} = ${shown(L.z[0])}.</p>`);
  } else {
    const next = layers[layer + 1];
    const slopeHere = L.activation.slope(L.z[neuron], L.a[neuron]);
    let da = 0;
    const terms = [];
    for (let k = 0; k < next.nout; k++) {
      const v = next.weights[k * next.nin + neuron];
      da += next.dz[k] * v;
      if (k < 4 || k === next.nout - 1) terms.push(`${up(factor(next.dz[k], terms.length))} × ${local(factor(v, 1))}`);
      else if (k === 4) terms.push("…");
    }
    const sum = next.nout > 1 ? "Σ<sub>k</sub> " : "";
    const kk = next.nout > 1 ? "k" : "1";
    lines.push("<p>The first factor comes from behind, over every edge that leaves this neuron, and through its activation:</p>");
    lines.push(`<p class="formula">${part("<i>J</i>", A)} = ${sum}${up(part("<i>J</i>", name("z", l + 1, kk)))} · ${local(name("w", l + 1, kk, neuron + 1))} = ${terms.join(" + ")} = ${shown(da)}</p>`);
    lines.push(`<p class="formula">${part("<i>J</i>", Z)} = ${up(part("<i>J</i>", A))} · ${local(`f′(${Z})`)} = ${up(shown(da))} × ${local(factor(slopeHere, 1))} = ${shown(da * slopeHere)}</p>`);
    if (Math.abs(slopeHere) < 0.01) lines.push(`<p>f′ is almost 0 here: the neuron is saturated, and hardly anything passes through it.</p>`);
  }
  lines.push(`<p>The mean over all ${state.points.length} points is ${part("<i>J</i>", W)} = <b>${shown(mean)}</b>; ${nudge(L, neuron * L.nin + input)}.</p>`);
  $("says").innerHTML = lines.join("");
}

function meanLoss() {
  let total = 0;
  for (const p of state.points) total += training.loss(training.logit(p), p[2]);
  return total / state.points.length;
}

// The same derivative by moving the weight a little.
function nudge(layer, i) {
  const h = 1e-4;
  const w = layer.weights[i];
  layer.weights[i] = w + h;
  const above = meanLoss();
  layer.weights[i] = w - h;
  const below = meanLoss();
  layer.weights[i] = w;
  return `measured, by moving the weight by ±0.0001 and looking at the loss: ${shown((above - below) / (2 * h))}`;
}

// A redraw now, or with the next frame; text only where nobody waits for the next picture.

let waiting = false;
let frames = 0;

function redraw(now = false) {
  if (now) return draw(true);
  if (!waiting && !state.playing) {
    waiting = true;
    requestAnimationFrame(() => { waiting = false; if (!state.playing) draw(true); });
  }
}

// While it trains, each frame takes a step and redraws a part: the boundary in one, the edges in the next.
function draw(whole) {
  if (!training) return;
  if (!colors) readColors();
  if (whole || frames % 2) {
    evaluate();
    drawMap();
  }
  if (whole || frames % 4 === 0) drawEdges();
  if (whole || frames % 6 === 3) drawThumbs();
  if (whole || frames % 6 === 0) {
    const full = state.points.length ? training.gradient(training.everything()) : NaN;
    drawSizes();
    drawCurve();
    $("losses").textContent = state.points.length ? `loss ${shown(full)}` : "no points";
    $("epoch").textContent = `epoch ${training.epochs}`;
    if (whole || frames % 30 === 0) explain();
  }
}

function steps(count) {
  try {
    for (let i = 0; i < count; i++) training.step();
    return true;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    play(false);
    say(error.message, true);
    return false;
  }
}

function frame() {
  if (!state.playing) return;
  if (steps(Number($("speed").value))) {
    frames++;
    draw(false);
    requestAnimationFrame(frame);
  }
}

function play(on) {
  if (on && !state.points.length) {
    say("There is nothing to learn from: add points first.", true);
    on = false;
  }
  if (on === state.playing) return;
  state.playing = on;
  $("play").textContent = on ? "⏸ Pause" : "▶ Play";
  $("play").setAttribute("aria-pressed", String(on));
  if (on) {
    say("");
    requestAnimationFrame(frame);
  } else {
    draw(true);
    remember();
  }
}

// Links: the settings in words, the weights and the optimiser's state as bytes, so that nothing is rounded.

const encode = (numbers) => {
  const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

const decode = (text) => {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  if (raw.length % 8) throw new Error("the numbers are cut off");
  return Array.from(new Float64Array(Uint8Array.from(raw, (c) => c.charCodeAt(0)).buffer));
};

function link() {
  const s = state.settings;
  const parts = new URLSearchParams({
    data: state.data, layers: s.layers.join(","), activation: s.activation, loss: s.loss, optimizer: s.optimizer,
    rate: s.rate, batch: s.batch, seed: s.seed, epochs: training.epochs,
  });
  if (state.data === "own") parts.set("points", state.points.map((p) => p.map((x) => +x.toPrecision(8)).join(" ")).join(";"));
  if (training.updates || state.given) parts.set("weights", encode(training.parameters()));
  if (training.updates && training.state.length) {
    parts.set("state", encode([training.steps, ...training.state.flatMap((list) => Array.from(list))]));
  }
  if (training.position) {
    parts.set("position", training.position);
    parts.set("sum", encode([training.sum]));
  }
  return `#${parts}`;
}

function remember() {
  try {
    history.replaceState(null, "", link());
  } catch { /* a frame without an address */ }
}

function whole(text, low, high, what) {
  const n = Number(text);
  if (!Number.isInteger(n) || n < low || n > high) throw new Error(`${what} ${text}: a whole number from ${low} to ${high}`);
  return n;
}

function among(value, choices, what) {
  if (!Object.hasOwn(choices, value)) throw new Error(`${what} ${value.slice(0, 30)} is not known`);
  return value;
}

// The state that the address holds; an error leaves the page as it was made.
function follow() {
  if (location.hash.length < 2) return;
  const parts = new URLSearchParams(location.hash.slice(1));
  const before = { settings: { ...state.settings }, data: state.data, points: state.points, given: state.given };
  try {
    const s = state.settings;
    const has = (key) => parts.has(key);
    const get = (key) => parts.get(key);
    if (has("data")) {
      const own = get("data") === "own" && has("points");
      state.data = own ? "own" : among(get("data"), setup.data === "own" ? { ...setup.sets, own: 1 } : setup.sets, "data set");
      state.points = own ? get("points").split(";").map((row) => checked(row.split(" "))) : state.data === "own" ? setup.own : setup.sets[state.data];
    }
    if (has("layers")) {
      const sizes = get("layers") ? get("layers").split(",") : [];
      if (sizes.length > MOST_LAYERS) throw new Error(`${sizes.length} hidden layers: at most ${MOST_LAYERS}`);
      s.layers = sizes.map((size) => whole(size, 1, Math.max(MOST_NEURONS, ...setup.settings.layers), "a layer of"));
    }
    if (has("activation")) s.activation = among(get("activation"), ACTIVATIONS, "activation");
    if (has("loss")) s.loss = among(get("loss"), LOSSES, "loss");
    if (has("optimizer")) s.optimizer = among(get("optimizer"), OPTIMIZERS, "optimiser");
    if (has("rate")) {
      s.rate = Number(get("rate"));
      if (!(s.rate >= 0 && s.rate < Infinity) || !get("rate")) throw new Error("the learning rate is no number of at least 0");
    }
    if (has("batch")) s.batch = whole(get("batch"), 0, 1e6, "batch");
    if (has("seed")) s.seed = whole(get("seed"), 0, Number.MAX_SAFE_INTEGER, "seed");
    const weights = has("weights") ? decode(get("weights")) : null;
    const same = ["layers", "activation", "seed"].every((key) => String(s[key]) === String(setup.settings[key]));
    state.given = same ? setup.weights : null;
    const made = new Training(s, state.points, state.given);
    if (weights && weights.length !== made.count()) throw new Error(`${weights.length} weights for a network of ${made.count()}`);
    if (weights) made.setParameters(weights);
    const numbers = has("state") ? decode(get("state")) : [];
    if (numbers.length && numbers.length !== 1 + made.state.length * made.count()) throw new Error("the optimiser's state does not fit");
    if (numbers.length) {
      made.steps = numbers[0];
      made.state.forEach((list, n) => list.set(numbers.slice(1 + n * list.length, 1 + (n + 1) * list.length)));
    }
    const epochs = has("epochs") ? whole(get("epochs"), 0, 1e6, "epochs") : 0;
    if (weights) {
      const position = has("position") ? whole(get("position"), 0, state.points.length - 1, "position") : 0;
      made.resume(epochs, position, position ? decode(get("sum") || "")[0] || 0 : 0);
    } else for (let e = 0; e < Math.min(epochs, 20000); ) e += made.step() ? 1 : 0;
    restart(made.parameters());
    training = made;
    state.sample = 0;
    showSettings();
    redraw(true);
  } catch (error) {
    Object.assign(state, before);
    restart();
    showSettings();
    say(`The link cannot be followed: ${error.message}.`, true);
  }
}

// Points of one's own.

function checked(cells) {
  const numbers = cells.map((cell) => (String(cell).trim() === "" ? NaN : Number(cell)));
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) throw new Error("three numbers a line: x1, x2, label");
  if (numbers[2] < 0 || numbers[2] > 1) throw new Error(`the label is ${numbers[2]}: it must lie between 0 and 1`);
  return numbers;
}

function parse(text) {
  const rows = [];
  text.split(/\r?\n/).forEach((line, i) => {
    if (!line.trim()) return;
    const cells = line.trim().split(/\s*[,;\t]\s*|\s+/);
    if (!rows.length && i === 0 && cells.every((cell) => Number.isNaN(Number(cell)))) return; // a header
    try {
      rows.push(checked(cells));
    } catch (error) {
      throw new Error(`Line ${i + 1}: ${error.message}.`);
    }
  });
  if (!rows.length) throw new Error("There are no points in it.");
  if (rows.length > 2000) throw new Error(`${rows.length} points: at most 2,000.`);
  return rows;
}

function own(points) {
  play(false);
  state.data = "own";
  state.points = points;
  restart(points.length ? training.parameters() : null);
  showSettings();
}

function clicked(event) {
  const box = $("map").getBoundingClientRect();
  const x = extent[0] + ((event.clientX - box.left) / box.width) * (extent[1] - extent[0]);
  const y = extent[3] - ((event.clientY - box.top) / box.height) * (extent[3] - extent[2]);
  const tool = document.querySelector('input[name="tool"]:checked').value;
  if (tool !== "choose") {
    const kept = extent;
    own([...state.points, [+x.toFixed(4), +y.toFixed(4), Number(tool)]]);
    extent = kept; // the plane does not jump under the pointer
    return redraw(true);
  }
  let least = Infinity;
  state.points.forEach((p, i) => {
    const distance = Math.hypot(p[0] - x, p[1] - y);
    if (distance < least) { least = distance; state.sample = i; }
  });
  return redraw();
}

// Python code that does the same.
function code() {
  const s = state.settings;
  const sizes = [...s.layers, 1].join(", ");
  const optimizer = OPTIMIZERS[s.optimizer].about.python.replace("RATE", s.rate);
  const rows = state.points.map((p) => `[${p.join(", ")}]`);
  const loss = s.loss === "squared_error" ? ", loss=mean_squared_error" : "";
  return [
    "import nn", `from nn import MLP, fit${loss ? ", mean_squared_error" : ""}`, "",
    `points = [${rows.join(", ")}]`,
    `model = MLP(2, [${sizes}], activation="${s.activation}", seed=${s.seed})`,
    `optimizer = nn.${optimizer}`,
    `history = fit(model, [p[:2] for p in points], [p[2] for p in points], optimizer=optimizer${loss},`,
    `              epochs=${Math.max(1, training.epochs)}, batch_size=${s.batch || "None"}, seed=${s.seed})`,
    "print(history.loss[-1])",
  ].join("\n");
}

// What happens when.

$("play").addEventListener("click", () => play(!state.playing));
$("step").addEventListener("click", () => {
  play(false);
  if (!state.points.length) return say("There is nothing to learn from: add points first.", true);
  say("");
  if (steps(1)) { redraw(true); remember(); }
  return undefined;
});
$("reset").addEventListener("click", () => { play(false); say(""); restart(); remember(); });
$("link").addEventListener("click", async () => {
  play(false);
  remember();
  const address = location.href.split("#")[0] + link();
  try {
    await navigator.clipboard.writeText(address);
    say("The link is on the clipboard.");
  } catch {
    say("The link is in the address bar.");
  }
});
$("data").addEventListener("change", (event) => {
  if (event.target.value !== "own") { state.data = event.target.value; state.points = setup.sets[state.data]; restart(); showSettings(); }
});
for (const id of ["activation", "loss", "optimizer"]) $(id).addEventListener("change", (event) => change(id, event.target.value));
for (const id of ["rate", "batch"]) $(id).addEventListener("change", (event) => change(id, Number(event.target.value)));
$("seed").addEventListener("change", (event) => {
  try {
    change("seed", whole(event.target.value.trim() || "x", 0, Number.MAX_SAFE_INTEGER, "seed"));
    say("");
  } catch (error) {
    say(`${error.message}.`, true);
    event.target.value = state.settings.seed;
  }
});
$("fewer").addEventListener("click", () => resize(state.settings.layers.slice(0, -1)));
$("more").addEventListener("click", () => resize([...state.settings.layers, state.settings.layers.at(-1) || 4]));
$("clear").addEventListener("click", () => own([]));
$("use").addEventListener("click", () => {
  try {
    own(parse($("csv").value));
    say(`${state.points.length} points.`);
  } catch (error) {
    say(error.message, true);
  }
});
$("map").addEventListener("click", clicked);
$("map").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !state.points.length) return;
  event.preventDefault();
  event.stopPropagation();
  state.sample = (state.sample + step + state.points.length) % state.points.length;
  redraw();
});
$("graph").addEventListener("click", (event) => {
  if (event.target.closest("button")) return;
  const box = $("edges").getBoundingClientRect();
  const edge = nearestEdge(event.clientX - box.left, event.clientY - box.top);
  if (edge) choose(edge);
});
for (const part of ["layer", "neuron", "input"]) {
  $(`which-${part}`).addEventListener("change", (event) => choose({ ...state.chosen, [part]: Number(event.target.value) }));
}
$("log").addEventListener("change", () => redraw());
$("python").addEventListener("toggle", () => { $("code").textContent = code(); }, true);
document.addEventListener("keydown", (event) => {
  if (event.target.closest("button, select, input, textarea, summary, canvas") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") { event.preventDefault(); play(!state.playing); }
  if (event.key === "ArrowRight") $("step").click();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); redraw(); });
new ResizeObserver(() => { build(); redraw(); }).observe($("graph"));
window.addEventListener("hashchange", () => { if (location.hash !== link()) { play(false); say(""); follow(); } });

showSettings();
restart();
follow();
