"""Instructions made simpler as they are written: ``x * 1`` is x, a dot of one term is a product.

One function for each operation that can be simplified: the id of an equal value, or None. Each rule holds bit for bit
for all operands, with nan, infinities and signed zeros; the tests put every combination of them to each.
"""

from __future__ import annotations

from engine.weighted import roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .layers import Args
    from .writer import Writer

COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})  # their results are 1.0 or 0.0


def _add(w: Writer, args: Args) -> int | None:
    a, b = sorted(args)  # the same of two negatives, in either order
    op = w.op
    if op[b] == "constant" and w.is_number(b, "-0.0"):
        return a
    if op[a] == "constant" and w.is_number(a, "-0.0"):
        return b
    if op[b] == "neg":
        return w.emit("sub", (a, *w.args[b]))
    if op[a] == "neg":
        return w.emit("sub", (b, *w.args[a]))
    return None


def _sub(w: Writer, args: Args) -> int | None:
    a, b = args
    op = w.op
    if op[b] == "constant" and w.is_number(b, "0.0"):
        return a
    if op[a] == "constant" and w.is_number(a, "-0.0"):
        return w.emit("neg", (b,))
    if op[b] == "neg":
        return w.emit("add", (a, *w.args[b]))
    return None


def _mul(w: Writer, args: Args) -> int | None:
    a, b = args
    op = w.op
    if op[b] == "constant":
        a, b = b, a
    if op[a] == "constant":
        if w.is_number(a, "1.0"):
            return b
        if w.is_number(a, "-1.0"):
            return w.emit("neg", (b,))
        if op[b] == "neg":
            return w.emit("mul", (w.number(-w.constant[a]), *w.args[b]))
    elif op[a] == "neg" and op[b] == "neg":
        return w.emit("mul", (*w.args[a], *w.args[b]))
    return None


def _div(w: Writer, args: Args) -> int | None:
    if w.is_number(args[1], "1.0"):
        return args[0]
    if w.is_number(args[1], "-1.0"):
        return w.emit("neg", (args[0],))
    return None


def _neg(w: Writer, args: Args) -> int | None:
    return w.args[args[0]][0] if w.op[args[0]] == "neg" else None


def _pow(w: Writer, args: Args) -> int | None:
    if w.is_number(args[1], "1.0"):
        return args[0]
    if w.is_number(args[1], "0.0", "-0.0"):  # 1 for every base, as C defines it
        return w.number(1.0)
    return None


def _ne(w: Writer, args: Args) -> int | None:
    for zero, other in (args, args[::-1]):
        if w.op[other] in COMPARISONS and w.is_number(zero, "0.0", "-0.0"):
            return other
    return None


def _where(w: Writer, args: Args) -> int | None:
    condition, a, b = args
    if condition in w.constant:
        return a if w.constant[condition] != 0 else b
    if a == b:
        return a
    if w.op[condition] == "ne" and w.is_number(w.args[condition][1], "0.0", "-0.0"):
        return w.emit("where", (w.args[condition][0], a, b))
    if w.op[condition] in COMPARISONS and w.is_number(a, "1.0") and w.is_number(b, "0.0"):
        return condition
    return None


def _same(w: Writer, args: Args) -> int | None:
    return args[0] if args[0] == args[1] else None


def _sum(w: Writer, args: Args) -> int | None:
    if len(args) == 1:
        return args[0]
    return w.emit("add", args) if len(args) == 2 else None


def _mean(w: Writer, args: Args) -> int | None:
    return args[0] if len(args) == 1 else None


def _dot(w: Writer, args: Args) -> int | None:
    weights, inputs, bias = roles(args)
    rest = () if bias is None or w.is_number(bias, "-0.0") else (bias,)
    if not weights:
        return w.emit("add", (w.number(0.0), *rest))
    if len(weights) == 1:
        return w.emit("sum", (w.emit("mul", (weights[0], inputs[0])), *rest))
    for ones, others in ((weights, inputs), (inputs, weights)):
        if w.is_number(ones[0], "1.0") and ones.count(ones[0]) == len(ones):
            return w.emit("sum", others + rest)
    # What is the same for all rows goes to the weights, so that a backend knows on which side to look for it.
    varying = w.varying
    if any(map(varying.__getitem__, weights)) and not all(map(varying.__getitem__, inputs)):
        pairs = [(b, a) if varying[a] and not varying[b] else (a, b) for a, b in zip(weights, inputs, strict=True)]
        turned = tuple([a for a, _ in pairs]) + tuple([b for _, b in pairs]) + rest
        if turned != args:
            return w.emit("dot", turned)
    if len(weights) == 2 and not rest:
        for one, other in ((0, 1), (1, 0)):
            if w.is_number(weights[one], "1.0") and w.is_number(weights[other], "-1.0"):
                return w.emit("sub", (inputs[one], inputs[other]))
    return w.emit("dot", weights + inputs) if bias is not None and not rest else None


SIMPLIFY: dict[str, Callable[[Writer, Args], int | None]] = {
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "neg": _neg, "pow": _pow, "ne": _ne, "where": _where,
    "maximum": _same, "minimum": _same, "sum": _sum, "mean": _mean, "dot": _dot,
}  # fmt: skip

# Rules that hold only where the first operand or the last is a constant, or the negative of something.
BY_ODD = frozenset({"add", "sub", "mul", "div", "neg", "pow"})
