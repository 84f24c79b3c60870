// Steps: a tree of steps and groups; every one has a number for the address bar, counted from the top. A pair of steps,
// one of either graph, stands for both at once and is never opened.

let count = 0;
const all = [];
const steps = [];
function numbered(item, group) {
  const entry = { group, number: count++, open: false };
  all.push(entry);
  entry.first = steps.length;
  if (Array.isArray(item)) steps.push(item);
  else if (item.pair) {
    entry.pair = true;
    steps.push(...item.pair);
  } else {
    Object.assign(entry, { title: item.title, what: item.what, units: item.units });
    entry.items = item.items.map((child) => numbered(child, entry));
  }
  entry.last = steps.length - 1;
  return entry;
}
const top = graph.outline.map((item) => numbered(item, null));
const shown = (entries) => entries.flatMap((entry) => (entry.open ? shown(entry.items) : [entry]));
let visible = shown(top);
let at = 0; // index into visible

// What has been computed once the steps up to the given one are done.
function stateAt(last) {
  const known = nodes.map((node) => !node.op);
  const gradient = nodes.map(() => null);
  for (let s = 0; s <= last; s++) {
    const [kind, k, j] = steps[s];
    if (kind === "forward") known[k] = true;
    else if (kind === "seed") gradient[k] = 1;
    else if (kind === "backward") gradient[nodes[k].parents[j]] = contributions.get(`${k}_${j}`).after;
  }
  return { known, gradient };
}
