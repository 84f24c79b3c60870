"""Gradient checking: derivatives by backpropagation beside numerical ones.

The numerical derivative is the central difference (f(x + h) - f(x - h)) / 2h. Its truncation error grows as h² and its
rounding error as ε/h, so the step is h = ∛ε · max(1, |x|), with ε = 2⁻⁵² (W. H. Press et al., Numerical Recipes,
section 5.7). The slopes to the left and to the right are computed too: where they differ however small the step, the
function has a kink there and no derivative to check.
"""

from __future__ import annotations

import math

from .reverse import grad, hessian, jacobian
from .value import Value, real_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_STEP = 2.0 ** (-52 / 3)


class GradcheckError(AssertionError):
    """A gradient that differs from its numerical value. ``report`` is the GradcheckReport."""

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return f"gradcheck failed\n{self.report}"


class Derivative:
    """One line of the report: a derivative by backpropagation and the numerical one.

    name        "∂f/∂a", or "∂²f/∂a∂b" in second order
    analytic    by backpropagation
    numerical   the central difference
    left        the slope to the left of the point
    right       the slope to the right
    status      "ok", "wrong", "kink" or "not finite"
    """

    __slots__ = ("name", "analytic", "numerical", "left", "right", "status")

    def __init__(self, name: str, analytic: float, numerical: float, left: float, right: float, status: str) -> None:
        self.name, self.analytic, self.numerical = name, analytic, numerical
        self.left, self.right, self.status = left, right, status

    @property
    def error(self) -> float:
        """|analytic - numerical|, relative to the larger of them where that exceeds 1."""
        return abs(self.analytic - self.numerical) / max(1.0, abs(self.analytic), abs(self.numerical))

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
        lines = [f"{'derivative':<{width}}  {'backpropagation':>22}  {'central difference':>22}  {'error':>8}"]
        for d in self.derivatives:
            line = f"{d.name:<{width}}  {d.analytic:>22.14g}  {d.numerical:>22.14g}  {d.error:>8.1e}  {d.status}"
            if d.status == "kink":
                line += f": slope {d.left:.6g} on the left, {d.right:.6g} on the right; move the input off the kink"
            elif d.status == "not finite":
                line += ": the function or a derivative is nan or infinite at the point or a step beside it"
            lines.append(line)
        failed, total = len(self.failures), len(self.derivatives)
        lines.append(f"{failed} of {total} disagree" if failed else f"all {total} agree")
        return "\n".join(lines)


def gradcheck(
    function: Callable[..., Value | Sequence[Value]],
    inputs: Sequence[float | Value],
    *,
    order: int = 1,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    raise_exception: bool = True,
) -> GradcheckReport:
    """Compare the derivatives of ``function`` with central differences, and report every one of them.

    function    takes one Value for each input; returns a Value, or several
    inputs      numbers; or Values, whose data is moved in place and restored, so that the function may close over
                them: ``gradcheck(lambda *_: loss(), model.parameters())``
    order       1, or 2 to check the second derivatives as well (each gradient is differenced in turn)
    rtol, atol  a derivative agrees if it is within atol · max(1, |f|) + rtol · |numerical|

    Raises GradcheckError, which carries the report, where one disagrees, unless ``raise_exception`` is false;
    ValueError for another order or for no inputs; TypeError where the function returns anything but Values.

    >>> print(gradcheck(lambda a, b: a * b + a.tanh(), [2.0, -3.0]).passed)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order is 1 or 2, got {order!r}")
    points = [x if isinstance(x, Value) else Value(real_number(x, "gradcheck")) for x in inputs]
    if not points:
        raise ValueError("gradcheck: there are no inputs to differentiate by")
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

    at_point = outputs()
    names = _names(function, points)
    function_names = ["f"] if len(at_point) == 1 else [f"f{k}" for k in range(len(at_point))]
    columns = [_slopes(values, point) for point in points]
    for k, output in enumerate(at_point):
        for name, analytic, slopes in zip(names, grad(output, points), columns, strict=True):
            yield _judged(f"∂{function_names[k]}/∂{name}", analytic, slopes[k], abs(output.data), rtol, atol)
    if order == 1:
        return
    first = gradients()
    columns = [_slopes(gradients, point) for point in points]
    for k, output in enumerate(at_point):
        for i, row in enumerate(hessian(output, points)):
            for j, analytic in enumerate(row):
                at = k * len(points) + i
                by = f"∂{names[i]}²" if i == j else f"∂{names[i]}∂{names[j]}"
                yield _judged(f"∂²{function_names[k]}/{by}", analytic, columns[j][at], abs(first[at]), rtol, atol)


def _names(function: object, points: list[Value]) -> list[str]:
    """The labels of the points, else the names that the function gives its arguments."""
    code = getattr(function, "__code__", None)
    arguments = code.co_varnames[: code.co_argcount] if code else ()
    return [
        point.label or (arguments[k] if len(arguments) == len(points) else f"x{k}") for k, point in enumerate(points)
    ]


Slopes = tuple[float, float, float, float]  # central, left, right, and the jump right - left at an eighth of the step


def _slopes(values: Callable[[], list[float]], point: Value) -> list[Slopes]:
    """The numerical derivatives of each of ``values()`` by the data of ``point``."""
    x = point.data
    h = _STEP * max(1.0, abs(x)) if math.isfinite(x) else _STEP
    sampled = []
    for step in (h, -h, h / 8, -h / 8, 0.0):
        point.data = x + step
        sampled.append((point.data - x, values()))  # the step that was taken, after rounding
    point.data = x
    (up, ups), (down, downs), (near_up, near_ups), (near_down, near_downs), (_, here) = sampled
    found = []
    for a, b, c, d, f in zip(ups, downs, near_ups, near_downs, here, strict=True):
        near_jump = (c - f) / near_up - (f - d) / -near_down
        found.append(((a - b) / (up - down), (f - b) / -down, (a - f) / up, near_jump))
    return found


def _judged(name: str, analytic: float, slopes: Slopes, size: float, rtol: float, atol: float) -> Derivative:
    central, left, right, near_jump = slopes
    jump = right - left
    scale = max(1.0, size, abs(left), abs(right))
    # Curvature makes the slopes differ too, but in proportion to the step; the jump at a kink stays.
    if not all(map(math.isfinite, (analytic, central, left, right))):
        status = "not finite"
    elif abs(jump) > 1e-4 * scale and abs(near_jump) > 0.5 * abs(jump):
        status = "kink"
    elif abs(analytic - central) <= atol * max(1.0, size) + rtol * abs(central):
        status = "ok"
    else:
        status = "wrong"
    return Derivative(name, analytic, central, left, right, status)
