// What the page shows and is set to; the scripts after this one read and change it.

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
