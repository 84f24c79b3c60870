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
