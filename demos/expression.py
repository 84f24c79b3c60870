"""A graph of five operations: its value, its derivatives, its picture, and the proof that they are right."""

from __future__ import annotations

from engine import Value, gradcheck, sigmoid, tanh
from viz import draw

from .tour import Tour


def f(a: Value, b: Value) -> Value:
    """a and b are used twice each: their derivatives are sums over both ways to the result."""
    c = a * b + tanh(a)
    c.label = "c"
    y = b * sigmoid(c)
    y.label = "y"
    return y


def main(tour: Tour) -> None:
    a, b = Value(2.0, label="a"), Value(-1.5, label="b")
    y = f(a, b)
    y.backward()
    print(f"a = {a.data:.4f}, b = {b.data:.4f}, y = {y.data:.4f}")
    print(f"dy/da = {a.grad:.4f}: raise a by 0.001 and y moves by about {0.001 * a.grad:.6f}")
    print(f"dy/db = {b.grad:.4f}: raise b by 0.001 and y moves by about {0.001 * b.grad:.6f}")
    print()
    print("The same derivatives, by moving a and b a little and looking at y:")
    print(gradcheck(f, [a, b]))
    tour.graph("expression.svg", draw(y))
