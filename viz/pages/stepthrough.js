// The page of viz/stepthrough.py. Before this come primitives.js and OPS, the operations that the graph uses.
(() => {
  const find = (id) => document.getElementById(id);
  const graph = JSON.parse(find("graph").textContent);
  const nodes = graph.nodes;
  const output = nodes.length - 1;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const leaves = nodes.map((_, k) => k).filter((k) => !nodes[k].op);
  const parse = (x) => (x === "nan" ? NaN : x === "inf" ? Infinity : x === "-inf" ? -Infinity : Number(x));

  // Steps: a tree of steps and groups; every one has a number for the address bar, counted from the top.

  let count = 0;
  const all = [];
  const steps = [];
  function numbered(item, group) {
    const entry = { group, number: count++, open: false };
    all.push(entry);
    if (Array.isArray(item)) {
      entry.first = entry.last = steps.length;
      steps.push(item);
    } else {
      entry.title = item.title;
      entry.first = steps.length;
      entry.items = item.items.map((child) => numbered(child, entry));
      entry.last = steps.length - 1;
    }
    return entry;
  }
  const top = graph.outline.map((item) => numbered(item, null));
  const shown = (entries) => entries.flatMap((entry) => (entry.open ? shown(entry.items) : [entry]));
  let visible = shown(top);
  let at = 0; // index into visible

  // The numbers: one forward and one backward pass, as the engine does them.

  const leafData = nodes.map((node) => (node.op ? 0 : parse(node.data)));
  let rate = parse(graph.rate);
  let data, local, adjoint, contributions;

  function forward(leaf) {
    const result = [];
    for (const [k, node] of nodes.entries()) {
      if (!node.op) result.push(leaf[k]);
      else {
        const operands = node.parents.map((p) => result[p]);
        const row = OPS[node.op];
        result.push(graph.ops[node.op].text ? row.forward(...operands) : row.forward(operands));
      }
    }
    return result;
  }

  function derivatives(k) {
    const node = nodes[k];
    if (!node.op) return [];
    const operands = node.parents.map((p) => data[p]);
    const rules = OPS[node.op].rules;
    if (!graph.ops[node.op].text) return rules[0](operands, data[k]);
    return rules.map((rule) => rule(...operands, data[k]));
  }

  function compute() {
    data = forward(leafData);
    local = nodes.map((_, k) => derivatives(k));
    adjoint = nodes.map(() => 0);
    adjoint[output] = 1;
    contributions = new Map();
    for (let k = output; k >= 0; k--) {
      (nodes[k].parents || []).forEach((p, j) => {
        const before = adjoint[p];
        adjoint[p] += adjoint[k] * local[k][j];
        contributions.set(`${k}_${j}`, { before, product: adjoint[k] * local[k][j], after: adjoint[p] });
      });
    }
  }

  const updated = () => leafData.map((x, k) => (graph.update.includes(k) ? x - rate * adjoint[k] : x));

  // Numbers and formulas as text; the same as narrow and fill in steps.py.

  function narrow(x) {
    if (x !== x) return "nan";
    let text = String(x).replace("Infinity", "inf");
    if (Math.abs(x) !== Infinity) {
      const size = Math.abs(x);
      if (size === 0) text = "0.0000";
      else text = size >= 1e-3 && size < 999.99995 ? x.toFixed(4) : x.toExponential(2).replace("+", "");
    }
    return text.replaceAll("-", "−");
  }

  const exact = (x) => String(x).replace("Infinity", "inf").replace("NaN", "nan");
  const called = (k) => nodes[k].name || String(Number(data[k].toPrecision(6))).replace("-", "−").replace("Infinity", "inf").replace("NaN", "nan");
  const whole = (k) => nodes[k].full || called(k);
  const isWord = (text) => /^\p{L}+$/u.test(text);

  function fill(template, names) {
    return template.replace(/\{(\w)\}/g, (place, name, start) => {
      const text = names[name];
      const before = template.slice(0, start);
      const after = template.slice(start + place.length);
      const alone = (!before || /(\(|, )$/.test(before)) && !/^(²| \*\*|\()/.test(after);
      return alone || !text.startsWith("−") ? text : `(${text})`;
    });
  }

  const signed = (x) => (narrow(x).startsWith("−") ? `(${narrow(x)})` : narrow(x));

  // What stands in the places of the formulas of node k: names, or numbers.
  function places(k, j, show) {
    const node = nodes[k];
    const parents = node.parents;
    if (node.op === "dot") {
      const n = Math.floor(parents.length / 2);
      const partner = j < 2 * n ? show(parents[(j + n) % (2 * n)]) : "";
      return { w: partner, x: partner };
    }
    if (!graph.ops[node.op].text) return { a: show(parents[j]), n: String(parents.length) };
    return Object.fromEntries(parents.map((p, i) => ["abc"[i], show(p)]));
  }

  function expression(k, show) {
    const node = nodes[k];
    const parents = node.parents;
    const shown = graph.ops[node.op];
    if (shown.text) return fill(shown.text, places(k, 0, show));
    const few = (texts, sign) => (texts.length > 5 ? [...texts.slice(0, 3), "…", texts.at(-1)] : texts).join(sign);
    if (node.op === "dot") {
      const n = Math.floor(parents.length / 2);
      const brace = (text) => (text.startsWith("−") ? `(${text})` : text);
      const terms = parents.slice(0, n).map((p, i) => `${brace(show(p))} · ${brace(show(parents[n + i]))}`);
      if (parents.length % 2) terms.push(brace(show(parents[2 * n])));
      return few(terms, " + ");
    }
    return `${shown.symbol}(${few(parents.map(show), ", ")})`;
  }

  function ruleOf(k, j) {
    const node = nodes[k];
    const n = Math.floor(node.parents.length / 2);
    const number = node.op === "dot" ? (j === 2 * n ? 2 : Math.floor(j / n)) : graph.ops[node.op].text ? j : 0;
    return graph.ops[node.op].rules[number];
  }

  // The local derivative by operand j: its name, the rule with names, the rule with numbers.
  function derivative(k, j) {
    const node = nodes[k];
    const shown = graph.ops[node.op];
    const x = called(node.parents[j]);
    const names = { ...places(k, j, called), y: called(k) };
    let left = `∂${called(k)}/∂${x}`;
    if (node.parents.length === 1 && shown.text && isWord(shown.symbol)) {
      left = `${shown.symbol}′(${x})`;
      names.y = fill(shown.text, names);
    }
    const rule = ruleOf(k, j);
    const numbers = { ...places(k, j, (p) => narrow(data[p])), y: narrow(data[k]), n: names.n };
    return [left, fill(rule, names), fill(rule, numbers)];
  }

  // The picture.

  const picture = find("picture");
  const svg = picture.querySelector("svg");
  const group = (name) => {
    const found = new Map();
    for (const element of svg.querySelectorAll(`[data-${name}]`)) {
      const key = element.dataset[name];
      found.set(key, [...(found.get(key) || []), element]);
    }
    return found;
  };
  const dataTexts = group("d");
  const gradTexts = group("g");
  const localTexts = group("l");
  const formulaTexts = [group("f0"), group("f1")];
  const boxes = nodes.map((_, k) => find(`v${k}`));
  const titles = boxes.map((box) => box.querySelector("title"));
  const about = titles.map((title) => title.textContent.split("\n").slice(0, 2).join("\n"));
  const write = (elements, text, changed = false) => {
    for (const element of elements || []) {
      if (element.textContent !== text) element.textContent = text;
      element.classList.toggle("changed", changed);
    }
  };

  // What has been computed once the steps up to the given one are done.
  function stateAt(last) {
    const known = nodes.map((node) => !node.op);
    const gradient = nodes.map(() => null);
    const edges = new Set();
    for (let s = 0; s <= last; s++) {
      const [kind, k, j] = steps[s];
      if (kind === "forward") known[k] = true;
      else if (kind === "seed") gradient[output] = 1;
      else if (kind === "backward") {
        gradient[nodes[k].parents[j]] = contributions.get(`${k}_${j}`).after;
        edges.add(`${k}_${j}`);
      }
    }
    return { known, gradient, edges };
  }

  function paint() {
    const entry = visible[at];
    const state = stateAt(entry.last);
    const after = steps[entry.last][0] === "update" ? updated() : null;
    nodes.forEach((node, k) => {
      const moved = after !== null && graph.update.includes(k);
      write(dataTexts.get(String(k)), state.known[k] ? narrow(moved ? after[k] : data[k]) : "–", moved);
      write(gradTexts.get(String(k)), state.gradient[k] === null ? "–" : narrow(state.gradient[k]));
      const [x, g] = [state.known[k] ? exact(data[k]) : "–", state.gradient[k] === null ? "–" : exact(state.gradient[k])];
      titles[k].textContent = `${about[k]}\ndata = ${x}\ngrad = ${g}`;
      boxes[k].classList.toggle("pending", !state.known[k]);
      boxes[k].classList.remove("now", "from");
    });
    for (const [id, texts] of localTexts) {
      const [k, j] = id.split("_").map(Number);
      const text = state.known[k] ? narrow(local[k][j]) : "–";
      write(texts, formulaTexts[0].has(id) ? `= ${text}` : text);
    }
    for (const [id, texts] of formulaTexts[0]) {
      // Names stand, but a constant is called by its number, which may have changed.
      const [left, rule] = derivative(...id.split("_").map(Number));
      const second = formulaTexts[1].get(id);
      if (second) write(second, `= ${rule}`);
      else if (texts[0].textContent.includes(" = ")) write(texts, `${left} = ${rule}`);
    }
    for (const edge of svg.querySelectorAll(".edge.now")) edge.classList.remove("now", "backward");
    for (const cell of svg.querySelectorAll(".cell.now")) cell.classList.remove("now");
    const now = [];
    for (let s = entry.first; s <= entry.last; s++) now.push(...highlight(...steps[s]));
    return now;
  }

  // Marks what the step is about; returns what must be in view.
  function highlight(kind, k, j) {
    if (kind === "forward") {
      boxes[k].classList.add("now");
      nodes[k].parents.forEach((_, i) => find(`e${k}_${i}`)?.classList.add("now"));
      return [boxes[k]];
    }
    if (kind === "seed") {
      boxes[output].classList.add("now");
      return [boxes[output]];
    }
    if (kind === "backward") {
      const parent = boxes[nodes[k].parents[j]];
      boxes[k].classList.add("from");
      parent.classList.add("now");
      find(`e${k}_${j}`)?.classList.add("now", "backward");
      for (const cell of localTexts.get(`${k}_${j}`) || []) if (cell.classList.contains("cell")) cell.classList.add("now");
      return [parent, boxes[k]];
    }
    if (kind === "update") for (const leaf of graph.update) boxes[leaf].classList.add("now");
    return [];
  }

  // The caption.

  const caption = find("caption");
  const actions = find("actions");
  function line(words, text = "", className = "") {
    const p = document.createElement("p");
    p.className = className || (text ? "math" : "");
    if (text) {
      const b = document.createElement("b");
      b.textContent = words;
      p.append(b, " ", text);
    } else p.textContent = words;
    return p;
  }

  const L = () => called(output);
  const sayForward = (k) => {
    const texts = [called(k), expression(k, called), expression(k, (p) => narrow(data[p])), narrow(data[k])];
    return texts.filter((text, i) => i === 0 || text !== texts[i - 1]).join(" = ");
  };

  function captionOf(entry) {
    if (entry.items) return groupCaption(entry);
    const [kind, k, j] = steps[entry.first];
    if (kind === "start") {
      return [
        line("Start: the leaves are given", "", "title"),
        line(`${leaves.length} leaves, ${nodes.length - leaves.length} operations. First the forward pass computes ${whole(output)} from the leaves; then the backward pass computes how ${whole(output)} changes with each of them.`),
        line("Step with → and ←, or press Play. Change a leaf at any time: every number follows."),
      ];
    }
    if (kind === "forward") {
      return [line(`Forward: ${whole(k)}`, "", "title"), line("compute", sayForward(k)),
        line(nodes[k].parents.length > 1 ? "Its local derivatives are known now too, and stand ready for the way back." : "Its local derivative is known now too, and stands ready for the way back.")];
    }
    if (kind === "seed") {
      return [line(`Backward starts: the seed of ${whole(output)}`, "", "title"),
        line("seed", `∂${L()}/∂${L()} = 1`),
        line(`${called(output)} changes exactly as much as itself. From here each step multiplies by one local derivative.`)];
    }
    if (kind === "backward") return backwardCaption(k, j);
    return updateCaption();
  }

  function backwardCaption(k, j) {
    const p = nodes[k].parents[j];
    const [left, rule, numbers] = derivative(k, j);
    const { before, product, after } = contributions.get(`${k}_${j}`);
    const value = narrow(local[k][j]);
    const isNumber = rule === numbers && Number(rule.replace("−", "-")) === local[k][j]; // 1 = 1.0000 says nothing
    const chain = isNumber ? [rule] : [rule, numbers, value].filter((part, i, parts) => part !== parts[i - 1]);
    const seen = paths(p);
    const place = seen.indexOf(`${k}_${j}`) + 1;
    const lines = [
      line(`Backward: from ${whole(k)} to ${whole(p)}`, "", "title"),
      line("local derivative", `${left} = ${chain.join(" = ")}`),
      line("product", `∂${L()}/∂${called(k)} × ∂${called(k)}/∂${called(p)} = ${signed(adjoint[k])} × ${signed(local[k][j])} = ${narrow(product)}`),
      line("accumulate", `${called(p)}.grad: ${narrow(before)} + ${signed(adjoint[k])} × ${signed(local[k][j])} = ${narrow(after)}`),
    ];
    if (seen.length > 1) {
      const ordinal = ["", "first", "second", "third"][place] || `${place}th`;
      lines.push(line(place > 1
        ? `${called(p)} is used ${seen.length} times: a ${ordinal} path from ${called(p)} to ${L()} is added to what its gradient holds already.`
        : `${called(p)} is used ${seen.length} times: this is the first of ${seen.length} paths, the others will be added.`, "", "note"));
    }
    if (place === seen.length) lines.push(line(`∂${L()}/∂${called(p)} = ${narrow(after)} is complete.`));
    return lines;
  }

  // The edges by which gradient reaches a node, in the order of the steps.
  function paths(p) {
    const found = [];
    for (const [kind, k, j] of steps) if (kind === "backward" && nodes[k].parents[j] === p) found.push(`${k}_${j}`);
    return found;
  }

  function updateCaption() {
    const after = updated();
    const lines = [line("Update: every parameter takes a step against its gradient", "", "title")];
    if (!graph.update.length) return [lines[0], line("There is no leaf to update: all of them are constants.")];
    const first = graph.update[0];
    const [before, next] = [data[output], forward(after)[output]];
    lines.push(
      line("rule", `w ← w − η · grad, for example ${called(first)} ← ${narrow(leafData[first])} − ${exact(rate)} × ${signed(adjoint[first])} = ${narrow(after[first])}`),
      line("result", `${L()} = ${narrow(before)} → ${narrow(next)} (${next < before ? "smaller" : next > before ? "larger: the step was too long" : "unchanged"})`));
    const table = document.createElement("table");
    const row = (tag, texts) => {
      const tr = table.insertRow();
      for (const text of texts) tr.appendChild(document.createElement(tag)).textContent = text;
    };
    row("th", ["leaf", "w", "grad", "w − η · grad"]);
    for (const k of graph.update.slice(0, 100)) row("td", [whole(k), narrow(leafData[k]), narrow(adjoint[k]), narrow(after[k])]);
    lines.push(table);
    if (graph.update.length > 100) lines.push(line(`… and ${graph.update.length - 100} more`));
    return lines;
  }

  function groupCaption(entry) {
    const inside = steps.slice(entry.first, entry.last + 1);
    const way = inside[0][0] === "forward" ? "Forward" : "Backward";
    const lines = [line(`${way}: ${entry.title || "several nodes"} (${inside.length} steps)`, "", "title")];
    const texts = new Map();
    for (const [kind, k, j] of inside) {
      if (kind === "forward") texts.set(k, sayForward(k));
      else {
        const p = nodes[k].parents[j];
        const key = `${k}_${j}`;
        const terms = texts.get(p)?.terms || [];
        texts.set(p, { terms: [...terms, key] });
      }
    }
    const list = [...texts];
    for (const [k, said] of list.slice(0, 40)) {
      if (way === "Forward") lines.push(line(whole(k), said.replace(/^.*? = /, "")));
      else {
        const { before } = contributions.get(said.terms[0]);
        const { after } = contributions.get(said.terms.at(-1));
        const products = said.terms.map((key) => {
          const [child, j] = key.split("_").map(Number);
          return `${signed(adjoint[child])} × ${signed(local[child][j])}`;
        });
        const sum = products.length > 3 ? `${products.length} products` : products.join(" + ");
        lines.push(line(`${whole(k)}.grad`, `${narrow(before)} + ${sum} = ${narrow(after)}`));
      }
    }
    if (list.length > 40) lines.push(line(`… and ${list.length - 40} more`));
    return lines;
  }

  function button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  }

  function offer(entry) {
    const offers = [];
    if (entry.items) {
      offers.push(button(`Open these ${entry.items.length} steps`, () => {
        entry.open = true;
        settle(entry.items[0]);
        slider.focus();
      }));
    } else if (entry.first === steps.length - 1 && graph.update.length) {
      offers.push(button("Take this step and start again", () => {
        updated().forEach((x, k) => { if (!nodes[k].op) setLeaf(k, x); });
        compute();
        settle(top[0]);
        slider.focus();
      }));
    }
    if (entry.group) {
      const closed = entry.group;
      offers.push(button(`Close ${closed.title || "this group"}`, () => {
        closed.open = false;
        settle(closed);
        slider.focus();
      }));
    }
    actions.replaceChildren(...offers.flatMap((made) => [made, " "]));
  }

  // Going to a step.

  const slider = find("step");
  function show(follow = true) {
    const entry = visible[at];
    const now = paint();
    caption.replaceChildren(...captionOf(entry));
    caption.dataset.step = entry.number;
    slider.max = visible.length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${at} of ${visible.length - 1}: ${caption.firstChild.textContent}`);
    find("place").textContent = `${at} / ${visible.length - 1}`;
    find("first").disabled = find("back").disabled = at === 0;
    find("last").disabled = find("forward").disabled = at === visible.length - 1;
    if (follow) bringIntoView(now);
  }

  function settle(entry) {
    for (let outer = entry.group; outer; outer = outer.group) outer.open = true;
    visible = shown(top);
    at = Math.max(0, visible.indexOf(entry));
    go(at);
  }

  function go(step) {
    at = Math.min(Math.max(step, 0), visible.length - 1);
    show();
    offer(visible[at]);
    find("says").scrollTop = 0;
    const hash = `#step=${visible[at].number}`;
    // Replaced, not pushed: the back button leaves the page. A frame in a notebook has no address to write to.
    if (location.hash !== hash && location.protocol !== "about:") {
      try {
        history.replaceState(null, "", hash);
      } catch {
        // the address stays as it is
      }
    }
  }

  function goToHash() {
    const number = Number(/^#step=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
    if (!all[number]) return false;
    all[number].open = false;
    settle(all[number]);
    return true;
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
      if (high - low > most - least) return areas[0] === undefined ? 0 : low - least - 12;
      return (low + high) / 2 - (least + most) / 2;
    };
    const left = shift(box.left, box.right, view.left, view.right);
    const topShift = shift(box.top, box.bottom, view.top, view.bottom);
    if (left || topShift) picture.scrollBy({ left, top: topShift, behavior: calm.matches ? "auto" : "smooth" });
  }

  // Playing.

  let timer = 0;
  const play = find("play");
  function stop() {
    clearTimeout(timer);
    timer = 0;
    play.textContent = "▶ Play";
    play.setAttribute("aria-pressed", "false");
  }
  function next() {
    if (at < visible.length - 1) go(at + 1);
    if (at === visible.length - 1) stop();
    else timer = setTimeout(next, 1600 / Number(find("speed").value));
  }
  function toggle() {
    if (timer) return stop();
    if (at === visible.length - 1) go(0);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setTimeout(next, 400 / Number(find("speed").value));
  }
  const move = (step) => {
    stop();
    go(step);
  };
  play.addEventListener("click", toggle);
  find("first").addEventListener("click", () => move(0));
  find("back").addEventListener("click", () => move(at - 1));
  find("forward").addEventListener("click", () => move(at + 1));
  find("last").addEventListener("click", () => move(visible.length - 1));
  slider.addEventListener("input", () => move(Number(slider.value)));
  addEventListener("hashchange", () => { stop(); goToHash(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const target = event.target;
    if (target !== slider && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    const keys = { ArrowLeft: () => move(at - 1), ArrowRight: () => move(at + 1), Home: () => move(0), End: () => move(visible.length - 1) };
    if (event.key === " " && !/^(BUTTON|SUMMARY)$/.test(target.tagName)) keys[" "] = toggle;
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // Leaves.

  const fields = new Map();
  function setLeaf(k, x) {
    leafData[k] = x;
    const { text, range } = fields.get(k);
    text.value = exact(x);
    valid(text, true);
    place(range, x);
  }

  // The range of a slider reaches a few units to either side of the value, and grows with it.
  function place(range, x) {
    if (!Number.isFinite(x)) return;
    const low = Number(range.min);
    const high = Number(range.max);
    if (!(x > low && x < high)) {
      const reach = Math.min(Math.max(2, 2 * Math.abs(x)), Number.MAX_VALUE / 4);
      range.min = Math.max(x - reach, -Number.MAX_VALUE / 2);
      range.max = Math.min(x + reach, Number.MAX_VALUE / 2);
    }
    range.value = x;
  }

  function valid(input, isValid) {
    input.setAttribute("aria-invalid", String(!isValid));
    const row = input.parentElement;
    row.querySelector(".wrong")?.remove();
    if (isValid || !row.classList.contains("field")) return;
    const words = document.createElement("span");
    words.className = "wrong";
    words.setAttribute("role", "alert");
    words.textContent = `not a number; ${nodes[input.leaf].name || "the leaf"} stays ${exact(leafData[input.leaf])}`;
    row.append(words);
  }

  // A number, nan, inf or -inf; null for anything else.
  function read(text) {
    const plain = text.trim().replaceAll("−", "-").replace(/^([+-]?)(inf|infinity|∞)$/i, "$1Infinity");
    if (/^[+-]?nan$/i.test(plain)) return NaN;
    return plain === "" || Number.isNaN(Number(plain)) || /^[+-]?0[xob]/i.test(plain) ? null : Number(plain);
  }

  function recompute() {
    compute();
    show(false);
  }

  function fieldOf(k) {
    const row = document.createElement("div");
    row.className = "field";
    const label = document.createElement("label");
    const range = document.createElement("input");
    const text = document.createElement("input");
    const name = nodes[k].name || `constant ${called(k)}`;
    label.textContent = name;
    label.title = nodes[k].full || name;
    text.id = `leaf${k}`;
    label.htmlFor = text.id;
    range.type = "range";
    range.step = "any";
    range.min = range.max = "0";
    range.setAttribute("aria-label", `${nodes[k].full || name}, slider`);
    text.type = "text";
    text.inputMode = "decimal";
    text.autocomplete = "off";
    text.spellcheck = false;
    text.leaf = k;
    text.setAttribute("aria-label", nodes[k].full || name);
    fields.set(k, { text, range });
    row.append(label, range, text);
    range.addEventListener("input", () => {
      leafData[k] = Number(range.value);
      text.value = exact(leafData[k]);
      valid(text, true);
      recompute();
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
      if (x === null) return valid(text, false);
      leafData[k] = x;
      valid(text, true);
      place(range, x);
      recompute();
    });
    return row;
  }

  function buildFields() {
    const parts = new Map();
    for (const k of leaves) {
      const full = nodes[k].constant ? "" : nodes[k].full || "";
      const unit = leaves.length > 12 ? (nodes[k].constant ? "constants" : /^[\w.]+\.\w+$/.test(full) ? full.slice(0, full.lastIndexOf(".")) : "inputs and others") : "";
      parts.set(unit, [...(parts.get(unit) || []), fieldOf(k)]);
    }
    const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });
    const inOrder = ["", "inputs and others", "constants"];
    const rank = (unit) => (inOrder.includes(unit) ? inOrder.indexOf(unit) : 1.5);
    for (const [unit, rows] of [...parts].sort(([a], [b]) => rank(a) - rank(b) || byName(a, b))) {
      if (!unit) {
        find("fields").append(...rows);
        continue;
      }
      const details = document.createElement("details");
      const summary = document.createElement("summary");
      const inner = document.createElement("div");
      summary.textContent = unit;
      inner.append(...rows);
      details.append(summary, inner);
      details.open = fields.size <= 24 || unit === "inputs and others";
      find("fields").append(details);
    }
  }

  const rateField = find("rate");
  rateField.value = exact(rate);
  rateField.addEventListener("input", () => {
    const x = read(rateField.value);
    valid(rateField, x !== null);
    if (x === null) return;
    rate = x;
    recompute();
  });
  find("reset").addEventListener("click", () => {
    for (const k of leaves) setLeaf(k, parse(nodes[k].data));
    rate = parse(graph.rate);
    rateField.value = exact(rate);
    valid(rateField, true);
    recompute();
  });

  // A click in the picture: on a leaf, its field; on a result, the step that computes it, or sends its gradient on.
  svg.addEventListener("click", (event) => {
    const box = event.target.closest(".value[id]");
    if (!box || travelled > 4) return;
    const k = Number(box.id.slice(1));
    if (!nodes[k].op) {
      const { text } = fields.get(k);
      const details = text.closest("details");
      if (details) details.open = true;
      text.focus();
      text.select();
      return;
    }
    const backward = visible[at].last >= steps.findIndex(([kind]) => kind === "seed");
    const wanted = backward ? (k === output ? "seed" : "backward") : "forward";
    const index = steps.findIndex(([kind, node, j]) => kind === wanted && (wanted === "seed" || (backward ? nodes[node].parents[j] : node) === k));
    const entry = all.find((one) => !one.items && one.first === index);
    stop();
    if (entry) settle(entry);
  });

  // Moving and sizing the picture.

  let scale = 1;
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  function zoom(to) {
    const centre = [picture.scrollLeft + picture.clientWidth / 2, picture.scrollTop + picture.clientHeight / 2];
    const ratio = Math.min(Math.max(to, 0.1), 4) / scale;
    scale *= ratio;
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
    picture.scrollTo(centre[0] * ratio - picture.clientWidth / 2, centre[1] * ratio - picture.clientHeight / 2);
    find("natural").textContent = `${Math.round(scale * 100)} %`;
  }
  const fitting = () => Math.min(picture.clientWidth / width, picture.clientHeight / height) * 0.995;
  find("smaller").addEventListener("click", () => zoom(scale / 1.2));
  find("larger").addEventListener("click", () => zoom(scale * 1.2));
  find("natural").addEventListener("click", () => zoom(1));
  find("fit").addEventListener("click", () => zoom(fitting()));

  let drag = null;
  let travelled = 0;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return;
    drag = [event.clientX, event.clientY, picture.scrollLeft, picture.scrollTop];
    travelled = 0;
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag[0], event.clientY - drag[1]];
    travelled = Math.max(travelled, Math.hypot(dx, dy));
    picture.classList.toggle("dragged", travelled > 4);
    if (travelled > 4) picture.scrollTo(drag[2] - dx, drag[3] - dy);
  });
  addEventListener("pointerup", () => {
    drag = null;
    picture.classList.remove("dragged");
  });

  // Start.

  compute();
  buildFields();
  for (const k of leaves) setLeaf(k, leafData[k]);
  find("controls").hidden = find("leaves").hidden = false;
  zoom(Math.min(Math.max(fitting(), 0.8), 1.15));
  if (!goToHash()) go(0);
})();
