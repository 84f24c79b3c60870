// A number on its way: the upstream gradient leaves its box, runs along the edge, and arrives in the formula.

let travelling = 0;

function travel(entry) {
  cancelAnimationFrame(travelling);
  for (const old of document.querySelectorAll(".traveller")) old.remove();
  if (calm.matches || entry.items || entry.pair || isAsked(entry)) return;
  const [kind, k, j] = steps[entry.first];
  if (kind !== "backward") return;
  const source = (drawing.texts.grad.get(String(k)) || [])[0];
  const line = (drawing.lines.get(`${k}_${j}`) || [])[0]?.querySelector("path");
  const goal = caption.querySelectorAll(".chip.upstream")[1];
  const product = (drawing.texts.grad.get(String(nodes[k].parents[j])) || [])[0];
  if (!source || !goal) return;
  const middle = (element) => {
    const area = element.getBoundingClientRect();
    return [area.left + area.width / 2, area.top + area.height / 2];
  };
  const stations = [middle(source)];
  if (line) {
    const matrix = line.getScreenCTM();
    const length = line.getTotalLength();
    for (let i = 0; i <= 16; i++) {
      const place = line.getPointAtLength(length * (1 - i / 16)).matrixTransform(matrix);
      stations.push([place.x, place.y]);
    }
  }
  if (product) stations.push(middle(product));
  stations.push(middle(goal));
  const number = make("span", { className: "traveller chip upstream" }, narrow(adjoint[k]));
  number.setAttribute("aria-hidden", "true");
  document.body.append(number);
  const lengths = stations.slice(1).map(([x, y], i) => Math.hypot(x - stations[i][0], y - stations[i][1]));
  const total = lengths.reduce((sum, x) => sum + x, 0) || 1;
  const duration = Math.min(1100, 500 + total / 2) / Number(find("speed").value);
  let began = null;
  const frame = (time) => {
    began ??= time;
    const t = Math.min(1, (time - began) / duration);
    let rest = t * t * (3 - 2 * t) * total;
    let i = 0;
    while (i < lengths.length - 1 && rest > lengths[i]) rest -= lengths[i++];
    const part = lengths[i] ? Math.min(1, rest / lengths[i]) : 1;
    const [x, y] = [0, 1].map((c) => stations[i][c] + part * (stations[i + 1][c] - stations[i][c]));
    number.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    if (t < 1) travelling = requestAnimationFrame(frame);
    else number.remove();
  };
  travelling = requestAnimationFrame(frame);
}
