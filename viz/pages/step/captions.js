// The caption: what a step does, as sentences and formulas.

const caption = find("caption");
const actions = find("actions");

function line(words, ...content) {
  if (!content.length) return make("p", {}, words);
  return make("p", { className: "math" }, make("b", {}, words), " ", ...content.flatMap((part) => [part, " "]));
}

const heading = (words) => make("p", { className: "title" }, words);
const note = (...words) => make("p", { className: "note" }, ...words);

// a = b = c, as formulas between which a line may break; what says the same as its neighbour is left out.
function equation(first, ...parts) {
  const told = [first, ...parts].filter((part, i, list) => i === 0 || i === list.length - 1 || part.textContent !== list[i + 1].textContent);
  return told.map((part, i) => (i ? math(mo("="), part) : math(part)));
}

const say = (text) => m("mtext", text);
const gradOf = (k) => say(`${called(k)}.grad:\u00a0`);

function captionOf(entry) {
  if (entry.items) return groupCaption(entry);
  if (entry.pair) return [make("div", { className: "pair" }, ...[0, 1].map((i) => make("div", {}, make("p", { className: "side" }, sides()[i]), ...stepCaption(steps[entry.first + i]))))];
  return stepCaption(steps[entry.first]);
}

const sides = () => (drawing.vertical ? ["The graph on the left", "The graph on the right"] : ["The graph above", "The graph below"]);

function stepCaption([kind, k, j]) {
  if (kind === "start") return startCaption();
  if (kind === "forward") return forwardCaption(k);
  if (kind === "seed") {
    return [heading(`Backward starts: the seed of ${whole(k)}`),
      line("seed", ...equation(partial(k, k), chip("upstream", m("mn", "1")))),
      line(`${called(k)} changes exactly as much as itself. From here each step multiplies by one local derivative.`)];
  }
  if (kind === "backward") return backwardCaption(k, j);
  return updateCaption();
}

function startCaption() {
  const operations = nodes.length - leaves.length;
  const named = outputs.map(whole).join(" and ");
  return [heading("Start: the leaves are given"),
    line(`${leaves.length} ${leaves.length === 1 ? "leaf" : "leaves"}, ${operations} ${operations === 1 ? "operation" : "operations"}. First the forward pass computes ${named} from the leaves; then the backward pass computes how ${named} changes with each of them.`),
    line("Step with → and ←, or press Play. Change a leaf at any time: every number follows. Press a box to see where its number goes.")];
}

function forwardCaption(k) {
  const lines = [heading(`Forward: ${whole(k)}`), line("compute", ...equation(symbol(k), expression(k, symbol), expression(k, number), figure(data[k])))];
  const many = nodes[k].parents.length > 1;
  lines.push(line(many ? "Its local derivatives are known now too, and stand ready for the way back." : "Its local derivative is known now too, and stands ready for the way back."));
  if (!Number.isFinite(data[k]) && nodes[k].parents.every((p) => Number.isFinite(data[p]))) {
    lines.push(note(`Here ${called(k)} becomes ${narrow(data[k])}, though all it is made of is finite: whatever uses it is spoilt.`));
  }
  return lines;
}

function backwardCaption(k, j) {
  const p = nodes[k].parents[j];
  const y = outputOf(k);
  const [left, rule, numbers] = derivative(k, j);
  const { before, product, after, passes } = contributions.get(`${k}_${j}`);
  const value = figure(local[k][j]);
  const isNumber = rule.textContent === numbers.textContent && Number(rule.textContent.replace("−", "-")) === local[k][j];
  const chain = isNumber ? [chip("local", rule)] : [rule, numbers, chip("local", value)];
  const lines = [heading(`Backward: from ${whole(k)} to ${whole(p)}`), line("local derivative", ...equation(left, ...chain))];
  const factors = [m("mrow", chip("upstream", partial(y, k)), mo("·"), chip("local", partial(k, p))),
    m("mrow", chip("upstream", signed(figure(adjoint[k]))), mo("×"), chip("local", signed(value.cloneNode(true)))), chip("product", figure(product))];
  if (passes) lines.push(line("upstream × local", ...equation(...factors)));
  else lines.push(note(`${called(k)} does not depend on ${called(p)} here: the operation chose otherwise, and nothing flows back on this edge.`));
  lines.push(line("accumulate", ...equation(m("mrow", gradOf(p), figure(before), mo("+"), chip("product", signed(figure(product)))), figure(after))));
  const seen = edgesInto(p);
  const place = seen.indexOf(`${k}_${j}`) + 1;
  if (seen.length > 1) {
    const ordinal = ["", "first", "second", "third"][place] || `${place}th`;
    lines.push(note(place > 1
      ? `${called(p)} is used ${seen.length} times: a ${ordinal} path from ${called(p)} to ${called(y)} is added to what its gradient holds already.`
      : `${called(p)} is used ${seen.length} times: this is the first of ${seen.length} paths, the others will be added.`));
  }
  if (place === seen.length) lines.push(make("p", {}, ...equation(partial(y, p), figure(after)), " is complete."));
  return lines;
}

function updateCaption() {
  const after = updated();
  const lines = [heading("Update: every parameter takes a step against its gradient")];
  if (!graph.update.length) return [lines[0], line("There is no leaf to update: all of them are constants.")];
  const first = graph.update[0];
  lines.push(line("rule", math(m("mi", "w"), mo("←"), m("mi", "w"), mo("−"), m("mi", "η"), mo("·"), say("grad")),
    ...equation(m("mrow", say("for example\u00a0"), symbol(first), mo("←"), figure(leafData[first]), mo("−"), m("mn", exact(rate)), mo("×"), signed(figure(adjoint[first]))), figure(after[first]))));
  const result = forward(after);
  for (const k of outputs) lines.push(line("result", math(symbol(k), mo("="), figure(data[k]), mo("→"), figure(result[k])), verdict(data[k], result[k])));
  lines.push(line("The picture still shows the numbers before the step. Take it to see those after it."));
  const table = make("table");
  const row = (tag, texts) => table.insertRow().append(...texts.map((text) => make(tag, {}, text)));
  row("th", ["leaf", "before", "grad", "after"]);
  for (const k of graph.update.slice(0, 100)) row("td", [whole(k), narrow(leafData[k]), narrow(adjoint[k]), narrow(after[k])]);
  lines.push(make("div", { className: "scroll" }, table));
  if (graph.update.length > 100) lines.push(line(`… and ${graph.update.length - 100} more`));
  return lines;
}

function verdict(before, after) {
  if (before !== before || after !== after) return "(cannot be compared: not a number)";
  return after < before ? "(smaller)" : after > before ? "(larger: the step was too long)" : "(unchanged)";
}

function groupCaption(entry) {
  const inside = steps.slice(entry.first, entry.last + 1);
  const isForward = inside[0][0] === "forward";
  const lines = [heading(`${isForward ? "Forward" : "Backward"}: ${entry.title || "several nodes"} (${inside.length} steps)`)];
  if (entry.what && entry.what !== entry.title) lines.push(line(entry.what));
  const own = [0, 1].map((side) => inside.filter(([, k]) => (nodes[k].side || 0) === side)).filter((part) => part.length);
  if (own.length === 1) return [...lines, ...groupLines(own[0], isForward)];
  return [...lines, make("div", { className: "pair" }, ...own.map((part, i) => make("div", {}, make("p", { className: "side" }, sides()[i]), ...groupLines(part, isForward))))];
}

function groupLines(inside, isForward) {
  const lines = [];
  const terms = new Map();
  for (const [kind, k, j] of inside) {
    if (kind === "forward") terms.set(k, []);
    else {
      const p = nodes[k].parents[j];
      terms.set(p, [...(terms.get(p) || []), [k, j]]);
    }
  }
  for (const [k, edges] of [...terms].slice(0, 40)) {
    if (isForward) lines.push(line(whole(k), ...equation(expression(k, number), figure(data[k]))));
    else {
      const { before } = contributions.get(edges[0].join("_"));
      const { after } = contributions.get(edges.at(-1).join("_"));
      const products = edges.map(([child, j]) => m("mrow", signed(figure(adjoint[child])), mo("×"), signed(figure(local[child][j]))));
      const sum = products.length > 3 ? [say(`${products.length} products`)] : joined(products, "+");
      lines.push(line(`${called(k)}.grad`, ...equation(m("mrow", figure(before), mo("+"), ...sum), figure(after))));
    }
  }
  if (terms.size > 40) lines.push(line(`… and ${terms.size - 40} more`));
  return lines;
}
