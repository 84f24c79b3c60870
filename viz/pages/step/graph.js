// The graph, and its numbers: one forward and one backward pass, as the engine does them.

const graph = JSON.parse(find("graph").textContent);
const nodes = graph.nodes;
const outputs = graph.outputs; // one, or two that stand side by side
const leaves = nodes.map((_, k) => k).filter((k) => !nodes[k].op);
const leafData = nodes.map((node) => (node.op ? 0 : parse(node.data)));
const start = { leaves: leafData.slice(), rate: parse(graph.rate) };
let rate = start.rate;
let data, local, chosen, adjoint, contributions;

const outputOf = (k) => outputs[nodes[k].side || 0];
const isNary = (k) => graph.ops[nodes[k].op].nary;

function forward(leaf) {
  const result = [];
  for (const [k, node] of nodes.entries()) {
    if (!node.op) result.push(leaf[k]);
    else {
      const operands = node.parents.map((p) => result[p]);
      result.push(isNary(k) ? OPS[node.op].forward(operands) : OPS[node.op].forward(...operands));
    }
  }
  return result;
}

function derivatives(k) {
  const node = nodes[k];
  if (!node.op) return [];
  const operands = node.parents.map((p) => data[p]);
  const rules = OPS[node.op].rules;
  if (isNary(k)) return rules[0](operands, data[k]);
  return rules.map((rule) => rule(...operands, data[k]));
}

// An operation that chooses (where, relu, maximum) is not changed by the operand that it did not choose: its rule gives null
// for that. Nothing flows on such an edge, nor from a node that the output does not depend on: 0 × inf there is no nan.
let reached;

function compute() {
  data = forward(leafData);
  const found = nodes.map((_, k) => derivatives(k));
  local = found.map((list) => list.map((d) => d ?? 0));
  chosen = found.map((list) => list.map((d) => d !== null));
  adjoint = nodes.map(() => 0);
  reached = nodes.map(() => false);
  for (const k of outputs) [adjoint[k], reached[k]] = [1, true];
  contributions = new Map();
  for (let k = nodes.length - 1; k >= 0; k--) {
    (nodes[k].parents || []).forEach((p, j) => {
      const before = adjoint[p];
      const passes = reached[k] && chosen[k][j];
      const product = passes ? adjoint[k] * local[k][j] : 0;
      if (passes) {
        adjoint[p] += product;
        reached[p] = true;
      }
      contributions.set(`${k}_${j}`, { before, product, after: adjoint[p], passes });
    });
  }
}

const updated = () => leafData.map((x, k) => (graph.update.includes(k) ? x - rate * adjoint[k] : x));

// The first node whose number is not finite while those it is made from are, and in which pass: the origin of a nan.
function origin() {
  const k = nodes.findIndex((_, at) => !Number.isFinite(data[at]));
  if (k >= 0) return { pass: "forward", k };
  for (let at = nodes.length - 1; at >= 0; at--) {
    for (const [j, p] of (nodes[at].parents || []).entries()) {
      const { before, after } = contributions.get(`${at}_${j}`);
      if (Number.isFinite(before) && !Number.isFinite(after) && !nodes[p].constant) return { pass: "backward", k: at, j };
    }
  }
  return null;
}

// The edges by which gradient reaches a node, in the order of the steps.
function edgesInto(p) {
  const found = [];
  for (const [kind, k, j] of steps) if (kind === "backward" && nodes[k].parents[j] === p) found.push(`${k}_${j}`);
  return found;
}

// The nodes that a node is made from, and those that it is part of.
const users = nodes.map(() => []);
nodes.forEach((node, k) => (node.parents || []).forEach((p, j) => users[p].push([k, j])));
function closure(k, next) {
  const found = new Set([k]);
  const open = [k];
  while (open.length) {
    for (const other of next(open.pop())) {
      if (!found.has(other)) {
        found.add(other);
        open.push(other);
      }
    }
  }
  return found;
}
const ancestors = (k) => closure(k, (at) => nodes[at].parents || []);
const descendants = (k) => closure(k, (at) => users[at].map(([user]) => user));
