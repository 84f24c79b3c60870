"use strict";
// Operations that JavaScript's Math lacks, or gives other results for than C, NumPy and the engine do.

// Math.pow(1, NaN) and Math.pow(-1, Infinity) are NaN; IEEE 754 has 1 for both.
function op_pow(a, b) {
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b);
}

function op_exp2(a) {
  return Math.pow(2, a);
}

// The error function. Near 0 the series (2/sqrt(pi)) exp(-a^2) sum of 2^n a^(2n+1) / (1 3 5 ... (2n+1)), whose terms all
// have one sign; beyond, 1 - erfc(a) with Laplace's continued fraction for erfc, evaluated from its far end.
// (M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 7.1.6 and 7.1.14.)
function op_erf(a) {
  const x = Math.abs(a);
  if (!(x > 0)) return a;
  if (x < 1.5) {
    const terms = [a];
    for (let n = 1; Math.abs(terms[0]) > 1e-18 * x; n++) terms.unshift((terms[0] * 2 * a * a) / (2 * n + 1));
    return 1.1283791670955126 * Math.exp(-a * a) * op_sum(terms); // the small ones first
  }
  return x > 6 ? Math.sign(a) : Math.sign(a) * (1 - erfc_tail(x));
}

// 1 - erf(a), which keeps its digits where erf nears 1.
function op_erfc(a) {
  if (!(a >= 0.5)) return a < -6 ? 2 : 1 - op_erf(a);
  return a > 28 ? 0 : erfc_tail(a);
}

function erfc_tail(a) {
  let tail = a;
  for (let n = 12 + Math.ceil(280 / (a * a)); n > 0; n--) tail = a + n / 2 / tail;
  return (0.5641895835477563 * Math.exp(-a * a)) / tail;
}

// The nearest integer, of two the even one; Math.round takes the upper one.
function op_round(a) {
  const below = Math.floor(a);
  if (a - below !== 0.5) return Math.round(a);
  return below % 2 === 0 ? (below === 0 && a < 0 ? -0 : below) : Math.ceil(a);
}

// What is left after division, with the sign of b; % has that of a.
function op_mod(a, b) {
  const left = a % b;
  if (left === 0) return b < 0 ? -0 : 0;
  return left < 0 !== b < 0 ? left + b : left;
}

// Sums go from left to right and start from the first value, so that a sum of -0 is -0 and all roundings agree.
function op_sum(v) {
  return v.length ? v.reduce((total, a) => total + a) : 0;
}

function op_mean(v) {
  return op_sum(v) / v.length;
}

function op_amax(v) {
  return v.reduce((most, a) => (a !== a || a > most ? a : most));
}

function op_amin(v) {
  return v.reduce((least, a) => (a !== a || a < least ? a : least));
}

function op_ties(v) {
  return v.slice(1).filter((a) => a === v[0]).length;
}

// The largest value is taken apart, so that log1p keeps what the others add to it.
function op_logsumexp(v) {
  if (!v.length) return -Infinity;
  if (v.some((a) => a !== a)) return NaN;
  const top = v.indexOf(v.reduce((most, a) => (a > most ? a : most)));
  if (Math.abs(v[top]) === Infinity) return v[top];
  return v[top] + Math.log1p(others_over(v, top));
}

// Each one's share of the sum of the exponentials; where y is infinite, those that are finite have none.
function op_logsumexp_rule(v, y) {
  const exponentials = v.map((a) => Math.exp(a - y));
  const total = op_sum(exponentials);
  return exponentials.map((x) => x / (total !== total ? 1 : total));
}

function others_over(v, top) {
  return v.reduce((sum, a, k) => (k === top ? sum : sum + Math.exp(a - v[top])), 0);
}

// The operands of dot are the weights, then as many inputs, then the bias where there is one.
function op_dot(v) {
  const n = Math.floor(v.length / 2);
  if (!n) return v.length ? v[0] : 0;
  const z = op_sum(v.slice(0, n).map((w, j) => w * v[n + j]));
  return v.length % 2 ? z + v[2 * n] : z;
}

function op_dot_rule(v) {
  const n = Math.floor(v.length / 2);
  return [...v.slice(n, 2 * n), ...v.slice(0, n), ...(v.length % 2 ? [1] : [])];
}
