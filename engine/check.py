"""Gradient checking: derivatives by backpropagation beside numerical ones.

The numerical derivative is an extrapolated central difference, which brings its own uncertainty (differences.py). How
far the function is off by rounding is estimated from its graph: each operation rounds its result, and the adjoint of
the node says what becomes of that in the output.
"""

from __future__ import annotations

from math import hypot, isfinite

from .derivatives import grad, hessian, jacobian
from .differences import Slope, all_steps, first_steps, is_quiet, slope
from .graph import toposort
from .operands import real_number, shortened
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .differences import Sample

_EPSILON = 2.0**-52
_EXACT = frozenset({"neg", "abs", "floor", "ceil", "round", "sign", "gt", "ge", "lt", "le", "eq", "ne", "ties"})


class GradcheckError(AssertionError):
    """A gradient that differs from its numerical value. ``report`` is the GradcheckReport."""

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return f"gradcheck failed\n{self.report}"


class Derivative:
    """One line of the report: a derivative by backpropagation and the numerical one.

    name          "∂f/∂a", or "∂²f/∂a∂b" in second order
    analytic      by backpropagation
    numerical     the central difference, extrapolated to a step of 0
    uncertainty   how far the numerical derivative may be off
    left          the slope to the left of the point
    right         the slope to the right
    status        "ok", "wrong", "kink", "jump", "not finite" or "random"
    """

    __slots__ = ("name", "analytic", "numerical", "uncertainty", "left", "right", "status")

    def __init__(
        self, name: str, analytic: float, numerical: float, left: float, right: float, status: str,
        uncertainty: float = 0.0,
    ) -> None:  # fmt: skip
        self.name, self.analytic, self.numerical, self.uncertainty = name, analytic, numerical, uncertainty
        self.left, self.right, self.status = left, right, status

    @property
    def error(self) -> float:
        """|analytic - numerical|, relative to the larger of them."""
        if self.analytic == self.numerical:
            return 0.0
        return abs(self.analytic - self.numerical) / max(abs(self.analytic), abs(self.numerical))

    @property
    def note(self) -> str:
        """What the status means and what to do about it; empty where the derivative agrees or is wrong."""
        return {
            "kink": f"slope {self.left:.6g} on the left, {self.right:.6g} on the right; move the input off the kink",
            "jump": "the function is not continuous here and has no derivative; move the input off the jump",
            "not finite": "the function or a derivative is nan or infinite at the point or a step beside it",
            "random": "the function gives another number for the same input; fix its seed",
        }.get(self.status, "")

    def __repr__(self) -> str:
        return f"<Derivative {self.name} analytic={self.analytic!r} numerical={self.numerical!r} {self.status}>"


class GradcheckReport:
    """All derivatives that were compared; prints as a table.

    passed        whether every derivative agrees
    derivatives   the lines, each a Derivative
    failures      the lines that do not agree
    """

    def __init__(self, derivatives: list[Derivative]) -> None:
        self.derivatives = derivatives

    @property
    def failures(self) -> list[Derivative]:
        return [d for d in self.derivatives if d.status != "ok"]

    @property
    def passed(self) -> bool:
        return not self.failures

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"<GradcheckReport {'passed' if self.passed else 'failed'}, {len(self.derivatives)} derivatives>"

    def __str__(self) -> str:
        width = max([len(d.name) for d in self.derivatives] + [10])
        lines = [
            f"{'derivative':<{width}}  {'backpropagation':>22}  {'central difference':>22}  {'±':>7}  {'error':>7}"
        ]
        for d in self.derivatives:
            numbers = f"{d.analytic:>22.14g}  {d.numerical:>22.14g}  {d.uncertainty:>7.0e}  {d.error:>7.0e}"
            lines.append(f"{d.name:<{width}}  {numbers}  {d.status}" + (f": {d.note}" if d.note else ""))
        failed, total = len(self.failures), len(self.derivatives)
        lines.append(f"{failed} of {total} disagree" if failed else f"all {total} agree")
        return "\n".join(lines)


def gradcheck(
    function: Callable[..., Value | Sequence[Value]],
    inputs: Sequence[float | Value],
    *,
    order: int = 1,
    rtol: float = 1e-7,
    atol: float = 0.0,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare the derivatives of ``function`` with central differences, and report every one of them.

    function    takes one Value for each input; returns a Value, or several
    inputs      numbers; or Values, whose data is moved in place and restored, so that the function may close over
                them: ``gradcheck(lambda *_: loss(), model.parameters())``
    order       1, or 2 to check the second derivatives as well (each gradient is differenced in turn)
    rtol, atol  a derivative agrees if it is within atol + rtol · |numerical| of the numerical one, where that is known
                so well; its own uncertainty is allowed as well (the column ± of the report)

    Raises GradcheckError, which carries the report, where one disagrees, unless ``raise_exception`` is false;
    ValueError for another order or for no inputs; TypeError where the function returns anything but Values.

    >>> print(gradcheck(lambda a, b: a * b + a.tanh(), [2.0, -3.0]).passed)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order is 1 or 2, got {order!r}")
    if isinstance(inputs, (Value, str)) or not hasattr(inputs, "__iter__"):
        raise TypeError(f"gradcheck: inputs takes a list of numbers or Values, got {shortened(inputs)}")
    points = [x if isinstance(x, Value) else Value(real_number(x, "gradcheck")) for x in inputs]
    if not points:
        raise ValueError("gradcheck: there are no inputs to differentiate with respect to")
    if len(set(points)) != len(points):
        raise ValueError("gradcheck: the same Value stands twice among the inputs")
    kept = [point.data for point in points]
    try:
        report = GradcheckReport(list(_compare(function, points, order, rtol, atol)))
    finally:
        for point, data in zip(points, kept, strict=True):
            point.data = data
    if raise_exception and not report.passed:
        raise GradcheckError(report)
    return report


def _compare(
    function: Callable[..., Value | Sequence[Value]], points: list[Value], order: int, rtol: float, atol: float
) -> Iterator[Derivative]:
    def outputs() -> list[Value]:
        result = function(*points)
        listed = [result] if isinstance(result, Value) else list(result) if isinstance(result, (list, tuple)) else None
        if not listed or not all(isinstance(item, Value) for item in listed):
            raise TypeError(f"gradcheck: the function must return a Value or a list of Values, got {result!r:.60}")
        return listed

    def values() -> list[float]:
        return [output.data for output in outputs()]

    def gradients() -> list[float]:
        # In one flat list: what the second derivatives are differences of.
        return [derivative for row in jacobian(outputs(), points) for derivative in row]

    at_point, count = outputs(), len(points)
    names = _names(function, points)
    function_names = ["f"] if len(at_point) == 1 else [f"f{k}" for k in range(len(at_point))]
    first = [grad(output, points) for output in at_point]
    # The numbers to difference, how far each is off by rounding, and its derivative with respect to each input.
    checks = [([f"∂{f}" for f in function_names], values, list(map(_rounding, at_point)), first, "")]
    if order == 2:
        slopes = [g for output in at_point for g in grad(output, points, create_graph=True)]
        second = [row for output in at_point for row in hessian(output, points)]
        checks.append(([f"∂²{f}" for f in function_names], gradients, list(map(_rounding, slopes)), second, "²"))
    for heads, numbers, noise, expected, square in checks:
        here = numbers()
        random = any(_differ(here, numbers()) for _ in range(3))
        columns = [
            _slopes(numbers, here, point, noise, [row[j] for row in expected], rtol, atol)
            for j, point in enumerate(points)
        ]
        pairs = [(g, s[k]) for k, row in enumerate(expected) for g, s in zip(row, columns)]
        if not all(
            _status(g, s, rtol, atol) == "ok" and s.uncertainty <= 1e-3 * max(abs(g), abs(s.value)) for g, s in pairs
        ):
            # What is known so badly may be noise.
            random = random or any(_differ(here, numbers()) for _ in range(12))
        for k, row in enumerate(expected):
            for j, analytic in enumerate(row):
                if square:
                    head, i = heads[k // count], k % count
                    by = f"∂{names[i]}²" if i == j else f"∂{names[i]}∂{names[j]}"
                else:
                    head, by = heads[k], f"∂{names[j]}"
                found = columns[j][k]
                status = "random" if random else _status(analytic, found, rtol, atol)
                yield Derivative(
                    f"{head}/{by}", analytic, found.value, found.left, found.right, status, found.uncertainty
                )


def _names(function: object, points: list[Value]) -> list[str]:
    """The labels of the points, else the names that the function gives its arguments."""
    code = getattr(function, "__code__", None)
    arguments = code.co_varnames[: code.co_argcount] if code else ()
    return [
        point.label or (arguments[k] if len(arguments) == len(points) else f"x{k}") for k, point in enumerate(points)
    ]


def _rounding(output: Value) -> float:
    """How far rounding may have put the output off: a few standard deviations of the sum of all nodes' errors."""
    nodes = [node for node in toposort(output) if node.op is not None]
    total = 0.0
    for node, adjoint in zip(nodes, grad(output, nodes)):
        assert node.op is not None
        if node.op.name in _EXACT or (node.op.chooses and any(node.data == p.data for p in node.parents)):
            continue
        size = abs(node.data)
        if node.op.arity is None:  # a sum rounds in terms of what it adds up
            size += sum(abs(d * p.data) for d, p in zip(node.local_derivatives, node.parents))
        total = hypot(total, adjoint * size)
    return 4 * _EPSILON * total if isfinite(total) else _EPSILON * abs(output.data)


def _differ(first: list[float], second: list[float]) -> bool:
    return any(a != b and (a == a or b == b) for a, b in zip(first, second))


def _slopes(
    numbers: Callable[[], list[float]], here: list[float], point: Value, noise: list[float], expected: list[float],
    rtol: float, atol: float,
) -> list[Slope]:  # fmt: skip
    """The numerical derivatives of each of ``numbers()`` with respect to the data of ``point``.

    Three steps will do where the derivative is then known well and agrees; otherwise all are taken.
    """
    x = point.data

    def sampled(steps: list[float]) -> list[list[Sample]]:
        rows = []
        for h in steps:
            point.data = x + h
            up, above = point.data - x, numbers()  # the step that was taken, after rounding
            point.data = x - h
            down, below = x - point.data, numbers()
            if up > 0 and down > 0:
                rows.append([(up, f, down, g) for f, g in zip(above, below, strict=True)])
        point.data = x
        return [list(column) for column in zip(*rows)] or [[] for _ in here]

    if not isfinite(x):
        return [slope(float("nan"), [], 0.0) for _ in here]
    quick = sampled(first_steps(x))
    found = [slope(f, [samples], n) for f, samples, n in zip(here, quick, noise)]
    if all(
        _status(analytic, s, rtol, atol) == "ok"
        and (s.uncertainty <= 1e-7 * abs(s.value) or s.value == analytic == 0)
        and is_quiet(samples, f, n)
        for analytic, s, samples, f, n in zip(expected, found, quick, here, noise)
    ):
        return found
    families = [sampled(steps) for steps in all_steps(x)]
    return [slope(f, [family[k] for family in families], n) for k, (f, n) in enumerate(zip(here, noise))]


def _status(analytic: float, numerical: Slope, rtol: float, atol: float) -> str:
    if not isfinite(analytic) or numerical.kind == "not finite":
        return "not finite"
    if numerical.kind != "smooth":
        return numerical.kind
    allowed = atol + rtol * abs(numerical.value) + 2 * numerical.uncertainty
    return "ok" if abs(analytic - numerical.value) <= allowed else "wrong"
