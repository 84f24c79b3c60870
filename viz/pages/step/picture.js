// The picture: drawn anew when something folds or opens, repainted when a step or a number changes.

const SVG = "http://www.w3.org/2000/svg";
const picture = find("picture");
let svg = null;
let drawing = null; // { vertical, width, height, parts, texts, edges }

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// As many characters as fit; East Asian ones and emoji take the place of two.
function fitted(text, room) {
  let columns = 0;
  let shown = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    columns += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(segment) ? 2 : 1;
    if (columns > room) return `${[...shown].slice(0, -1).join("")}…`;
    shown += segment;
  }
  return shown;
}

const kindOf = (k) => (nodes[k].constant ? "constant" : !nodes[k].op ? "leaf" : outputs.includes(k) ? "output" : "inner");

function plan(vertical, lines = 1) {
  const shape = boxesOf();
  const edges = edgesOf(shape, vertical);
  const boxes = [...shape.boxes.values()];
  const framed = units.some((unit) => unit.kind !== "neuron" && unit.chain.every((u) => opened.has(u)));
  return { ...shape, list: boxes, edges, vertical, ...layout(boxes, edges, vertical, framed && !vertical ? 22 : 0, lines) };
}

function drawPicture(planned) {
  const { x, y, width, height, edges, list, vertical } = planned;
  drawing = { ...planned, parts: nodes.map(() => []), texts: { data: new Map(), grad: new Map(), local: new Map(), rule: new Map() }, lines: new Map() };
  const marker = (id, path, refX) => draw("marker", { id, viewBox: "0 0 10 8", refX, refY: 4, markerWidth: 9, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: path }));
  const title = draw("title", { id: "svg-title" }, `Computation graph of ${outputs.map(whole).join(" and ")}`);
  const about = draw("desc", { id: "svg-desc" }, `${nodes.length} values, from the leaves ${vertical ? "above to the output below" : "on the left to the output on the right"}, with their data, gradients and local derivatives. The table of all numbers is below.`);
  const made = draw("svg", { viewBox: [x, y, width, height].map((length) => length.toFixed(1)).join(" "), role: "group", "aria-labelledby": "svg-title", "aria-describedby": "svg-desc", class: edges.length > SOME ? "live crowded" : "live" },
    title, about, draw("defs", {}, marker("ahead", "M0 0L10 4L0 8z", 10), marker("onward", "M0 0L10 4L0 8z", 10), marker("behind", "M10 0L0 4L10 8z", 0)));
  const [outlines, titles] = frames(planned);
  made.append(...outlines);
  for (const edge of edges) made.append(drawEdge(edge));
  made.append(...titles);
  for (const box of list) made.append(drawBox(box));
  if (svg) svg.replaceWith(made);
  else picture.append(made);
  svg = made;
}

const add = (map, key, element) => map.set(key, [...(map.get(key) || []), element]);

// A frame with the name around each layer or group that is open, where no stranger stands between its boxes.
function frames({ list, home }) {
  const outlines = [];
  const titles = [];
  const level = foldLevel();
  // The title stands where few labels of edges are: above the boxes of a column, below those of a row.
  const [over, under] = drawing.vertical ? [7, 24] : [22, 7];
  units.forEach((unit, u) => {
    if (unit.kind === "neuron" || !unit.chain.every((outer) => opened.has(outer))) return;
    if (unit.kind === "band" && level === 0) return; // it has no meaning but to be folded
    const keys = new Set(unit.nodes.map((k) => home[k]));
    const own = list.filter((box) => keys.has(box.key));
    if (!own.length) return;
    const around = (boxes) => [Math.min(...boxes.map((b) => b.x)) - 7, Math.min(...boxes.map((b) => b.y)) - over,
      Math.max(...boxes.map((b) => b.x + b.w)) + 7, Math.max(...boxes.map((b) => b.y + b.h)) + under];
    let [left, top, right, bottom] = around(own);
    const meets = list.some((b) => !keys.has(b.key) && b.x < right && b.x + b.w > left && b.y < bottom - under + 7 && b.y + b.h > top + over - 8);
    const clear = !meets && own.length > 1;
    if (!clear) [left, top, right, bottom] = around(own.slice(0, 1)); // the title stands by the first
    const transform = `translate(${left.toFixed(1)},${top.toFixed(1)})`;
    if (clear) outlines.push(draw("g", { class: "frame", transform }, draw("rect", { class: "around", width: right - left, height: bottom - top, rx: 8 })));
    const frame = draw("g", { class: "frame", transform });
    const title = fitted(unit.title, Math.max(12, Math.floor((right - left - 30) / CHAR)));
    const base = drawing.vertical ? bottom - top - 7 : 15;
    frame.append(text("caption", 6, base, title), foldButton(u, clear ? right - left - 20 : 12 + title.length * CHAR, base - 12));
    titles.push(frame);
  });
  return [outlines, titles];
}

function text(classes, x, y, content) {
  return draw("text", { class: classes, x, y }, content);
}

function foldButton(u, x, y) {
  const unit = units[u];
  const isOpen = opened.has(u);
  const words = `${isOpen ? "Fold" : "Open"} ${unit.title}`;
  const button = draw("g", { class: "fold", role: "button", tabindex: 0, "aria-label": words, "aria-expanded": isOpen, transform: `translate(${x},${y})`, "data-unit": u },
    draw("title", {}, words), draw("rect", { class: "reach", x: -20, y: -13, width: 40, height: 40 }), draw("rect", { class: "face", width: 14, height: 14, rx: 3 }),
    draw("path", { d: isOpen ? "M3 7H11" : "M3 7H11M7 3V11" }));
  return button;
}

function drawBox(box) {
  const kinds = box.rows.map((row) => row.k).filter((k) => k !== undefined).map(kindOf);
  const kind = box.kind === "value" ? kindOf(box.k) : kinds.includes("output") ? "output" : units[box.u].kind === "inputs" ? "leaf" : "inner";
  const group = draw("g", { class: `box ${box.kind} ${kind}`, transform: `translate(${box.x.toFixed(1)},${box.y.toFixed(1)})`, "data-key": box.key });
  const isRound = box.kind === "value" && !nodes[box.k].op;
  group.append(draw("rect", { class: "body", width: box.w, height: box.h, rx: isRound ? 9 : 3 }));
  if (box.k !== undefined && box.kind !== "table") answering(group, box.k);
  if (box.kind !== "value") for (const k of units[box.u].nodes) if (!box.rows.some((row) => row.k === k && row.type !== "head")) drawing.parts[k].push(group);
  box.rows.forEach((row, r) => drawRow(group, box, row, r * ROW + (box.rows.length > 3 ? 2 : 0)));
  return group;
}

// What can be pointed at, focused and pressed: it stands for the value k.
function answering(group, k) {
  group.classList.add("value");
  group.setAttribute("data-node", k);
  group.setAttribute("role", "button");
  group.setAttribute("tabindex", "0");
  group.append(draw("title", {}));
  drawing.parts[k].push(group);
}

function cells(group, map, k, kind, x, y, classes = "num") {
  const element = text(classes, x, y, "");
  add(map, kind === "local" ? k : String(k), element);
  group.append(element);
  return element;
}

function drawRow(group, box, row, y) {
  const base = y + 13;
  const { k } = row;
  const { texts } = drawing;
  const end = box.w - PAD;
  switch (row.type) {
    case "single":
      return void cells(group, texts.data, k, "data", end, base);
    case "head": {
      if (row.u !== undefined) return drawHead(group, box, row);
      const node = nodes[k];
      if (!node.op) return void group.append(text("sign", PAD, base, fitted(node.target ? `${called(k)} (target)` : called(k), 15)));
      const sign = fitted(graph.ops[node.op].symbol, 10);
      const bar = draw("rect", { class: "bar", x: 1.5, y: 1.5, width: box.w - 3, height: ROW - 3, rx: 2 });
      const name = node.full && !/^[\w.]+$/.test(node.full) ? `${node.name}: ${node.full}` : called(k);
      const shown = text("num", end, base, fitted(name, 14 - sign.length));
      return void group.append(bar, text("sign", PAD, base, sign), shown);
    }
    case "columns":
      group.append(draw("rect", { class: "bar", x: 1.5, y, width: box.w - 3, height: ROW - 2 }));
      if (box.kind === "table") group.append(text("num head", COLUMN.data, base, "data"), text("num head", COLUMN.local, base, "∂ local"), text("num head", COLUMN.grad, base, "grad"));
      else group.append(text("num head", box.w - PAD - 80, base, "data"), text("num head", end, base, "grad"));
      return;
    case "data": case "grad":
      group.append(text("key", PAD, base, row.type));
      return void cells(group, texts[row.type], k, row.type, end, base);
    case "named":
      group.append(text("key", PAD, base, fitted(called(k), 7)));
      return void cells(group, texts.data, k, "data", end, base);
    case "more":
      return void group.append(text("key", PAD, base, row.text));
  }
  // the rows of tables
  const kind = kindOf(k);
  const line = draw("g", { class: `row ${kind}` });
  group.append(line);
  line.append(draw("rect", { class: "body", x: 3, y: y + 1, width: box.w - 6, height: ROW - 2, rx: kind === "leaf" ? 7 : 2 }));
  answering(line, k);
  const isTable = box.kind === "table";
  line.append(text("key", PAD + 3, base, fitted(row.type === "weight" ? nodes[k].cell || called(k) : called(k), isTable ? 7 : 8)));
  cells(line, texts.data, k, "data", isTable ? COLUMN.data : end - 80, base);
  if (nodes[k].constant) return;
  if (row.type === "weight") cells(line, texts.local, row.edge, "local", COLUMN.local, base);
  else if (row.into !== undefined && isTable) cells(line, texts.local, `${row.into}_${nodes[row.into].parents.indexOf(k)}`, "local", COLUMN.local, base);
  cells(line, texts.grad, k, "grad", isTable ? COLUMN.grad : end, base);
}

const isBand = (unit) => ["round", "band", "tree"].includes(unit.kind);

function drawHead(group, box, row) {
  const unit = units[row.u];
  const bar = draw("rect", { class: "bar", x: 1.5, y: 1.5, width: box.w - 3, height: ROW - (box.rows.length > 3 ? 1 : 3), rx: 2 });
  const base = box.rows.length > 3 ? 15 : 13;
  const room = Math.floor((box.w - 2 * PAD - 18) / CHAR);
  const what = fitted(isBand(unit) && box.kind === "closed" ? titled(unit) : unit.what || unit.title, room);
  const parts = [bar, text("sign", PAD, base, what)];
  const left = room - what.length - 1;
  if (unit.what && !isBand(unit) && left > 4) parts.push(text("num", box.w - PAD - 18, base, fitted(box.kind === "closed" && unit.shows.length === 1 ? unit.brief || unit.title : unit.title, left)));
  group.append(...parts, foldButton(row.u, box.w - 19, 2));
}

function drawEdge(edge) {
  const group = draw("g", { class: "edge", "data-edges": edge.stands.join(" ") }, draw("path", { d: edge.d }));
  for (const id of edge.stands) add(drawing.lines, id, group);
  if (edge.label) {
    const { x, y } = edge.at || { x: 0, y: 0 };
    const hidden = edge.at ? "" : " hidden";
    if (edge.label.lines > 1) {
      const rule = text(`rule${hidden}`, x, y - 15, "");
      add(drawing.texts.rule, `${edge.k}_${edge.j}`, rule);
      group.append(rule);
    }
    const number = text(`local${hidden}`, x, y - 2, "");
    if (edge.merged) edge.number = number;
    else add(drawing.texts.local, `${edge.k}_${edge.j}`, number);
    group.append(number);
  }
  edge.group = group;
  return group;
}
