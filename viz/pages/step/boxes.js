// What is drawn for a state of folding: a box for a value, a table for an open neuron, one box for a folded neuron, layer
// or group. Lengths are pixels at natural size; 12 px is the smallest type, so that at a scale of 0.84 it has 10.

const ROW = 18;
const PAD = 7;
const CHAR = 7.25; // the width of a character of the monospaced font at 12 px
const WIDTH = { value: 124, constant: 92, target: 116, table: 268, list: 216 };
const COLUMN = { data: 118, local: 190, grad: WIDTH.table - PAD }; // right edges in a table
const FEW = 16; // edges: up to so many have room for formulas
const SOME = 120; // edges: up to so many have room for numbers

const units = graph.units;
units.forEach((unit, u) => {
  unit.chain = unit.parent === null ? [u] : [...units[unit.parent].chain, u];
  unit.level = 0;
});
for (let u = units.length - 1; u >= 0; u--) {
  const { parent } = units[u];
  if (parent !== null) units[parent].level = Math.max(units[parent].level, units[u].level + 1);
}
const unitOf = nodes.map(() => null); // the innermost unit of each node
units.forEach((unit, u) => {
  for (const k of unit.nodes) if (unitOf[k] === null || units[unitOf[k]].chain.length < unit.chain.length) unitOf[k] = u;
});
const isRow = (k) => nodes[k].row === true; // a weight or bias: a row in the tables of its neurons
const opened = new Set();

// The unit that hides a node, or null where the node is seen.
function hiding(k) {
  if (unitOf[k] === null) return null;
  for (const u of units[unitOf[k]].chain) if (!opened.has(u)) return u;
  return null;
}

function boxesOf() {
  const boxes = new Map();
  const home = nodes.map((_, k) => {
    if (isRow(k)) return null;
    const u = hiding(k);
    const inner = unitOf[k];
    const key = u !== null ? `u${u}` : inner !== null && units[inner].kind === "neuron" ? `u${inner}` : `v${k}`;
    if (!boxes.has(key)) boxes.set(key, u !== null ? closedBox(key, u) : key[0] === "u" ? tableBox(key, inner) : valueBox(key, k));
    boxes.get(key).side = nodes[k].side || 0;
    return key;
  });
  return { boxes, home };
}

function valueBox(key, k) {
  const node = nodes[k];
  const rows = node.constant && !node.target ? ["single"] : ["head", "data", "grad"];
  const box = { key, k, kind: "value", rows: rows.map((type) => ({ type, k })), w: node.target ? WIDTH.target : node.constant ? WIDTH.constant : WIDTH.value };
  if (node.constant) box.rows = node.target ? [{ type: "head", k }, { type: "data", k }] : [{ type: "single", k }];
  box.h = box.rows.length * ROW;
  return box;
}

// A neuron as a table: a row for each weight and the bias, then z, and what is made of it.
function tableBox(key, u) {
  const unit = units[u];
  const rows = [{ type: "head", u }, { type: "columns", u }];
  for (const k of unit.nodes) {
    const { op, parents } = nodes[k];
    if (op === "dot") {
      const n = Math.floor(parents.length / 2);
      for (let j = 0; j < n; j++) rows.push({ type: "weight", k: parents[j], edge: `${k}_${j}`, of: k, j });
      if (parents.length % 2) rows.push({ type: "weight", k: parents[2 * n], edge: `${k}_${2 * n}`, of: k, j: 2 * n });
    }
    rows.push({ type: "result", k, into: unit.nodes.find((other) => other > k && nodes[other].parents.includes(k)) });
  }
  return { key, u, kind: "table", rows, w: WIDTH.table, h: rows.length * ROW + 4 };
}

const LONGEST = 10; // values listed in a folded box

// What a folded group is called, and what it does: "rounds 1–5: ×, tanh"; a band is called by that alone.
function titled({ kind, title, what }) {
  if (kind === "band" && what) return what;
  return kind === "round" && what && what !== title ? `${title.replace(/ of \d+$/, "")}: ${what}` : title;
}

function closedBox(key, u) {
  const unit = units[u];
  if (unit.shows.length === 1) {
    const k = unit.shows[0];
    const w = Math.min(WIDTH.list, Math.max(WIDTH.value + 12, isBand(unit) ? titled(unit).length * CHAR + 2 * PAD + 24 : 0));
    return { key, u, k, kind: "closed", rows: [{ type: "head", u }, { type: "named", k }, { type: "grad", k }], w, h: 3 * ROW };
  }
  const listed = unit.shows.slice(0, LONGEST);
  const rows = [{ type: "head", u }, { type: "columns", u }, ...listed.map((k) => ({ type: "listed", k }))];
  if (unit.shows.length > LONGEST) rows.push({ type: "more", text: `… and ${unit.shows.length - LONGEST} more` });
  return { key, u, kind: "closed", rows, w: WIDTH.list, h: rows.length * ROW + 4 };
}

// The edges between boxes, with their ports. An edge into a folded box stands for all that lead there from one box.
function edgesOf({ boxes, home }, vertical) {
  const index = new Map([...boxes.keys()].map((key, k) => [key, k]));
  const found = new Map();
  nodes.forEach((node, k) => {
    if (!node.op || isRow(k)) return;
    node.parents.forEach((p, j) => {
      if (home[p] === null || home[p] === home[k]) return;
      const [from, to] = [boxes.get(home[p]), boxes.get(home[k])];
      const merged = to.kind === "closed";
      const key = merged ? `${from.key}>${to.key}${to.rows.length > 3 || from.rows.length > 3 ? "" : p}` : `${from.key}>${k}_${j}`;
      if (found.has(key)) return void found.get(key).stands.push(`${k}_${j}`);
      found.set(key, {
        key, from: index.get(from.key), to: index.get(to.key), p, k, j, merged, stands: [`${k}_${j}`], source: from, target: to,
      });
    });
  });
  const edges = [...found.values()];
  for (const edge of edges) {
    edge.out = vertical || edge.source.kind === "value" ? 0 : rowAt(edge.source, (row) => row.k === edge.p && row.type !== "weight");
    edge.into = vertical ? spread(edge, edges) : portOf(edge);
    edge.label = null;
  }
  if (edges.length <= SOME) for (const edge of edges) edge.label = labelOf(edge, edges.length, vertical);
  return edges;
}

// The height of a row, from the middle of its box.
function rowAt(box, isWanted) {
  const r = box.rows.findIndex(isWanted);
  if (r < 0 || (box.kind === "closed" && box.rows.length === 3)) return 0;
  return (r + 0.5) * ROW + 2 - box.h / 2;
}

function portOf(edge) {
  const { target, k, j } = edge;
  const parents = nodes[k].parents;
  if (target.kind === "closed") return 0;
  if (target.kind === "table") {
    if (nodes[k].op !== "dot") return rowAt(target, (row) => row.type === "result" && row.k === k);
    const n = Math.floor(parents.length / 2);
    return rowAt(target, (row) => row.of === k && row.j === (j === 2 * n ? j : j % n));
  }
  const n = parents.length;
  return n === 1 ? 0 : n > 12 ? 0 : ((j + 0.5) / n - 0.5) * (target.h - 4);
}

// In a tall picture edges enter from above, beside each other.
function spread(edge, edges) {
  const same = edges.filter((other) => other.target === edge.target);
  return ((same.indexOf(edge) + 0.5) / same.length - 0.5) * (edge.target.w - 24);
}

function labelOf(edge, many, vertical) {
  if (nodes[edge.p].constant) return null;
  if (edge.merged && (edge.target.rows.length > 3 || edge.stands.length > 1 || edge.source.rows.length > 3)) return null;
  const lines = ["−0.00000"];
  const operands = nodes[edge.k].parents.length;
  if (!edge.merged && edge.target.kind === "value" && many <= FEW && operands < 3 && !vertical) {
    const [left, right] = ruleText(edge.k, edge.j);
    if (left.length + right.length < 28) lines.unshift(`${left} = ${right}`);
  }
  return { w: Math.max(...lines.map((line) => line.length)) * 6.95 + 4, h: lines.length * 13, lines: lines.length };
}

// The derivative of what a folded unit shows with respect to a node that goes into it, along the edges inside.
function through(unit, p) {
  const inside = new Set(unit.nodes);
  const flow = new Map([[unit.shows[0], 1]]);
  let sum = 0;
  for (const k of unit.nodes.slice().reverse()) {
    const g = flow.get(k);
    if (g === undefined) continue;
    (nodes[k].parents || []).forEach((q, j) => {
      const d = local[k][j];
      if (!chosen[k][j]) return;
      if (q === p) sum += g * d;
      if (inside.has(q)) flow.set(q, (flow.get(q) || 0) + g * d);
    });
  }
  return sum;
}
