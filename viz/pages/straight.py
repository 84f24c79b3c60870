"""A small graph as one JavaScript function: its value, and its derivative with respect to its first input.

The forward and the derivatives are the table's, printed by javascript.py; the chain rule is written out, a line for
each value. So a loss of nn, as its own Python code builds it, computes in a page what it computes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import toposort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import Value


def operations(*outputs: Value) -> list[str]:
    """The names of the operations of the graphs, for ``javascript.functions``."""
    return list(dict.fromkeys(node.op.name for node in toposort(*outputs) if node.op))


def straight(name: str, output: Value, inputs: Sequence[Value]) -> str:
    """JavaScript for ``function name(inputs)``: returns the output; ``slope`` is its derivative for inputs[0].

    Every leaf that is not among the inputs is a constant of the function. The operations have one to three operands.

    >>> from engine import Value
    >>> x, t = Value(0.0), Value(0.0)
    >>> print(straight("f", (x - t).tanh(), [x, t]))
    function f(v0, v1) {
      const v2 = OPS.sub.forward(v0, v1);
      const v3 = OPS.tanh.forward(v2);
      const g3 = 1;
      const g2 = g3 * OPS.tanh.rules[0](v2, v3);
      slope = g2 * OPS.sub.rules[0](v0, v1, v2);
      return v3;
    }
    """
    called = {node: f"v{k}" for k, node in enumerate(inputs)}
    parameters = ", ".join(called.values())
    order = toposort(output)
    lines = []
    for node in order:
        if node in called:
            continue
        called[node] = f"v{len(called)}"
        if node.op is None:
            lines.append(f"const {called[node]} = {node.data!r};")
        else:
            operands = ", ".join(called[parent] for parent in node.parents)
            lines.append(f"const {called[node]} = OPS.{node.op.name}.forward({operands});")
    terms: dict[Value, list[str]] = {output: ["1"]}
    wanted = {inputs[0]}
    for node in order:
        if not wanted.isdisjoint(node.parents):
            wanted.add(node)
    for node in reversed(order):
        if node not in wanted:
            continue
        total = " + ".join(terms.get(node, ["0"]))
        if node is inputs[0]:
            lines.append(f"slope = {total};")
            continue
        adjoint = called[node].replace("v", "g")
        lines.append(f"const {adjoint} = {total};")
        arguments = ", ".join(called[x] for x in (*node.parents, node))
        assert node.op is not None
        for j, parent in enumerate(node.parents):
            if parent in wanted:
                terms.setdefault(parent, []).append(f"{adjoint} * OPS.{node.op.name}.rules[{j}]({arguments})")
    body = "\n".join(f"  {line}" for line in lines)
    return f"function {name}({parameters}) {{\n{body}\n  return {called[output]};\n}}"
