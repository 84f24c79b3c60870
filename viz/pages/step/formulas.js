// Formulas in MathML. The table's expressions come as MathML with the arguments a, b, c and the result y as names; here
// these are replaced by the names or the numbers of the operands. Labels enter as text, never as markup.

const MATHML = "http://www.w3.org/1998/Math/MathML";

function m(tag, ...children) {
  const element = document.createElementNS(MATHML, tag);
  element.append(...children);
  return element;
}

const mo = (text) => m("mo", text);
const math = (...children) => m("math", m("mrow", ...children));
// Brackets that stay small: only around a fraction do they grow.
function bracket(text) {
  const made = mo(text);
  made.setAttribute("stretchy", "false");
  return made;
}
const bracketed = (element) => m("mrow", bracket("("), element, bracket(")"));
const isNegative = (element) => element.textContent.startsWith("−");

const called = (k) => nodes[k].name || exact(Number(data[k].toPrecision(6))).replace("-", "−");
const whole = (k) => nodes[k].full || called(k);

// The name of a node as a symbol: with the layer above and the neuron below, as the lecture writes them.
function symbol(k) {
  const { math: parts, name } = nodes[k];
  if (!parts) return name ? m(/^\p{L}$/u.test(name) ? "mi" : "mtext", name) : m("mn", called(k));
  const [base, sub, sup] = parts.map((part, i) => m(i ? "mn" : "mi", part));
  if (sub.textContent && sup.textContent) return m("msubsup", base, sub, sup);
  return sub.textContent ? m("msub", base, sub) : sup.textContent ? m("msup", base, sup) : base;
}

const figure = (x) => m("mn", narrow(x));

// A part of the chain rule in its colour: "upstream", "local" or "product".
function chip(role, element) {
  const space = () => {
    const strut = m("mspace");
    const isTall = element.localName === "mfrac";
    for (const [name, value] of [["width", "0.25em"], ["height", isTall ? "1.6em" : "0.9em"], ["depth", isTall ? "1.25em" : "0.3em"]]) strut.setAttribute(name, value);
    return strut;
  };
  const row = m("mrow", space(), element, space());
  row.setAttribute("class", `chip ${role}`);
  return row;
}

const signed = (element) => (isNegative(element) ? bracketed(element) : element);
const partial = (y, x) => m("mfrac", m("mrow", mo("∂"), symbol(y)), m("mrow", mo("∂"), symbol(x)));

const templates = new Map();
function template(text) {
  if (!templates.has(text)) {
    const page = new DOMParser().parseFromString(`<math xmlns="${MATHML}">${text}</math>`, "application/xml");
    templates.set(text, page.documentElement);
  }
  return document.importNode(templates.get(text), true);
}

// The formula with its arguments replaced; what is negative is put in brackets where it would be misread.
function filled(text, parts) {
  const formula = template(text);
  for (const place of formula.querySelectorAll("mi")) {
    const part = parts[place.textContent];
    if (!part) continue;
    const shown = part();
    const before = place.previousElementSibling;
    const isPower = place.parentNode.localName === "msup"; // in which the base needs brackets, and the exponent none
    const alone = isPower ? before : !before || /^[(,|]$/.test(before.textContent);
    place.replaceWith(isNegative(shown) && !alone ? bracketed(shown) : shown);
  }
  for (const sign of formula.querySelectorAll("mo")) {
    if (/^[()|]$/.test(sign.textContent) && !sign.parentNode.querySelector("mfrac, msqrt, mroot")) sign.setAttribute("stretchy", "false");
  }
  return m("mrow", ...formula.childNodes);
}

// What stands in the places of the formulas of node k, for its operand j: symbols, or numbers.
function places(k, j, show) {
  const { op, parents } = nodes[k];
  const y = () => show(k);
  if (op === "dot") {
    const n = Math.floor(parents.length / 2);
    const partner = () => show(parents[(j + n) % (2 * n)]);
    return { w: partner, x: partner, y };
  }
  if (isNary(k)) return { a: () => show(parents[j]), n: () => m("mn", String(parents.length)), y };
  return { ...Object.fromEntries(parents.map((p, i) => ["abc"[i], () => show(p)])), y };
}

const number = (p) => (nodes[p].constant ? m("mn", brief(data[p]).replaceAll("-", "−")) : figure(data[p]));

function joined(parts, sign, most = 5) {
  const few = parts.length > most ? [...parts.slice(0, most - 2), mo("…"), parts.at(-1)] : parts;
  return few.flatMap((part, i) => (i ? [mo(sign), part] : [part]));
}

// The operation of node k written out, with symbols or with numbers.
function expression(k, show) {
  const { op, parents } = nodes[k];
  const about = graph.ops[op];
  if (!about.nary) return filled(about.math, places(k, 0, show));
  if (op === "dot") {
    const n = Math.floor(parents.length / 2);
    const terms = parents.slice(0, n).map((w, i) => m("mrow", signed(show(w)), mo("·"), signed(show(parents[n + i]))));
    if (parents.length % 2) terms.push(signed(show(parents[2 * n])));
    return m("mrow", ...joined(terms, "+"));
  }
  if (op === "sum") return m("mrow", ...joined(parents.map((p, i) => (i ? signed(show(p)) : show(p))), "+"));
  return m("mrow", m("mi", about.symbol), bracket("("), ...joined(parents.map(show), ","), bracket(")"));
}

function ruleOf(k, j) {
  const { op, parents } = nodes[k];
  const n = Math.floor(parents.length / 2);
  return graph.ops[op].rules[op === "dot" ? (j === 2 * n ? 2 : Math.floor(j / n)) : isNary(k) ? 0 : j];
}

const isPrimed = (k) => nodes[k].parents.length === 1 && /^\p{L}+$/u.test(graph.ops[nodes[k].op].symbol);

// The local derivative with respect to operand j: its name, the rule with symbols, the rule with numbers. σ′(z) = σ(z)(1 − σ(z)).
function derivative(k, j) {
  const { op, parents } = nodes[k];
  const names = places(k, j, symbol);
  let left = partial(k, parents[j]);
  if (isPrimed(k)) {
    left = m("mrow", m("mi", graph.ops[op].symbol), mo("′"), bracket("("), symbol(parents[0]), bracket(")"));
    names.y = () => filled(graph.ops[op].math, places(k, j, symbol));
  }
  return [left, filled(ruleOf(k, j), names), filled(ruleOf(k, j), places(k, j, number))];
}

// A formula in one line of plain text, for the edges of the picture.
function plain(element) {
  if (element.nodeType === 3) return element.data;
  const children = [...element.childNodes].map(plain);
  const wrap = (text) => (/[ +−·×/]/.test(text.slice(1)) ? `(${text})` : text);
  switch (element.localName) {
    case "mfrac": return `${wrap(children[0])}/${wrap(children[1])}`;
    case "msqrt": return `√${wrap(children.join(""))}`;
    case "msup": return children[1] === "2" ? `${children[0]}²` : `${children[0]}^${wrap(children[1])}`;
    case "msubsup": case "msub": return children.join("");
    case "mtr": return children[1] === "otherwise" ? `else ${children[0]}` : children.join(" ");
    case "mtable": return children.join(", ");
    case "mo": {
      if (children[0] === "{") return ""; // 1 if a > 0, else 0
      const spaced = ["+", "=", "≥", "≤", ">", "<", "≠", "×"].includes(children[0]) || (children[0] === "−" && element.previousElementSibling);
      return spaced ? ` ${children[0]} ` : children[0] === "," ? ", " : children.join("");
    }
    default: return children.join("");
  }
}

// The name and the rule of a local derivative, as texts.
function ruleText(k, j) {
  const { op, parents } = nodes[k];
  const show = (p) => m("mi", called(p));
  const names = places(k, j, show);
  if (!isPrimed(k)) return [`∂${called(k)}/∂${called(parents[j])}`, plain(filled(ruleOf(k, j), names))];
  names.y = () => filled(graph.ops[op].math, places(k, j, show));
  return [`${graph.ops[op].symbol}′(${called(parents[0])})`, plain(filled(ruleOf(k, j), names))];
}
