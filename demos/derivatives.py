"""tanh and its first four derivatives: the gradient of a graph is a graph, so it can be differentiated again."""

from __future__ import annotations

from engine import Value, grad
from viz import plots

from .tour import Tour

ORDERS = 5


def towers(x: float) -> list[float]:
    """tanh x, tanh' x, ... up to the fourth derivative."""
    point = Value(x)
    y = point.tanh()
    values = [y.data]
    while len(values) < ORDERS:
        (y,) = grad(y, [point], create_graph=True)
        values.append(y.data)
    return values


def main(tour: Tour) -> None:
    xs = [-4 + k / 25 for k in range(201)]
    columns = list(zip(*(towers(x) for x in xs)))
    names = ["tanh x", "1st derivative", "2nd derivative", "3rd derivative", "4th derivative"]
    print(f"{'x':>6}" + "".join(f"{name:>16}" for name in names))
    for k in range(25, 200, 25):
        print(f"{xs[k]:6.2f}" + "".join(f"{column[k]:16.6f}" for column in columns))
    print()
    print("tanh' = 1 - tanh², so at 0 the first derivative is 1, and the third -2.")
    tour.plot("derivatives.svg", plots.lines, xs, dict(zip(names, columns)), "tanh and its derivatives")
