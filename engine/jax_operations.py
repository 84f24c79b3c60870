"""The operations of the table as functions of JAX arrays, with the derivatives that the table has.

What jax.numpy has is taken from there, all else is made from the forward expressions. The rules are handed to JAX as
they stand in the table: its grad, jvp, jit, vmap and hessian then give what backward, grad and hessian give here, the
conventions at kinks included (relu'(0) = 0, half each for a tie of maximum). What an operation did not choose gets no
derivative, and a branch of a rule that does not apply is computed at a harmless point (as in lowering/reached.py), so
that neither gives nan when it is differentiated again.
"""

from __future__ import annotations

from functools import cache

from .bounds import always_safe
from .chain import choosing
from .derived import Derived
from .expressions import Call, Name, Node, Number, rule
from .ops import OPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SAME = ("exp expm1 exp2 log log1p log2 log10 sqrt cbrt sin cos tan sinh cosh tanh hypot maximum minimum floor ceil "
         "mod abs")  # fmt: skip


def import_jax(who: str) -> Any:
    """The module jax. Raises ImportError that says how to get it."""
    try:
        import jax
    except ImportError:
        raise ImportError(f"{who} needs JAX: pip install jax") from None
    return jax


@cache
def jax_operations() -> Derived:
    """The algebra: name of an operation -> function of arrays."""
    jax = import_jax("to_jax")
    np, special = jax.numpy, jax.scipy.special

    def compare(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda a, b: np.where(function(a, b), 1.0, 0.0)

    primitive: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _SAME.split()}
    for name in ("asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh"):
        primitive[name] = getattr(np, f"arc{name[1:]}")
    primitive |= {"pow": np.power, "round": np.rint, "erf": special.erf, "erfc": special.erfc, "div": np.true_divide}
    # whose derivatives are JAX's own
    plain: dict[str, Callable[..., Any]] = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative}
    plain["where"] = lambda c, a, b: np.where(np.not_equal(c, 0), a, b)
    for name, function in (("gt", np.greater), ("ge", np.greater_equal), ("lt", np.less), ("le", np.less_equal),
                           ("eq", np.equal), ("ne", np.not_equal)):  # fmt: skip
        plain[name] = compare(function)
    return _WithRules(jax, plain, Derived({**plain, **primitive}, "to_jax"))


class _WithRules(Derived):
    """The algebra: an operation is made with its rules when it is first asked for; one of the user's own too."""

    def __init__(self, jax: Any, plain: dict[str, Callable[..., Any]], raw: Derived) -> None:
        super().__init__(plain, raw.who)
        self.jax, self.raw = jax, raw

    def __missing__(self, name: str) -> Callable[..., Any]:
        self[name] = made = _with_rules(self.jax, name, self.raw[name], self)
        return made


def _with_rules(jax: Any, name: str, forward: Callable[..., Any], algebra: Derived) -> Callable[..., Any]:
    """The operation as a function whose derivatives are those of its row."""
    op, np = OPS[name], jax.numpy
    choices = [choosing(op, k) for k in range(len(op.rules))]
    rules = [rule(choice[0] if choice else text) for choice, text in zip(choices, op.rules)]

    def operation(*operands: Any) -> Any:
        return forward(*operands)

    operation.__name__ = name
    differentiable = jax.custom_jvp(operation)

    @differentiable.defjvp  # type: ignore[untyped-decorator]
    def jvp(operands: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        y = differentiable(*operands)
        values = dict(zip((*op.arguments, "y"), (*operands, y), strict=True))
        total = np.zeros_like(y)
        for tree, choice, tangent in zip(rules, choices, tangents, strict=True):
            if choice:
                total = total + _evaluate(np, tree, algebra, {**values, "g": tangent})
            elif not _is_zero(tree):
                total = total + _evaluate(np, tree, algebra, values) * tangent
        return y, total

    made: Callable[..., Any] = differentiable
    return made


def _evaluate(np: Any, tree: Node, algebra: Derived, values: dict[str, Any], applies: Any = None) -> Any:
    """The tree on arrays; where it does not apply, its operations are computed at harmless points.

    applies    an array of bools, or None: everywhere
    """
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Name):
        return values[tree.name]
    assert isinstance(tree, Call)
    if tree.op == "where":
        condition, then, otherwise = tree.operands
        chosen = np.not_equal(_evaluate(np, condition, algebra, values, applies), 0)
        other = ~chosen
        if applies is not None:
            chosen, other = applies & chosen, applies & other
        return np.where(chosen, _evaluate(np, then, algebra, values, chosen),
                        _evaluate(np, otherwise, algebra, values, other))  # fmt: skip
    operands = [_evaluate(np, operand, algebra, values, applies) for operand in tree.operands]
    if applies is not None and not always_safe(OPS[tree.op]):
        operands = [np.where(applies, x, safe) for x, safe in zip(operands, harmless_point(tree.op))]
    return algebra[tree.op](*operands)


def harmless_point(op: str) -> tuple[float, ...]:
    """Operands at which an operation and its derivatives are finite: the middle of a box of its row.

    For an operation of any number of operands one, for each of them.
    """
    boxes = OPS[op].domains[0] if OPS[op].arity else OPS[op].domains[0][:1]
    return tuple([(low + high) / 2 for low, high in boxes])


def _is_zero(tree: Node) -> bool:
    return isinstance(tree, Number) and tree.value == 0
