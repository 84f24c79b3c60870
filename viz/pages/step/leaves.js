// The leaves: a slider and a field each, in groups; in a comparison one slider moves the leaves of both graphs.

const fields = new Map();
const twins = nodes.map(() => []);
for (const pair of graph.linked || []) for (const k of pair) twins[k] = pair.filter((other) => other !== k);

function setLeaf(k, x) {
  for (const one of [k, ...twins[k]]) leafData[one] = x;
  const field = fields.get(k);
  if (!field) return;
  field.text.value = brief(x);
  field.text.title = exact(x);
  valid(field.text);
  place(field.range, x);
}

// The range of a slider reaches a few units to either side of the value, and grows with it.
function place(range, x) {
  if (!Number.isFinite(x)) return;
  if (!(x > Number(range.min) && x < Number(range.max))) {
    const reach = Math.min(Math.max(2, 2 * Math.abs(x)), Number.MAX_VALUE / 4);
    range.min = Math.max(x - reach, -Number.MAX_VALUE / 2);
    range.max = Math.min(x + reach, Number.MAX_VALUE / 2);
  }
  range.value = x;
}

// Marks a field as right, or says what is wrong with it.
function valid(input, wrong = "") {
  input.setAttribute("aria-invalid", String(wrong !== ""));
  const row = input.parentElement;
  row.querySelector(".wrong")?.remove();
  if (!wrong || !row.classList.contains("field")) return;
  const words = make("span", { className: "wrong" }, `${wrong}; ${called(input.leaf)} stays ${exact(leafData[input.leaf])}`);
  words.setAttribute("role", "alert");
  row.append(words);
}

function recompute() {
  compute();
  show(false);
}

// A frame, such as a notebook's, is told of changes, and may send some.
function tellFrame(k) {
  if (parent !== window) parent.postMessage({ kind: "leaf", node: k, data: exact(leafData[k]) }, "*");
}
addEventListener("message", (event) => {
  if (event.source !== parent || parent === window || event.data?.kind !== "set" || !Array.isArray(event.data.data)) return;
  for (const [k, x] of event.data.data) if (fields.has(k)) setLeaf(k, parse(x));
  recompute();
});

function fieldOf(k) {
  const row = make("div", { className: "field" });
  const name = nodes[k].name || `constant ${called(k)}`;
  const full = nodes[k].full || name;
  const label = make("label", { htmlFor: `leaf${k}`, title: full }, nodes[k].target ? `${name} (target)` : nodes[k].cell || name);
  const range = make("input", { type: "range", step: "any", min: "0", max: "0", "aria-label": `${full}, slider` });
  const text = make("input", { type: "text", id: `leaf${k}`, inputMode: "text", autocomplete: "off", spellcheck: false, "aria-label": full });
  text.leaf = k;
  fields.set(k, { text, range });
  row.append(label, range, text);
  const moved = (x) => {
    for (const one of [k, ...twins[k]]) leafData[one] = x;
    valid(text);
    text.title = exact(x);
    recompute();
    tellFrame(k);
  };
  range.addEventListener("input", () => {
    const x = Number(range.value);
    text.value = brief(x);
    moved(Number(text.value));
  });
  range.addEventListener("change", () => {
    const width = range.max - range.min;
    if (range.value - range.min < width / 50 || range.max - range.value < width / 50) {
      range.min = Math.max(Number(range.min) - width / 2, -Number.MAX_VALUE / 2);
      range.max = Math.min(Number(range.max) + width / 2, Number.MAX_VALUE / 2);
      range.value = leafData[k];
    }
  });
  text.addEventListener("input", () => {
    const x = read(text.value);
    if (typeof x === "string") return valid(text, x);
    place(range, x);
    moved(x);
  });
  return row;
}

function buildFields() {
  for (const group of graph.groups) {
    const rows = [];
    for (const k of group.leaves) if (!twins[k].some((twin) => fields.has(twin))) rows.push(fieldOf(k));
    if (!rows.length) continue;
    const inner = make("div", {}, ...rows);
    find("fields").append(make("details", { open: group.first || (fields.size <= 30 && !group.leaves.every((k) => nodes[k].constant)) }, make("summary", {}, group.title), inner));
  }
  for (const k of fields.keys()) setLeaf(k, leafData[k]);
  const rateField = find("rate");
  rateField.value = exact(rate);
  rateField.addEventListener("input", () => {
    const x = read(rateField.value);
    valid(rateField, typeof x === "string" ? x : "");
    if (typeof x === "string") return;
    rate = x;
    recompute();
  });
  find("reset").addEventListener("click", () => {
    for (const k of leaves) setLeaf(k, start.leaves[k]);
    rate = start.rate;
    rateField.value = exact(rate);
    valid(rateField);
    recompute();
  });
}

function toField(k) {
  const one = fields.has(k) ? k : twins[k].find((twin) => fields.has(twin));
  const { text } = fields.get(one);
  text.closest("details").open = true;
  text.focus();
  text.select();
}
