// Elements, and numbers as text. The files of this folder are joined by stepthrough.py, in the order given there, into
// one script with one scope; before them come the operations that the graph uses, as the object OPS.

const find = (id) => document.getElementById(id);

// An element with properties, and with children that are elements or texts: never markup, so that a label stays text.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

// JSON has no nan and no infinities: they come as text.
const parse = (x) => (x === "nan" ? NaN : x === "inf" ? Infinity : x === "-inf" ? -Infinity : Number(x));

const exact = (x) => (Object.is(x, -0) ? "-0" : String(x).replace("Infinity", "inf").replace("NaN", "nan"));

// At most ten characters, so that every number that a slider can produce fits its box.
function narrow(x) {
  if (x !== x) return "nan";
  const size = Math.abs(x);
  let text = size === Infinity ? exact(x) : "0.0000";
  if (size !== 0 && size !== Infinity) {
    text = size >= 1e-3 && size < 999.99995 ? x.toFixed(4) : x.toExponential(2).replace("+", "");
  }
  return text.replaceAll("-", "−");
}

// Six digits, for a field: 0.754590, but 2 and not 2.00000.
const brief = (x) => exact(Number.isFinite(x) ? Number(x.toPrecision(6)) : x);

// A number, nan, inf or -inf; a text that says what is wrong for anything else.
function read(text) {
  const plain = text.trim().replaceAll("−", "-").replace(/^([+-]?)(inf|infinity|∞)$/i, "$1Infinity");
  if (/^[+-]?nan$/i.test(plain)) return NaN;
  if (plain === "" || Number.isNaN(Number(plain)) || /^[+-]?0[xob]/i.test(plain)) return "not a number";
  const x = Number(plain);
  if (Math.abs(x) === Infinity && !plain.endsWith("Infinity")) return "beyond the largest number, 1.8e308";
  return x;
}
