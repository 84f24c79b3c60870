"""An operation of the user's own, in the language of the table: from then on like any other."""

from __future__ import annotations

import keyword
import math
from difflib import get_close_matches
from random import Random

from .check import gradcheck
from .expressions import (
    Call,
    ExpressionError,
    List,
    Name,
    Node,
    Number,
    Python,
    children,
    names,
    operations,
    parse,
    rule,
    walk,
)
from .generate import load, substituted
from .ieee import scalar
from .operands import real_number, shortened
from .operations import FUNCTIONS
from .ops import OPS, Op
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .ops import Box

_ARGUMENTS = ("a", "b", "c")
_DEEPEST = 150  # operations inside each other, as in a sum of so many terms: what is generated must be read by Python
_POINTS = 24  # at which the rule is compared with differences, in each box of the domain


def define(
    name: str,
    forward: str,
    *derivatives: str,
    symbol: str | None = None,
    domain: Sequence[Any] | None = None,
    defaults: Sequence[float] = (),
    doc: str = "",
) -> Callable[..., Value]:
    """Define an operation, and return its function; values have it as a method too.

    name         an identifier, of no other operation; an operation that was defined before is replaced
    forward      the result as an expression of the arguments ``a``, or ``a`` and ``b``, or ``a``, ``b`` and ``c``
    derivatives  for each argument the derivative of the result with respect to it, as an expression of the arguments
                 and of the result ``y``
    symbol       what pictures show; the name, where it is left out
    domain       where the operation is smooth: (low, high) for each argument, (-3, 3) where it is left out
    defaults     values of the last arguments where the caller leaves them out
    doc          what it is, for its docstring

    The expressions are those of the table (engine/ops.py). Every derivative is compared with differences at points of
    the domain. Raises ValueError, which names the point, where they do not agree; ExpressionError, which points at the
    place, for an expression that cannot be understood.

    >>> softsign = define("softsign", "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")
    >>> a = Value(3.0)
    >>> softsign(a).data, a.softsign().local_derivatives
    (0.75, (0.0625,))
    """
    _check_name(name)
    tree = _checked(forward, _ARGUMENTS, name)
    arguments = tuple([x for x in _ARGUMENTS if x in names(tree)])
    if not arguments or arguments != _ARGUMENTS[: len(arguments)]:
        raise ValueError(f"define {name}: the forward expression is of a, or a and b, or a, b and c; got {forward!r}")
    if len(derivatives) != len(arguments):
        raise ValueError(
            f"define {name}: one derivative for each argument ({', '.join(arguments)}), got {len(derivatives)}"
        )
    rules = tuple([_rule(text, (*arguments, "y"), name) for text in derivatives])
    if len(defaults) >= len(arguments):
        raise ValueError(f"define {name}: the first argument has no default, got {len(defaults)} defaults")
    op = Op(
        name, symbol or name, " ".join(arguments), _without_defined(tree, forward), rules,
        _boxes(domain, len(arguments), name), doc or f"{name}: {forward}",
        tuple([real_number(x, f"define {name}: defaults") for x in defaults]),
        chooses=isinstance(tree, Call) and tree.op == "where",
    )  # fmt: skip
    op.defined = True
    method, function, on_floats = load(op)
    _check_derivatives(op, method)
    OPS[name], FUNCTIONS[name], scalar[name] = op, function, on_floats
    setattr(Value, name, method)
    return function


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise ValueError(f"define: the name is an identifier such as softsign, got {shortened(name)}")
    known = OPS.get(name)
    if (known and not known.defined) or (not known and (hasattr(Value, name) or name in scalar)):
        raise ValueError(f"define: a Value has something called {name} already: choose another name")
    if name in (*_ARGUMENTS, "y", "n", "g", "rest"):
        raise ValueError(f"define: {name} is a name of the language: choose another one")


def _checked(text: str, known: tuple[str, ...], name: str) -> Node:
    """The tree of an expression whose names and calls are known."""
    if not isinstance(text, str):
        raise TypeError(f"define {name}: an expression is text, got {shortened(text)}")
    tree = parse(text)
    level = [tree]
    for _ in range(_DEEPEST):
        level = [part for node in level for part in children(node)]
    if level:
        raise ExpressionError(f"define {name}: more than {_DEEPEST} operations inside each other", text, 0, len(text))
    for node in walk(tree):
        if isinstance(node, Name) and node.name not in known:
            expected = ", ".join(known)
            raise ExpressionError(
                f"define {name}: {node.name} is none of the names {expected}", text, node.start, node.end
            )
        if isinstance(node, Call):
            op = OPS.get(node.op)
            if op is None or node.op == name:
                close = get_close_matches(node.op, OPS, n=2)
                hint = f": did you mean {' or '.join(close)}?" if close and node.op != name else ""
                raise ExpressionError(
                    f"define {name}: there is no operation {node.op}{hint}", text, node.start, node.end
                )
            if op.arity and len(node.operands) != op.arity:
                message = f"define {name}: {node.op} takes {op.arity} arguments here, got {len(node.operands)}"
                raise ExpressionError(message, text, node.start, node.end)
    return tree


def _rule(text: str, known: tuple[str, ...], name: str) -> str:
    tree = _checked(text, known, name)
    # The table writes constant rules as 0 and 1, which need no node in a gradient.
    if isinstance(tree, Number) and tree.value in (0.0, 1.0):
        return f"{tree.value:.0f}"
    return _without_defined(tree, text)


def _without_defined(tree: Node, text: str) -> str:
    """The text of an expression with what operations that users defined are in place of their calls.

    These may be defined anew, and what uses them stays as it was checked, in every backend.
    """

    def inlined(node: Node) -> Node:
        if isinstance(node, List):
            return List(tuple(map(inlined, node.items)))
        if not isinstance(node, Call):
            return node
        op, operands = OPS[node.op], tuple(map(inlined, node.operands))
        if op.defined:
            return substituted(rule(op.forward), dict(zip(op.arguments, operands)))
        return Call(node.op, operands)

    return Python().text(inlined(tree)) if any(OPS[name].defined for name in operations(tree)) else text


def _boxes(domain: Sequence[Any] | None, arity: int, name: str) -> tuple[Box, ...]:
    """The domain as boxes: (low, high), one such pair for each argument, or a list of such boxes."""

    def interval(x: Any) -> tuple[float, float]:
        low, high = x
        low, high = real_number(low, f"define {name}: domain"), real_number(high, f"define {name}: domain")
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError
        return low, high

    if domain is None:
        return (((-3.0, 3.0),) * arity,)
    try:
        if arity == 1 and len(domain) == 2 and all(isinstance(x, (int, float)) for x in domain):
            return ((interval(domain),),)
        if all(isinstance(x, (int, float)) for pair in domain for x in pair):
            if arity == 1:
                return tuple([(interval(pair),) for pair in domain])
            domain = [domain]
        boxes = tuple([tuple([interval(pair) for pair in box]) for box in domain])
        if boxes and all(len(box) == arity for box in boxes):
            return boxes
    except (TypeError, ValueError):
        pass
    raise ValueError(f"define {name}: the domain is (low, high) for each of {arity} arguments, got {shortened(domain)}")


def _check_derivatives(op: Op, method: Callable[..., Value]) -> None:
    """ValueError where a rule does not agree with differences at a point of the domain."""
    random, compared = Random(op.name), 0
    for box in op.domains:
        for _ in range(_POINTS):
            point = [random.uniform(*interval) for interval in box]
            moving = [k for k, (low, high) in enumerate(box) if low < high]
            report = gradcheck(_of_moving(method, point, moving), [point[k] for k in moving], raise_exception=False)
            for k, found in zip(moving, report.derivatives):
                compared += found.status == "ok"
                if found.status != "ok" and found.status not in ("kink", "not finite"):
                    at = ", ".join([f"{x} = {value:.6g}" for x, value in zip(op.arguments, point)])
                    raise ValueError(
                        f"define {op.name}: at {at} the rule {op.rules[k]!r} gives {found.analytic:.10g} as the "
                        f"derivative with respect to {op.arguments[k]}, and differences give {found.numerical:.10g}"
                    )
    if not compared:
        raise ValueError(
            f"define {op.name}: it has no derivative anywhere in {op.domains}: give a domain, as in domain=(0.1, 4)"
        )


def _of_moving(method: Callable[..., Value], point: list[float], moving: list[int]) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        operands: list[Any] = [Value(x) for x in point]
        for k, value in zip(moving, values):
            operands[k] = value
        return method(*operands)

    return function
