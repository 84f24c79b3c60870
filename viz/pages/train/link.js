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
