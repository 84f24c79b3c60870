// A network that trains: what nn's MLP, SGD, Adam and fit do, for two inputs and one output. The activations, the losses
// and the optimisers' updates are printed from Python's own and stand above.

// Random numbers as Python's random.Random(seed) gives them, so that weights and batches are the same there and here:
// the Mersenne Twister (M. Matsumoto and T. Nishimura 1998), seeded by an array.
class Random {
  constructor(seed) {
    const key = [seed >>> 0];
    if (seed >= 4294967296) key.push(Math.floor(seed / 4294967296) >>> 0);
    const s = (this.state = new Uint32Array(624));
    s[0] = 19650218;
    for (let i = 1; i < 624; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
    let i = 1;
    let j = 0;
    for (let k = Math.max(624, key.length); k; k--) {
      s[i] = (s[i] ^ Math.imul(s[i - 1] ^ (s[i - 1] >>> 30), 1664525)) + key[j] + j;
      j = (j + 1) % key.length;
      if (++i === 624) { s[0] = s[623]; i = 1; }
    }
    for (let k = 623; k; k--) {
      s[i] = (s[i] ^ Math.imul(s[i - 1] ^ (s[i - 1] >>> 30), 1566083941)) - i;
      if (++i === 624) { s[0] = s[623]; i = 1; }
    }
    s[0] = 2147483648;
    this.index = 624;
  }

  word() {
    const s = this.state;
    if (this.index === 624) {
      for (let k = 0; k < 624; k++) {
        const y = (s[k] & 2147483648) | (s[(k + 1) % 624] & 2147483647);
        s[k] = s[(k + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 2567483615 : 0);
      }
      this.index = 0;
    }
    let y = s[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 2636928640;
    y ^= (y << 15) & 4022730752;
    return (y ^ (y >>> 18)) >>> 0;
  }

  random() {
    const a = this.word() >>> 5;
    const b = this.word() >>> 6;
    return (a * 67108864 + b) / 9007199254740992;
  }

  uniform(low, high) {
    return low + (high - low) * this.random();
  }
}

// One layer: weights row by row, a row for each neuron.
class Layer {
  constructor(nin, nout, activation, rng) {
    this.nin = nin;
    this.nout = nout;
    this.activation = ACTIVATIONS[activation];
    const bound = Math.sqrt(6 / (RECTIFIERS.includes(activation) ? nin : nin + nout));
    this.weights = new Float64Array(nin * nout);
    for (let i = 0; i < nin * nout; i++) this.weights[i] = rng ? rng.uniform(-bound, bound) : 0;
    this.biases = new Float64Array(nout);
    this.z = new Float64Array(nout);
    this.a = new Float64Array(nout);
    this.dz = new Float64Array(nout); // of one sample: the derivative of its loss with respect to z
    this.dweights = new Float64Array(nin * nout); // summed over samples
    this.dbiases = new Float64Array(nout);
  }

  forward(x) {
    const { nin, nout, weights, biases, z, a } = this;
    const value = this.activation.value;
    for (let k = 0, i = 0; k < nout; k++) {
      let sum = -0;
      for (let j = 0; j < nin; j++) sum += weights[i++] * x[j];
      z[k] = sum + biases[k];
      a[k] = value(z[k]);
    }
    return a;
  }

  // Adds this sample's part to the gradient; into ``before``, where given, goes the derivative with respect to its z.
  backward(x, before) {
    const { nin, nout, weights, dz, dweights, dbiases } = this;
    for (let k = 0, i = 0; k < nout; k++) {
      dbiases[k] += dz[k];
      for (let j = 0; j < nin; j++) dweights[i++] += dz[k] * x[j];
    }
    if (!before) return;
    for (let j = 0; j < nin; j++) {
      let da = 0;
      for (let k = 0; k < nout; k++) da += weights[k * nin + j] * dz[k];
      before.dz[j] = da * before.activation.slope(before.z[j], before.a[j]);
    }
  }
}

class Training {
  // settings: layers (hidden), activation, loss, optimizer, rate, batch (0: all), seed. weights: a flat list, or null.
  constructor(settings, points, weights) {
    this.settings = settings;
    this.points = points;
    const rng = new Random(settings.seed);
    const sizes = [2, ...settings.layers, 1];
    this.layers = sizes.slice(1).map((nout, l) =>
      new Layer(sizes[l], nout, l < sizes.length - 2 ? settings.activation : "linear", rng));
    this.loss = LOSSES[settings.loss];
    this.order = null;
    this.generator = new Random(settings.seed);
    this.epochs = 0; // whole ones
    this.position = 0; // rows used of the epoch that runs
    this.sum = 0; // of their losses
    this.history = []; // the mean loss of each epoch, as its batches had it at their turn
    this.updates = 0;
    this.forget();
    if (weights) this.setParameters(weights);
  }

  // The optimiser begins anew.
  forget() {
    this.state = OPTIMIZERS[this.settings.optimizer].about.states.map(() => new Float64Array(this.count()));
    this.steps = 0;
  }

  count() {
    return this.layers.reduce((sum, layer) => sum + layer.weights.length + layer.nout, 0);
  }

  // In the order of named_parameters: neuron by neuron, its weights and then its bias.
  parameters() {
    const flat = [];
    for (const layer of this.layers) {
      for (let k = 0; k < layer.nout; k++) {
        flat.push(...layer.weights.subarray(k * layer.nin, (k + 1) * layer.nin), layer.biases[k]);
      }
    }
    return flat;
  }

  setParameters(flat) {
    let i = 0;
    for (const layer of this.layers) {
      for (let k = 0; k < layer.nout; k++) {
        for (let j = 0; j < layer.nin; j++) layer.weights[k * layer.nin + j] = flat[i++];
        layer.biases[k] = flat[i++];
      }
    }
  }

  // The logit of a point; every layer keeps its z and a.
  logit(x) {
    let a = x;
    for (const layer of this.layers) a = layer.forward(a);
    return a[0];
  }

  // The mean loss of some rows; leaves the mean gradient in the layers.
  gradient(rows) {
    const { layers, points, loss } = this;
    const last = layers.length - 1;
    for (const layer of layers) {
      layer.dweights.fill(0);
      layer.dbiases.fill(0);
    }
    let total = 0;
    for (let r = 0; r < rows.length; r++) {
      const point = points[rows[r]];
      total += loss(this.logit(point), point[2]);
      layers[last].dz[0] = slope;
      for (let l = last; l >= 0; l--) layers[l].backward(l ? layers[l - 1].a : point, l ? layers[l - 1] : null);
    }
    const n = rows.length;
    for (const layer of layers) {
      for (let i = 0; i < layer.dweights.length; i++) layer.dweights[i] /= n;
      for (let k = 0; k < layer.nout; k++) layer.dbiases[k] /= n;
    }
    return total / n;
  }

  everything() {
    return Array.from(this.points.keys());
  }

  // One batch: gradient, then the optimiser's step. Returns whether an epoch is complete.
  step() {
    const n = this.points.length;
    const size = this.settings.batch ? Math.min(this.settings.batch, n) : n;
    if (!this.position) this.order = size < n ? this.shuffled() : this.everything();
    const rows = this.order.slice(this.position, this.position + size);
    const mean = this.gradient(rows);
    if (!Number.isFinite(mean)) throw new RangeError("the loss is not finite any more: lower the learning rate");
    this.update();
    this.sum += mean * rows.length;
    this.position += rows.length;
    this.updates++;
    if (this.position < n) return false;
    this.history.push(this.sum / n);
    this.sum = this.position = 0;
    this.epochs++;
    return true;
  }

  shuffled() {
    const keys = this.points.map(() => this.generator.random());
    return this.everything().sort((a, b) => keys[a] - keys[b]);
  }

  update() {
    const { state, layers, settings } = this;
    const { step } = OPTIMIZERS[settings.optimizer];
    const t = ++this.steps;
    const rate = settings.rate;
    let i = 0; // the parameter, in the order of parameters()
    for (const layer of layers) {
      const { weights, biases, dweights, dbiases, nin, nout } = layer;
      for (let k = 0, w = 0; k < nout; k++) {
        for (let j = 0; j < nin; j++, w++) weights[w] = step(weights[w], dweights[w], rate, t, state, i++);
        biases[k] = step(biases[k], dbiases[k], rate, t, state, i++);
      }
    }
  }

  // Goes to where a link was made: draws the orders of the epochs that are over, and of the one that runs.
  resume(epochs, position, sum) {
    const n = this.points.length;
    const draws = this.settings.batch && this.settings.batch < n;
    if (draws) for (let e = 0; e < epochs; e++) this.shuffled();
    if (position) this.order = draws ? this.shuffled() : this.everything();
    this.epochs = epochs;
    this.updates = epochs + position;
    this.position = position;
    this.sum = sum;
  }
}
