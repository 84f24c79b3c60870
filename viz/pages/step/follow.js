// Follow a number: what a value is made of and what it is part of; every path from it to the output; and a nudge.

let followed = null; // the value whose paths are in the caption
let pointed = null; // the value under the pointer or the focus
const PATHS = 24; // paths written out

function paintFollowed() {
  for (const element of svg.querySelectorAll(".above, .below, .chosen")) element.classList.remove("above", "below", "chosen");
  const k = pointed ?? followed;
  if (k === null) return;
  const [up, down] = [ancestors(k), descendants(k)];
  const { parts, lines } = drawing;
  addClass(parts[k], "chosen");
  for (const p of up) if (p !== k) addClass(parts[p], "above");
  for (const d of down) if (d !== k) addClass(parts[d], "below");
  for (const [id, groups] of lines) {
    const [user, j] = id.split("_").map(Number);
    const p = nodes[user].parents[j];
    if (up.has(user) && up.has(p)) addClass(groups, "above");
    if (down.has(p) && down.has(user)) addClass(groups, "below");
  }
}

function point(k) {
  if (pointed === k) return;
  pointed = k;
  paintFollowed();
}

function follow(k) {
  stop();
  followed = k;
  pointed = null;
  show(false);
  find("says").scrollTop = 0;
}

function unfollow() {
  if (followed === null) return false;
  const wasInside = caption.contains(document.activeElement);
  const k = followed;
  followed = null;
  show(false);
  if (wasInside) svg.querySelector(`.value[data-node="${k}"]`)?.focus({ preventScroll: true });
  return true;
}

// The edges from a value to the output, path by path, each path from the output downwards; at most so many.
function pathsFrom(k) {
  const goal = outputOf(k);
  const leads = ancestors(goal);
  const found = [];
  const walk = (at, path) => {
    if (found.length > PATHS) return;
    if (at === goal) return void found.push(path);
    for (const [user, j] of users[at]) if (leads.has(user)) walk(user, [[user, j], ...path]);
  };
  walk(k, []);
  return found;
}

// How many paths there are: as many from a value as from its users together.
function countPaths(k) {
  const goal = outputOf(k);
  const ways = new Map([[goal, 1]]);
  for (let at = goal - 1; at >= k; at--) ways.set(at, users[at].reduce((sum, [user]) => sum + (ways.get(user) || 0), 0));
  return ways.get(k) || 0;
}

function followCaption() {
  const k = followed;
  const y = outputOf(k);
  const lines = [heading(`Paths from ${whole(k)} to ${whole(y)}`)];
  if (k === y) return [...lines, line(`${called(y)} is the output itself: its gradient is 1.`)];
  const count = countPaths(k);
  const sum = [];
  for (const path of pathsFrom(k).slice(0, PATHS)) {
    const names = joined(path.map(([user, j]) => partial(user, nodes[user].parents[j])), "·", 9);
    const values = joined(path.map(([user, j]) => chip("local", signed(figure(local[user][j])))), "×", 9);
    const passes = path.every(([user, j]) => contributions.get(`${user}_${j}`).passes);
    const product = passes ? path.reduce((total, [user, j]) => total * local[user][j], 1) : 0;
    sum.push(chip("product", signed(figure(product))));
    lines.push(line(count > 1 ? `path ${sum.length}` : "the one path", ...equation(m("mrow", ...names), m("mrow", ...values), chip("product", figure(product)))));
  }
  if (!count) return [...lines, line(`${called(y)} does not depend on ${called(k)}: the derivative is 0.`)];
  if (count > PATHS) lines.push(line(`… and ${count > 1e15 ? "very many" : count - PATHS} more paths. The backward pass never lists them: it adds up what arrives at each node, once.`));
  if (count > 1) lines.push(line("their sum", ...equation(partial(y, k), ...(count > PATHS ? [] : [m("mrow", ...joined(sum, "+", 9))]), figure(adjoint[k]))));
  else lines.push(line("so", ...equation(partial(y, k), figure(adjoint[k]))));
  if (!nodes[k].op) lines.push(nudge(k, y));
  return lines;
}

// A nudge: the leaf moves by h, the output by ΔJ; for small h their quotient settles on the gradient.
let nudgePower = 1;
function nudge(k, y) {
  const told = make("p", { className: "math nudged" });
  told.setAttribute("aria-live", "polite");
  const range = make("input", { type: "range", min: "0", max: "8", step: "1", value: String(nudgePower), id: "nudge" });
  const table = make("table", {});
  const quotient = (h) => {
    const moved = leafData.slice();
    moved[k] += h;
    const result = forward(moved)[y];
    return [result, (result - data[y]) / (moved[k] - leafData[k])];
  };
  const tell = () => {
    nudgePower = Number(range.value);
    const h = Number(`1e-${nudgePower}`);
    const [result, slope] = quotient(h);
    range.setAttribute("aria-valuetext", `h = ${written(h)}`);
    told.replaceChildren(...equation(m("mfrac", m("mrow", mo("Δ"), symbol(y)), m("mi", "h")),
      m("mfrac", m("mrow", m("mn", result.toPrecision(8).replace("-", "−")), mo("−"), m("mn", signedText(data[y].toPrecision(8)))), m("mn", written(h))),
      m("mn", slope.toPrecision(8).replace("-", "−"))).flatMap((part) => [part, " "]), `and the gradient is ${adjoint[k].toPrecision(8).replace("-", "−")}.`);
    for (const row of [...table.rows].slice(1)) row.classList.toggle("chosen", row.cells[0].textContent === written(h));
  };
  const row = (tag, texts) => table.insertRow().append(...texts.map((text) => make(tag, {}, text)));
  row("th", ["h", `Δ${called(y)} / h`, "less the gradient"]);
  for (let power = 0; power <= 8; power++) {
    const slope = quotient(Number(`1e-${power}`))[1];
    row("td", [written(Number(`1e-${power}`)), slope.toPrecision(8).replace("-", "−"), (slope - adjoint[k]).toExponential(1).replaceAll("-", "−").replace("+", "")]);
  }
  range.addEventListener("input", tell);
  tell();
  return make("div", { className: "nudge" }, make("p", {}, make("label", { htmlFor: "nudge" }, `Nudge ${called(k)} by h: `), range), told, make("div", { className: "scroll" }, table));
}

const written = (h) => exact(h).replace("-", "−");
const signedText = (text) => (text.startsWith("-") ? `(−${text.slice(1)})` : text);
