// One weight by the chain rule, at the chosen point.

// In MathML: a name with the layer above and the neuron below, as the lecture writes it; a partial derivative.
function name(symbol, layer, ...below) {
  const sub = `<mrow>${below.map((k) => (k === "k" ? "<mi>k</mi>" : `<mn>${k}</mn>`)).join("<mo>,</mo>")}</mrow>`;
  return layer === null ? `<msub><mi>${symbol}</mi>${sub}</msub>` : `<msubsup><mi>${symbol}</mi>${sub}<mn>${layer}</mn></msubsup>`;
}

// Each in an element of its own, because browsers break no line inside of one.
const math = (inner) => `<math>${inner}</math>`;
const partial = (top, bottom) => math(`<mfrac><mrow><mo>∂</mo>${top}</mrow><mrow><mo>∂</mo>${bottom}</mrow></mfrac>`);

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
  const J = "<mi>J</mi>";
  const up = (x) => `<span class="up">${x}</span>`;
  const local = (x) => `<span class="local">${x}</span>`;
  const lines = [`<p>${math(W)} = ${shown(w)}, at the point x = (${shown(point[0])}, ${shown(point[1])}) of class ${point[2]}, ringed in the plane:</p>`];
  lines.push(`<p class="formula">${partial(J, W)} = ${up(partial(J, Z))} · ${local(partial(Z, W))} = ${up(partial(J, Z))} · ${local(math(before))} = ${up(shown(delta))} × ${local(factor(below, 1))} = <b>${shown(delta * below)}</b></p>`);
  if (layer === last) {
    lines.push(`<p>The first factor is the slope of the loss at the output's ${math(Z)} = ${shown(L.z[0])}.</p>`);
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
    lines.push(`<p class="formula">${partial(J, A)} = ${sum}${up(partial(J, name("z", l + 1, kk)))} · ${local(math(name("w", l + 1, kk, neuron + 1)))} = ${terms.join(" + ")} = ${shown(da)}</p>`);
    lines.push(`<p class="formula">${partial(J, Z)} = ${up(partial(J, A))} · ${local(`f′(${math(Z)})`)} = ${up(shown(da))} × ${local(factor(slopeHere, 1))} = ${shown(da * slopeHere)}</p>`);
    if (Math.abs(slopeHere) < 0.01) lines.push(`<p>f′ is almost 0 here: the neuron is saturated, and hardly anything passes through it.</p>`);
  }
  lines.push(`<p>The mean over all ${state.points.length} points is ${partial(J, W)} = <b>${shown(mean)}</b>; ${nudge(L, neuron * L.nin + input)}.</p>`);
  $("says").innerHTML = lines.join("");
}

function meanLoss() {
  let total = 0;
  for (const p of state.points) total += training.loss(training.logit(p), p[2]);
  return total / state.points.length;
}

// The same derivative, from moving the weight a little.
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
