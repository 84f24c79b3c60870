// The loss of each epoch, and the gradient of each layer.

function drawCurve() {
  const [context, wide, high] = sharp($("curve"));
  context.clearRect(0, 0, wide, high);
  const losses = training.history;
  const log = $("log").checked;
  const scale = (v) => (log ? Math.log10(Math.max(v, 1e-12)) : v);
  const type = 0.86 * parseFloat(getComputedStyle(document.body).fontSize);
  const [left, right, top, bottom] = [3.9 * type, wide - 8, 8, high - 1.7 * type];
  context.font = `${type}px system-ui, sans-serif`;
  context.fillStyle = colors.soft;
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.strokeRect(left, top, right - left, bottom - top);
  if (!losses.length) {
    context.fillText("no epoch yet", left + 8, top + 1.7 * type);
    return;
  }
  let [low, most] = [log ? Infinity : 0, -Infinity];
  for (const v of losses) { low = Math.min(low, scale(v)); most = Math.max(most, scale(v)); }
  if (!(most > low)) { most = low + 1; }
  context.textAlign = "right";
  const text = (v) => (log ? (10 ** v).toExponential(1).replace("e-", "e−").replace("e+", "e") : v.toFixed(v < 10 ? 3 : 0));
  context.fillText(text(most), left - 4, top + 0.8 * type);
  context.fillText(text(low), left - 4, bottom);
  context.fillText(`epoch ${training.epochs}`, right, bottom + 1.3 * type);
  context.textAlign = "left";
  context.fillText(String(training.epochs - losses.length + 1), left, bottom + 1.3 * type);
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
