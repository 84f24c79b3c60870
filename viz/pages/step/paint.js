// Painting: every number of the picture and of the table for the step that is shown, and what the step is about marked.

const numberRows = new Map([...document.querySelectorAll("#numbers tr[data-node]")].map((row) => [Number(row.dataset.node), row]));

function write(elements, content) {
  for (const element of elements || []) if (element.textContent !== content) element.textContent = content;
}

// The last step whose result is shown: in a quiz, an answer that is still wanted is not.
const reachedStep = (entry) => (isAsked(entry) ? entry.first - 1 : entry.last);

function paint() {
  const entry = visible[at];
  const state = stateAt(reachedStep(entry));
  const { texts, parts } = drawing;
  const textOf = (value, isKnown) => (isKnown ? narrow(value) : "–");
  nodes.forEach((node, k) => {
    const [knows, gradient] = [state.known[k], state.gradient[k]];
    write(texts.data.get(String(k)), textOf(data[k], knows));
    write(texts.grad.get(String(k)), textOf(gradient, gradient !== null));
    const about = `${whole(k)}\n${node.op ? graph.ops[node.op].doc : node.constant ? "a constant" : "a leaf"}\n`;
    const [x, g] = [knows ? exact(data[k]) : "–", gradient === null ? "–" : exact(gradient)];
    for (const part of parts[k]) {
      part.classList.toggle("pending", !knows);
      part.classList.remove("now", "from", "moves");
      if (part.getAttribute("data-node") !== String(k)) continue;
      part.querySelector(":scope > title").textContent = `${about}data = ${x}\ngrad = ${g}`;
      part.setAttribute("aria-label", `${whole(k)}: data ${textOf(data[k], knows)}${node.constant ? "" : `, grad ${textOf(gradient, gradient !== null)}`}`);
    }
    const row = numberRows.get(k);
    row.cells[2].textContent = x;
    row.cells[3].textContent = g;
  });
  const hidden = hiddenFactor();
  for (const [id, elements] of texts.local) {
    const [k, j] = id.split("_").map(Number);
    write(elements, id === hidden ? "?" : textOf(local[k][j], state.known[k]));
  }
  for (const [id, elements] of texts.rule) write(elements, id === hidden ? "?" : ruleText(...id.split("_").map(Number)).join(" = "));
  for (const edge of drawing.edges) {
    if (edge.merged && edge.number) edge.number.textContent = textOf(through(units[edge.target.u], edge.p), state.known[edge.target.k]);
    edge.group.classList.remove("now", "backward");
  }
  for (const old of svg.querySelectorAll(".chip")) old.remove();
  for (const old of svg.querySelectorAll(".marked")) old.classList.remove("marked");
  const now = [];
  const single = entry.first === entry.last || entry.pair;
  for (let s = entry.first; s <= entry.last; s++) now.push(...highlight(steps[s], single, isAsked(entry)));
  paintFollowed();
  return now;
}

const addClass = (elements, ...names) => (elements || []).forEach((element) => element.classList.add(...names));

// A coloured ground behind a number of the picture, in the colour that its factor has in the caption.
function mark(elements, role) {
  for (const element of elements || []) {
    if (element.classList.contains("marked") || (element.classList.contains("hidden") && !element.closest(".now"))) continue;
    const box = element.getBBox();
    element.before(draw("rect", { class: `chip ${role}`, x: box.x - 3, y: box.y - 0.5, width: box.width + 6, height: box.height + 1, rx: 4 }));
    element.classList.add("marked");
  }
}

// Marks what the step is about; returns what must be in view.
function highlight([kind, k, j], single, asked) {
  const { parts, lines, texts } = drawing;
  if (kind === "forward") {
    addClass(parts[k], "now");
    nodes[k].parents.forEach((_, i) => addClass(lines.get(`${k}_${i}`), "now"));
    return parts[k];
  }
  if (kind === "seed") {
    addClass(parts[k], "now");
    if (single) mark(texts.grad.get(String(k)), "upstream");
    return parts[k];
  }
  if (kind === "backward") {
    const p = nodes[k].parents[j];
    addClass(parts[k], "from");
    addClass(parts[p], "now");
    addClass(lines.get(`${k}_${j}`), "now", "backward");
    if (single) {
      mark(texts.grad.get(String(k)), "upstream");
      mark(texts.local.get(`${k}_${j}`), "local");
      if (!asked) mark(texts.grad.get(String(p)), "product");
    }
    return [...parts[p], ...parts[k]];
  }
  if (kind === "update") for (const leaf of graph.update) addClass(parts[leaf], "moves");
  return [];
}

function bringIntoView(elements) {
  if (!elements.length) return;
  const view = picture.getBoundingClientRect();
  const areas = elements.slice(0, 60).map((element) => element.getBoundingClientRect());
  const box = {
    left: Math.min(...areas.map((r) => r.left)), right: Math.max(...areas.map((r) => r.right)),
    top: Math.min(...areas.map((r) => r.top)), bottom: Math.max(...areas.map((r) => r.bottom)),
  };
  const shift = (low, high, least, most) => {
    if (low >= least && high <= most) return 0;
    if (high - low > most - least) return low - least - 12;
    return (low + high) / 2 - (least + most) / 2;
  };
  const left = shift(box.left, box.right, view.left, view.right);
  const above = shift(box.top, box.bottom, view.top, view.bottom);
  if (left || above) picture.scrollBy({ left, top: above, behavior: calm.matches ? "auto" : "smooth" });
}
