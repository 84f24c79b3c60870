"""A graph of ten operations: its value, its derivatives, its picture, and the proof that they are right."""

from __future__ import annotations

from engine import Value, gradcheck, relu
from viz import draw

from .pictures import Pictures


def g(a: Value, b: Value) -> Value:
    """Arithmetic, a power and a branch; a and b are both used more than once."""
    c = a + b
    c.label = "c"
    d = a * b + b**3
    d.label = "d"
    e = relu(c - d) / 4
    e.label = "e"
    return e * e - c.tanh()


def main(pictures: Pictures, seed: int) -> None:
    a, b = Value(-4.0, label="a"), Value(2.0, label="b")
    y = g(a, b)
    y.label = "y"
    y.backward()
    print(f"a = {a.data:.4f}, b = {b.data:.4f}, y = {y.data:.4f}")
    print(f"dy/da = {a.grad:.4f}: raise a by 0.001 and y moves by about {0.001 * a.grad:.6f}")
    print(f"dy/db = {b.grad:.4f}: raise b by 0.001 and y moves by about {0.001 * b.grad:.6f}")
    print()
    print("The same derivatives, by moving a and b a little and looking at y:")
    print(gradcheck(g, [a.data, b.data]))
    pictures.graph("expression.svg", draw(y))
    pictures.graph("expression.png", draw(y))
