"""How the exercises are graded. Not for reading before you have tried: it knows the mistakes one makes.

The learner's gradient becomes the gradient of a node: at a point x0 the function f(x0) + Σ g_i (x_i − x0_i) has the
value f(x0) and, with respect to each x_i, exactly the derivative g_i that the learner gave. ``gradcheck`` then compares
it with differences of f, with the same table and the same notion of agreement as for the engine's own derivatives.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from engine import GradcheckReport, Value, gradcheck

Numbers = list[float]


class Exercise(NamedTuple):
    """One exercise.

    name, signature     of the function to write
    title, task, hint   words
    forward             the function whose gradient is asked for, on a flat list of numbers
    point               a flat list at which it is graded, drawn by a generator
    call                calls the answer at a flat list and returns its gradient as it gave it
    shape               what the answer must look like, filled with anything; compared with what it gave
    mistakes            (wrong gradient at a flat list, what to say): recognised and explained
    names               what the numbers of a flat list are called
    probe               what is found out about a wrong answer by calling it
    """

    number: int
    name: str
    signature: str
    title: str
    task: str
    hint: str
    forward: Callable[[Numbers], float]
    point: Callable[[Random], Numbers]
    call: Callable[[Callable[..., Any], Numbers], Any]
    shape: Callable[[Numbers], Any]
    mistakes: Sequence[tuple[Callable[[Numbers], Numbers], str]] = ()
    names: Callable[[Numbers], list[str]] = lambda x: [f"x{k}" for k in range(1, len(x) + 1)]
    probe: Callable[[Callable[..., Any]], str] = lambda answer: ""


class Grade:
    """The result of a check: shows itself as a sentence, with the table of gradcheck where a derivative is wrong."""

    def __init__(self, exercise: Exercise, passed: bool, message: str, report: GradcheckReport | None = None) -> None:
        self.exercise, self.passed, self.message, self.report = exercise, passed, message, report

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        mark = "✓ right" if self.passed else "✗ not yet"
        return f"{self.exercise.number}. {self.exercise.title}: {mark}. {self.message}".rstrip()

    __str__ = __repr__


def grade(exercise: Exercise, answer: Callable[..., Any]) -> Grade:
    """Compare the answer with differences at three points."""
    if not callable(answer):
        return Grade(exercise, False, f"pass your function, not {answer!r:.40}")
    if exercise.number == 8:
        return _grade_descent(exercise, answer)
    random = Random(exercise.number)
    report: GradcheckReport | None = None
    for _ in range(3):
        x = exercise.point(random)
        try:
            given = exercise.call(answer, list(x))
            gradient = _flat(given, exercise.shape(x), exercise.name)
        except _Unfinished as error:
            return Grade(exercise, False, str(error))
        except RecursionError:
            return Grade(exercise, False, "Python's recursion is over at a depth of 1,000: walk the graph with a loop")
        except Exception as error:
            return Grade(exercise, False, f"it stops with {type(error).__name__}: {error}")
        if spoilt := [k for k, g in enumerate(gradient) if not math.isfinite(g)]:
            given = f"By {exercise.names(x)[spoilt[0]]} you have {gradient[spoilt[0]]:g}"
            return Grade(
                exercise, False, f"{given}: look for a division by 0, the log of 0 or the exp of a large number."
            )
        report = _report(exercise, answer, x)
        if not report.passed:
            return Grade(exercise, False, _explained(exercise, x, gradient, report, exercise.probe(answer)), report)
    return Grade(exercise, True, "Your gradient agrees with finite differences at three points.", report)


class _Unfinished(Exception):
    """The answer gives something else than a gradient of the right shape."""


def _report(exercise: Exercise, answer: Callable[..., Any], point: Numbers) -> GradcheckReport:
    def f(*inputs: Value) -> Value:
        x = [value.data for value in inputs]
        gradient = _flat(exercise.call(answer, list(x)), exercise.shape(x), exercise.name)
        y = Value(exercise.forward(x))
        for value, g, x_i in zip(inputs, gradient, x):
            y = y + (value - x_i) * g
        return y

    return gradcheck(f, point, raise_exception=False)


def _flat(given: Any, shape: Any, name: str) -> Numbers:
    """The numbers in ``given``, which must be nested as ``shape`` is."""
    if given is None:
        raise _Unfinished(f"{name} returns nothing so far")
    if isinstance(given, Value):
        raise _Unfinished(f"{name} returned a Value: return numbers, its .data or .grad")
    if isinstance(shape, (list, tuple)):
        if hasattr(given, "tolist"):
            given = given.tolist()
        if not isinstance(given, (list, tuple)):
            raise _Unfinished(f"{name} returned {given!r:.60} where a list of {len(shape)} is expected")
        if len(given) != len(shape):
            raise _Unfinished(f"{name} returned {len(given)} things where {len(shape)} are expected: {given!r:.60}")
        return [number for item, part in zip(given, shape) for number in _flat(item, part, name)]
    try:
        return [float(given)]
    except (TypeError, ValueError):
        raise _Unfinished(f"{name} returned {given!r:.60} where a number is expected") from None


def _explained(exercise: Exercise, x: Numbers, gradient: Numbers, report: GradcheckReport, say: str) -> str:
    right = [line.numerical for line in report.derivatives]
    for mistake, words in exercise.mistakes:
        if _close(gradient, mistake(x)):
            say = words
            break
    else:
        if _close(gradient, [-g for g in right]):
            say = "The sign is wrong, everywhere."
        elif not any(gradient):
            say = "Every derivative is 0."
    names = exercise.names(x)
    wrong = [k for k, line in enumerate(report.derivatives) if line.status != "ok"]
    k = wrong[0]
    more = f" ({len(wrong)} of {len(right)} differ)" if len(wrong) > 1 else ""
    return f"{say} By {names[k]} you have {gradient[k]:.6g}, differences give {right[k]:.6g}{more}.".lstrip()


def _close(a: Numbers, b: Numbers) -> bool:
    return len(a) == len(b) and all(math.isclose(p, q, rel_tol=1e-5, abs_tol=1e-7) for p, q in zip(a, b))


# The exercises. A point is a flat list; each exercise knows how its function is called with it.


def _uniform(*count: int) -> Callable[[Random], Numbers]:
    return lambda random: [round(random.uniform(-1.5, 1.5), 3) for _ in range(count[0])]


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def _neuron(x: Numbers) -> float:
    """w1, w2, x1, x2, b -> J for the label 1."""
    z = x[0] * x[2] + x[1] * x[3] + x[4]
    return -math.log(_sigmoid(z))


def _layer(x: Numbers) -> float:
    """W (2 rows of 3), b (2), a_prev (3) -> Σ c_k σ(z_k) with the fixed gradients c that arrive."""
    W, b, a = _unpacked(x, 2, 3)
    return sum(c * _sigmoid(sum(w * v for w, v in zip(row, a)) + bias) for c, row, bias in zip(_ARRIVING, W, b))


_ARRIVING = (0.7, -1.3)


def _unpacked(x: Numbers, rows: int, columns: int) -> tuple[list[Numbers], Numbers, Numbers]:
    W = [x[k * columns : (k + 1) * columns] for k in range(rows)]
    end = rows * columns
    return W, x[end : end + rows], x[end + rows :]


def _z(x: Numbers) -> Numbers:
    W, b, a = _unpacked(x, 2, 3)
    return [sum(w * v for w, v in zip(row, a)) + bias for row, bias in zip(W, b)]


def _layer_wrong(slope: Callable[[float], float], transposed: bool = True) -> Callable[[Numbers], Numbers]:
    def gradient(x: Numbers) -> Numbers:
        W, _, a = _unpacked(x, 2, 3)
        dz = [c * slope(z) for c, z in zip(_ARRIVING, _z(x))]
        before = [sum(W[k][j] * dz[k] for k in range(2)) if transposed else W[0][j] * dz[0] for j in range(3)]
        return [*(d * v for d in dz for v in a), *dz, *before]

    return gradient


def _network(x: Numbers) -> float:
    """W1 (2 × 2), b1 (2), W2 (1 × 2), b2 (1), of the lecture's network at a fixed sample."""
    a1 = [_sigmoid(x[2 * k] * _X[0] + x[2 * k + 1] * _X[1] + x[4 + k]) for k in range(2)]
    a2 = _sigmoid(x[6] * a1[0] + x[7] * a1[1] + x[8])
    return -(_Y * math.log(a2) + (1 - _Y) * math.log(1 - a2))


_X, _Y = (0.8, -0.6), 1.0


def _call_network(answer: Callable[..., Any], x: Numbers) -> Any:
    return answer([x[0:2], x[2:4]], x[4:6], [x[6:8]], [x[8]], list(_X), _Y)


def _network_without_slope(x: Numbers) -> Numbers:
    a1 = [_sigmoid(x[2 * k] * _X[0] + x[2 * k + 1] * _X[1] + x[4 + k]) for k in range(2)]
    dz2 = _sigmoid(x[6] * a1[0] + x[7] * a1[1] + x[8]) - _Y
    dz1 = [x[6 + k] * dz2 for k in range(2)]
    return [*(d * v for d in dz1 for v in _X), *dz1, dz2 * a1[0], dz2 * a1[1], dz2]


def _graph(inputs: Sequence[Value]) -> Value:
    """A graph in which a value is used twice, a node meets itself, and a path is longer than Python's stack."""
    a, b, c = inputs
    d = a * b
    e = d + d
    f = (e - c).tanh() * d
    g = f + a
    for _ in range(1500):
        g = g * 0.9999
    return g + f * c


def _graph_forward(x: Numbers) -> float:
    return _graph([Value(v) for v in x]).data


def _call_backward(answer: Callable[..., Any], x: Numbers) -> Any:
    leaves = [Value(v) for v in x]
    found = answer(_graph(leaves))
    if not hasattr(found, "get"):
        return found if found is None else _not_a_dictionary(found)
    return [found.get(leaf, 0.0) for leaf in leaves]


def _not_a_dictionary(found: Any) -> Any:
    raise _Unfinished(f"backward returned {found!r:.60} where a dictionary from node to gradient is expected")


def _replaces(answer: Callable[..., Any]) -> str:
    """What to say where each contribution replaces the one before: a + a tells."""
    a = Value(1.0)
    return "A later contribution replaces an earlier one: add them up." if answer(a + a).get(a) == 1 else ""


def _grade_descent(exercise: Exercise, answer: Callable[..., Any]) -> Grade:
    """Parameters after some steps of the learner's loop, beside those of a loop by differences."""

    def loss(w: Sequence[float]) -> float:
        return (w[0] - 2.0) ** 2 + (w[0] * w[1] + 1.0) ** 2

    start, rate, steps = [0.5, -0.3], 0.05, 12
    parameters = [Value(w, label=f"w{k}") for k, w in enumerate(start, 1)]

    def loss_of() -> Value:
        a, b = parameters
        return (a - 2.0) ** 2 + (a * b + 1.0) ** 2

    try:
        answer(loss_of, parameters, rate, steps)
    except Exception as error:
        return Grade(exercise, False, f"it stops with {type(error).__name__}: {error}")
    found = [parameter.data for parameter in parameters]
    expected = _descended(loss, start, rate, steps)
    if _close(found, expected):
        return Grade(exercise, True, f"The loss goes from {loss(start):.4f} to {loss(found):.4f}, as it should.")
    if found == start:
        return Grade(exercise, False, "the parameters have not moved")
    accumulated = _descended(loss, start, rate, steps, keep=1.0)
    if _close(found, accumulated):
        say = (
            "Gradients of earlier steps are still in grad: leaves add to what they hold. Set them to 0 before backward."
        )
    elif _close(found, _descended(loss, start, -rate, steps)):
        say = "It climbs: the step goes against the gradient, w − lr · grad."
    elif _close(found, _descended(loss, start, rate, steps - 1)):
        say = "There is one step too few."
    else:
        say = f"w ends at {found[0]:.5f}, {found[1]:.5f}, where {expected[0]:.5f}, {expected[1]:.5f} is expected."
    return Grade(exercise, False, say)


def _descended(loss: Callable[[Numbers], float], start: Numbers, rate: float, steps: int, keep: float = 0.0) -> Numbers:
    w, gradient, h = list(start), [0.0] * len(start), 1e-6
    for _ in range(steps):
        for k in range(len(w)):
            above, below = copy.copy(w), copy.copy(w)
            above[k] += h
            below[k] -= h
            gradient[k] = keep * gradient[k] + (loss(above) - loss(below)) / (2 * h)
        w = [w_k - rate * g for w_k, g in zip(w, gradient)]
    return w


def _layer_names(x: Numbers) -> list[str]:
    return [*(f"W[{k}][{j}]" for k in range(2) for j in range(3)), "b[0]", "b[1]", *(f"a_prev[{j}]" for j in range(3))]


EXERCISES: dict[int, Exercise] = {
    exercise.number: exercise
    for exercise in (
        Exercise(
            1, "product", "def product(a, b, g): ...  # return [da, db]", "A product",
            "c = a * b stands inside a larger graph, and g = ∂J/∂c has arrived at c. Return ∂J/∂a and ∂J/∂b.",
            "∂J/∂a = ∂J/∂c · ∂c/∂a, and ∂c/∂a is the other factor.",
            lambda x: 1.7 * x[0] * x[1], _uniform(2), lambda f, x: f(x[0], x[1], 1.7), lambda x: [0, 0],
            [(lambda x: [x[1], x[0]], "You return the local derivatives: multiply each by g, which has arrived."),
             (lambda x: [1.7 * x[0], 1.7 * x[1]], "The factors are exchanged: ∂c/∂a is b.")],
            lambda x: ["a", "b"],
        ),
        Exercise(
            2, "through_tanh", "def through_tanh(a, g): ...  # return da", "A function",
            "y = tanh(a), and g = ∂J/∂y has arrived. Return ∂J/∂a. The math module has tanh.",
            "tanh′(a) = 1 − tanh(a)²: the value of the forward pass is all that is needed.",
            lambda x: -0.8 * math.tanh(x[0]), _uniform(1), lambda f, x: [f(x[0], -0.8)], lambda x: [0],
            [(lambda x: [1 - math.tanh(x[0]) ** 2], "That is the local derivative: multiply it by g."),
             (lambda x: [-0.8 * (1 - x[0] ** 2)], "In 1 − y², y is tanh(a), not a."),
             (lambda x: [-0.8 * (1 - math.tanh(x[0]))], "The value is squared: 1 − y².")],
            lambda x: ["a"],
        ),
        Exercise(
            3, "used_twice", "def used_twice(a, b): ...  # return [da, db]", "A value used twice",
            "y = a * b + tanh(a). Return ∂y/∂a and ∂y/∂b: a reaches y along two edges.",
            "What arrives along several edges is added up.",
            lambda x: x[0] * x[1] + math.tanh(x[0]), _uniform(2), lambda f, x: f(*x), lambda x: [0, 0],
            [(lambda x: [x[1], x[0]], "The path through tanh is missing: contributions of several edges are added."),
             (lambda x: [1 - math.tanh(x[0]) ** 2, x[0]], "Only the last edge is left: add to a gradient, do not "
              "replace it."),
             (lambda x: [x[1] * (1 - math.tanh(x[0]) ** 2), x[0]], "The two paths are multiplied: along a path one "
              "multiplies, over the paths one adds.")],
            lambda x: ["a", "b"],
        ),
        Exercise(
            4, "neuron", "def neuron(w, x, b): ...  # return dw, dx, db", "A neuron and its loss",
            "z = w[0]*x[0] + w[1]*x[1] + b, a = σ(z) = 1/(1 + e⁻ᶻ), J = −log(a), the loss for the label 1. "
            "Return the lists ∂J/∂w and ∂J/∂x, and the number ∂J/∂b.",
            "∂J/∂a = −1/a and ∂a/∂z = a(1 − a), so ∂J/∂z = a − 1. Then z is a sum of products.",
            _neuron, _uniform(5), lambda f, x: f(x[0:2], x[2:4], x[4]), lambda x: [[0, 0], [0, 0], 0],
            [(lambda x: [d * v for d, v in zip(5 * [_sigmoid(_z1(x))], (*x[2:4], *x[0:2], 1))], "∂J/∂z is a − 1, the "
              "prediction minus the label; you have a."),
             (lambda x: [-(1 / _sigmoid(_z1(x))) * v for v in (*x[2:4], *x[0:2], 1)], "∂J/∂a has arrived, but it has "
              "not gone through σ: multiply by a(1 − a).")],
            lambda x: ["w[0]", "w[1]", "x[0]", "x[1]", "b"],
        ),
        Exercise(
            5, "layer", "def layer(W, b, a_prev, da): ...  # return da_prev, dW, db", "A layer",
            "The lecture's backward propagation of one layer: z = W a_prev + b, a = σ(z), and da = ∂J/∂a has arrived. "
            "W is a list of rows, a row a neuron. Return ∂J/∂a_prev, ∂J/∂W and ∂J/∂b, shaped as a_prev, W and b.",
            "dz = da · σ′(z), dW[k][j] = dz[k] · a_prev[j], db = dz, da_prev[j] = Σ_k W[k][j] · dz[k].",
            _layer, _uniform(11),
            lambda f, x: _reordered(f(*_unpacked(x, 2, 3)[:2], _unpacked(x, 2, 3)[2], list(_ARRIVING))),
            lambda x: [[[0] * 3, [0] * 3], [0, 0], [0] * 3],
            [(_layer_wrong(lambda z: 1.0), "dz is da · σ′(z): the activation's slope is missing."),
             (_layer_wrong(lambda z: _sigmoid(z)), "dz is da · σ′(z), and σ′(z) = σ(z)(1 − σ(z))."),
             (_layer_wrong(lambda z: _sigmoid(z) * (1 - _sigmoid(z)), False), "∂J/∂a_prev[j] is a sum over all "
              "neurons k: each of them uses a_prev[j].")],
            _layer_names,
        ),
        Exercise(
            6, "network", "def network(W1, b1, W2, b2, x, y): ...  # return dW1, db1, dW2, db2",
            "The lecture's network",
            "z1 = W1 x + b1, a1 = σ(z1), z2 = W2 a1 + b2, a2 = σ(z2), J = −(y log a2 + (1 − y) log(1 − a2)). W1 has "
            "two rows, W2 one. Return the gradients, shaped as the parameters.",
            "Your layer does it twice: once with da2, and once with the da_prev that it returns.",
            _network, _uniform(9), _call_network, lambda x: [[[0, 0], [0, 0]], [0, 0], [[0, 0]], [0]],
            [(_network_without_slope, "dz1 = (W2ᵀ dz2) · σ′(z1): the slope of the hidden layer is missing.")],
            lambda x: [*(f"W1[{k}][{j}]" for k in range(2) for j in range(2)), "b1[0]", "b1[1]", "W2[0][0]", "W2[0][1]",
                       "b2[0]"],
        ),
        Exercise(
            7, "backward", "def backward(output): ...  # return {node: gradient}", "Your own backward",
            "Write the backward pass of the engine: output is a Value, each node has .parents and .local_derivatives. "
            "Return a dictionary from node to ∂output/∂node. A node may be used many times, and a graph may be "
            "thousands of nodes deep.",
            "A node may pass its gradient on only when it is complete, after all nodes that use it: go through a "
            "topological order backwards. engine.toposort gives one; write your own for the full pleasure.",
            _graph_forward, _uniform(3), _call_backward, lambda x: [0, 0, 0],
            (), lambda x: ["a", "b", "c"], _replaces,
        ),
        Exercise(
            8, "descend", "def descend(loss, parameters, lr, steps): ...  # changes parameters[k].data",
            "Gradient descent",
            "loss() builds the graph of the loss anew from the parameters, a list of leaf Values. Take ``steps`` steps "
            "of gradient descent: backward, then every parameter moves by −lr · grad.",
            "loss().backward() adds to the grad that is there. What must happen before the next one?",
            lambda x: 0.0, lambda random: [], lambda f, x: [], lambda x: [],
        ),
    )
}  # fmt: skip


def _z1(x: Numbers) -> float:
    return x[0] * x[2] + x[1] * x[3] + x[4]


def _reordered(found: Any) -> Any:
    """(da_prev, dW, db) in the order of the flat list: W, b, a_prev."""
    if isinstance(found, (tuple, list)) and len(found) == 3:
        return [found[1], found[2], found[0]]
    return found
