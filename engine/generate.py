"""``python -m engine.generate`` writes operations.py, the methods and functions of the table, from its rows (ops.py).

The module is checked in, so that a reader, an editor, a debugger and a type checker see the operations as code. A test
says when it is older than the table.
"""

from __future__ import annotations

import linecache
import sys
import textwrap
from pathlib import Path

from . import expressions, ieee
from .expressions import Call, List, Name, Node, Number, Python, rule
from .ops import OPS, Op
from .raising import may_raise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

TARGET = Path(__file__).with_name("operations.py")
_OPERATORS = {"add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "mod": "mod", "pow": "pow"}
_WIDTH = 120

_HEAD = '''\
"""The operations of the table, as methods of Value and as free functions. Written by ``python -m engine.generate``.

Do not edit: change the row in ops.py and run that command. Each method computes the result ``y`` and, at once, its
local derivatives: how ``y`` moves with each operand. math's functions are tried first; where they raise, the IEEE
result takes its place (ieee.py). A derivative that is ``NOTHING`` is 0.0, and says that nothing is reached through that
operand: it was not chosen, or the result is constant in steps.
"""

# ruff: noqa: E501, I001, RUF100
# fmt: off

from __future__ import annotations

from math import inf

from .ieee import RAISED, by_ieee, scalar, shares
from .operands import CONSTANT, NOTHING, UNSET, applied, elementwise, gathered, many, operand
from .ops import OPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .operands import Operand
    from .value import Value  # at run time, value.py puts it here

new = object.__new__
'''


class _Code(Python):
    """Python that computes with the functions of this module; ``chooses``: a 0.0 in a branch is NOTHING."""

    def __init__(self, chooses: bool = False, shared: dict[str, str] | None = None) -> None:
        self.chooses, self.shared = chooses, shared or {}

    def function(self, op: str) -> str:
        return f"_{op}"

    def spread(self, name: str) -> str:
        return "*data[:k], *data[k + 1 :]" if name == "rest" else f"*{name}"

    def bound(self, node: Node) -> tuple[str, int]:
        known = self.shared.get(_key(node)) if isinstance(node, Call) else None
        return (known, expressions.ATOM) if known else super().bound(node)

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        if self.chooses:
            then, otherwise = (
                Name("NOTHING") if isinstance(node, Number) and node.value == 0 else node for node in (then, otherwise)
            )
        return super().where(condition, then, otherwise)


class _Plain(Python):
    """Python as one writes it for readers: 1 - y*y."""

    infix = {**Python.infix, "mul": ("*", expressions.PRODUCT), "div": ("/", expressions.PRODUCT)}  # noqa: RUF012

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def number(self, value: float) -> str:
        return f"{value:.17g}" if value.is_integer() else repr(value)

    def name(self, name: str) -> str:
        return self.names.get(name, name)


def source() -> str:
    """The text of operations.py."""
    from_math = [f"{text} as _{name}" for name, text in sorted(ieee.MATH.items())]
    imports = "\n".join(["from math import (", *_wrapped(from_math), ")"])
    by_hand = [f'_{name} = scalar["{name}"]' for name in ieee.BY_HAND if name not in ieee.MATH]
    parts = [_HEAD.replace("from math import inf\n", f"from math import inf\n{imports}\n"), "\n".join(by_hand)]
    parts.append("\n".join(f'{_constant(op)} = OPS["{op.name}"]' for op in OPS.values()))
    body = ['''class Operations:
    """The methods of Value that come from the table."""

    __slots__ = ()

    if TYPE_CHECKING:
        data: float

        def __float__(self) -> float: ...
''']  # fmt: skip
    for op in OPS.values():
        if op.arity and op.name in _OPERATORS:
            body += _operator(op)
        elif op.arity:
            body.append(_method(op, op.name))
        if op.name in ("neg", "abs"):
            body.append(f"def __{op.name}__(self) -> Value:\n    return self.{op.name}()\n")
    parts.append("\n".join([body[0], *(textwrap.indent(text, "    ") for text in body[1:])]))
    parts.append("# The free functions.")
    names = [op.name for op in OPS.values() if op.name != "dot"]  # its function is in weighted.py
    parts += [_free_function(OPS[name]) for name in names]
    rows = _wrapped(f'"{name}": {name}' for name in names)
    exported = _wrapped(f'"{name}"' for name in names if not OPS[name].helper)
    parts.append("\n".join(["__all__ = [", *exported, "]"]))
    parts.append("# All of them by name. weighted.py adds dot, and definition.py what users define.")
    parts.append("\n".join(["FUNCTIONS: dict[str, Callable[..., Value]] = {", *rows, "}"]))
    parts += _functions_on_floats()
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _constant(op: Op) -> str:
    return op.name.upper()


# Floats.


def _functions_on_floats() -> list[str]:
    """A function on floats for each row that is an expression of others."""
    rows = [op for op in OPS.values() if op.name not in ieee.BY_HAND]
    parts = ["# The operations on floats that are expressions of others; ieee.py has the rest."]
    parts += map(_function_on_floats, rows)
    parts.append("\n".join(["scalar.update({", *_wrapped(f'"{op.name}": _{op.name}' for op in rows), "})"]))
    return parts


def _function_on_floats(op: Op) -> str:
    tree = _inlined(rule(op.forward))
    shared, nodes = _shared([tree])
    text = _Code(shared=shared).text(tree)
    lines = [f"def _{op.name}({', '.join(f'{a}: float' for a in op.arguments)}) -> float:"]
    body = [*(f"{local} = {_Code().text(node)}" for node, local in nodes), f"return {text}"]
    if may_raise(tree, {}):
        otherwise = f"by_ieee({_constant(op)}.forward, {_tuple(op.arguments)}, {', '.join(op.arguments)})"
        body = ["try:", *(f"    {line}" for line in body), "except RAISED:", f"    return {otherwise}"]
    lines += [f"    {line}" for line in body]
    return "\n".join(lines)


def _wrapped(items: Iterable[str]) -> list[str]:
    """The items with commas between them, in indented lines."""
    return textwrap.wrap(", ".join(items) + ",", _WIDTH, initial_indent="    ", subsequent_indent="    ")


def _tuple(names: tuple[str, ...]) -> str:
    inner = ", ".join(f'"{name}"' for name in names)
    return f"({inner},)" if len(names) == 1 else f"({inner})"


# Methods.


def _operator(op: Op) -> list[str]:
    name = _OPERATORS[op.name]
    return [
        _method(op, f"__{name}__", operator=True),
        f'''def __r{name}__(self, other: Operand) -> Value:
    number = operand(other)
    if number is None:
        return elementwise("__r{name}__", self, other)
    return number.__{name}__(self)
''',
        f'''def {op.name}(self, {_public(op)[1]}: Operand) -> Value:
{textwrap.indent(_docstring(op), "    ")}
    return self {expressions.Python.infix.get(op.name, ("**", 0))[0].strip()} {_public(op)[1]}
''',
    ]  # fmt: skip


def _public(op: Op) -> tuple[str, ...]:
    """What callers call the arguments; the first is self in a method."""
    return op.names if op.names != ("a", "b") else ("a", "other")


def _method(op: Op, name: str, operator: bool = False) -> str:
    names = ("a", "other") if operator else _public(op)
    others = names[1:]
    defaults = dict(zip(reversed(others), reversed(op.defaults)))
    signature = ["self", *(f"{x}: Operand = {defaults[x]!r}" if x in defaults else f"{x}: Operand" for x in others)]
    lines = [f"def {name}({', '.join(signature)}) -> Value:"]
    body = [] if operator else [_docstring(op)]
    if operator:
        body += ["if not isinstance(other, Value):",
                 "    number = operand(other)",
                 "    if number is None:",
                 f'        return elementwise("{name}", self, other)',
                 "    other = number"]  # fmt: skip
    elif others:
        test = " and ".join(f"isinstance({x}, Value)" for x in others)
        test = f"not isinstance({others[0]}, Value)" if len(others) == 1 else f"not ({test})"
        body += [f"if {test}:", f"    return applied(Value.{name}, self, {', '.join(others)})"]
    left = ", ".join(op.arguments)
    right = ", ".join(["self.data", *(f"{x}.data" for x in others)])
    if len(op.arguments) > 2:  # of an operation that a user defined they are called b and c, as the numbers are
        body.append(f"parents = self, {', '.join(others)}")
    body.append(f"{left} = {right}")
    trees = [_inlined(rule(text)) for text in (op.forward, *op.rules)]
    shared, nodes = _shared(trees)
    for node, local in nodes:
        operands = ", ".join([_Code().text(operand) for operand in node.operands])
        text = _Code().text(node)
        body += _computed(local, text, f'scalar["{node.op}"]({operands})', may_raise(node, {}))
    known = {local: node for node, local in nodes} | {"y": trees[0]}
    named = [_named(tree, shared) for tree in trees]
    if op.name in ieee.BY_HAND and op.name not in ieee.MATH:
        text = f"_{op.name}({left})"
        body.append(f"y = {text}")
    else:
        text = _Code(shared=shared).text(trees[0])
        body += _computed("y", text, f'scalar["{op.name}"]({left})', may_raise(named[0], known))
    body += ["node = new(Value)", "node.data = y", "node.grad = UNSET", 'node._label = ""',
             f"node.op = {_constant(op)}", "node._mark = None"]  # fmt: skip
    if len(op.arguments) <= 2:
        body += ["node._a = self", f"node._b = {others[0] if others else 'None'}"]
        targets = ["node._da", "node._db"]
    else:
        body += ["node._a = (parents, ())", "node._b = None"]
        targets = ["da", "db", "dc"]
    for k, (target, tree) in enumerate(zip(targets, trees[1:], strict=False)):
        if isinstance(tree, Number) and tree.value == 0:
            body.append(f"{target} = NOTHING")
            continue
        text = _Code(op.chooses, shared).text(tree)
        if op.name == "pow" and k == 1:
            # A constant exponent is not differentiated. Its derivative y * log(a) costs a logarithm, and is nan for a
            # negative base: it would be the only nan in the graph of (-2.0) ** 2.
            text = f"NOTHING if {others[0]}._a is CONSTANT else {text}"
        data = ", ".join([*op.arguments, "y"])
        otherwise = f"by_ieee({_constant(op)}.rules[{k}], {_tuple((*op.arguments, 'y'))}, {data})"
        body += _computed(target, text, otherwise, may_raise(named[k + 1], known))
    if len(op.arguments) > 2:
        body.append("node._da = ((da, db, dc), ())")
    body.append("return node")
    return "\n".join([*lines, *(textwrap.indent(line, "    ") for line in body)]) + "\n"


def _computed(target: str, text: str, otherwise: str, raises: bool) -> list[str]:
    """A statement that computes something, with what stands in where Python raises an exception."""
    if not raises:
        return [f"{target} = {text}"]
    return ["try:", f"    {target} = {text}", "except RAISED:", f"    {target} = {otherwise}"]


def _inlined(tree: Node) -> Node:
    """The tree with the forward of each helper operation in place of its call: a method need not call for it."""
    if isinstance(tree, Call):
        operands = tuple(map(_inlined, tree.operands))
        op = OPS[tree.op]
        if op.helper and op.name not in ieee.BY_HAND:
            return _inlined(substituted(rule(op.forward), dict(zip(op.arguments, operands))))
        if op.name == "hypot":
            operands = tuple(sorted(operands, key=repr))  # either order is the same number
        return Call(tree.op, operands, tree.start, tree.end)
    return tree


def substituted(tree: Node, values: dict[str, Node]) -> Node:
    """The tree with other nodes in place of names."""
    if isinstance(tree, Name):
        return values[tree.name]
    if isinstance(tree, Call):
        return Call(tree.op, tuple(substituted(x, values) for x in tree.operands), tree.start, tree.end)
    if isinstance(tree, List):
        return List(tuple(substituted(x, values) for x in tree.items), tree.start, tree.end)
    return tree


def _named(tree: Node, shared: dict[str, str]) -> Node:
    """The tree with names in place of what is computed before."""
    if isinstance(tree, Call):
        name = shared.get(_key(tree))
        return Name(name) if name else Call(tree.op, tuple([_named(x, shared) for x in tree.operands]))
    return tree


_SIMPLE = frozenset({"neg", "abs", "add", "sub", "mul"})


def _shared(trees: list[Node]) -> tuple[dict[str, str], list[tuple[Call, str]]]:
    """Calls of functions that stand more than once and are always computed: names by key, and in their order."""
    counted: dict[str, int] = {}
    always: dict[str, Call] = {}

    def visit(node: Node, certain: bool) -> None:
        if isinstance(node, Call):
            for k, operand in enumerate(node.operands):
                visit(operand, certain and (node.op != "where" or k == 0))
            inside = {op for operand in node.operands for op in expressions.operations(operand)}
            if node.op not in _Code.infix and node.op not in ("where", "neg", "abs") and inside <= _SIMPLE:
                counted[_key(node)] = counted.get(_key(node), 0) + 1
                if certain:
                    always.setdefault(_key(node), node)

    for tree in trees:
        visit(tree, True)
    repeated = [node for key, node in always.items() if counted[key] > 1]
    found = list(zip(repeated, "stuvw"))
    return {_key(node): name for node, name in found}, found


def _key(node: Node) -> str:
    return repr(node)


def _docstring(op: Op) -> str:
    first = op.doc.split(" ")[0].strip(",")
    code = len(first) == 1 or first in op.names or not first.isalpha()  # "a above 0, …": no word
    doc = f"{op.doc if code else op.doc[0].upper() + op.doc[1:]}."
    texts = getattr(op, "textbook", None) or op.rules
    names = dict(zip(op.arguments, _public(op)))
    plain = [_Plain(names).text(rule(text)) for text in texts]
    if not op.arguments:
        return f'"""{doc[:-1]}, as one node. The derivative with respect to the value a is {plain[0]}."""'
    if set(plain) == {"0"}:
        return f'"""{doc} The derivative is 0."""'
    if len(plain) == 1:
        return f'"""{doc} The derivative is {plain[0]}."""'
    lines = [f"    {name}: {text}" for name, text in zip(_public(op), plain)]
    return "\n".join([f'"""{doc}', "", "The derivatives with respect to", *lines, '"""'])


# Free functions.


def _free_function(op: Op) -> str:
    if not op.arity:
        return _n_ary_function(op)
    if op.name in _OF_MANY:
        return _two_or_many(op)
    public = op.names
    defaults = dict(zip(reversed(public), reversed(op.defaults)))
    signature = ", ".join(f"{x}: Operand = {defaults[x]!r}" if x in defaults else f"{x}: Operand" for x in public)
    first, others = public[0], ", ".join(public[1:])
    names = dict(zip(_public(op), public))
    doc = _docstring(op)
    for old, new in names.items():
        doc = doc.replace(f"    {old}:", f"    {new}:")
        if old == "other":
            doc = doc.replace("other", new)
    method = f"__{_OPERATORS[op.name]}__" if op.name in _OPERATORS else op.name
    return f'''def {op.name}({signature}) -> Value:
{textwrap.indent(doc, "    ")}
    if isinstance({first}, Value):
        return {first}.{op.name}({others})
    return applied(Value.{op.name}, {", ".join(public)})
'''.replace(f"Value.{method}", f"Value.{op.name}")  # fmt: skip


_OF_MANY = {"maximum": "amax", "minimum": "amin"}  # what these functions are of a list, or of more than two values


def _two_or_many(op: Op) -> str:
    many = _OF_MANY[op.name]
    doc = f"{op.doc[0].upper()}{op.doc[1:]}."
    return f'''def {op.name}(a: Operand | Iterable[Operand], *others: Operand) -> Value:
    """{doc}

    The derivative is 1 with respect to the one that is chosen. Of a list, or of more than two values, it is ``{many}``.
    """
    if len(others) != 1:
        return {many}([a, *others] if others else a)  # type: ignore[arg-type, list-item]
    if isinstance(a, Value):
        return a.{op.name}(*others)
    return applied(Value.{op.name}, a, *others)
'''


def _n_ary_function(op: Op) -> str:
    tree = rule(op.rules[0])
    if op.name == "logsumexp":  # all shares at once: one at a time would cost a walk over all values for each
        lines = [f'parents, data = gathered("{op.name}", values)', f"y = _{op.name}(data)",
                 f"return many({_constant(op)}, y, parents, shares(data, y))"]  # fmt: skip
        body = textwrap.indent("\n".join([_docstring(op), *lines]), "    ")
        return f"def {op.name}(values: Iterable[Operand]) -> Value:\n{body}\n"
    text = "NOTHING" if op.rules[0] == "0" else _Code(op.chooses).text(tree)
    used = expressions.names(tree)
    items = "k, a in enumerate(data)" if "rest" in used else "a in data"
    each = f"({text},) * n" if "a" not in used else f"tuple([{text} for {items}])"
    lines = [f'parents, data = gathered("{op.name}", values)', f"y = _{op.name}(data)"]
    if "a" not in used or "n" in used or "rest" not in used:
        lines.insert(1, "n = len(data)")
    if "rest" not in used and op.rules[0] not in ("0", "1"):
        by_ieee = f'by_ieee({_constant(op)}.rules[0], ("a", "y", "n"), a, y, n)'
        lines += _computed("derivatives", each, f"tuple([{by_ieee} for a in data])", may_raise(tree, {}))
    else:
        lines.append(f"derivatives = {each}")
    lines.append(f"return many({_constant(op)}, y, parents, derivatives)")
    body = textwrap.indent("\n".join([_docstring(op), *lines]), "    ")
    return f"def {op.name}(values: Iterable[Operand]) -> Value:\n{body}\n"


def load(op: Op) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., float]]:
    """The method, the free function and the function on floats of a row that is not in operations.py."""
    from . import operations

    names: dict[str, Any] = {f"_{name}": function for name, function in ieee.scalar.items()}
    names |= {**vars(operations), _constant(op): op}
    float_function = "" if op.name in ieee.BY_HAND else _function_on_floats(op)
    text = _method(op, op.name).replace("applied(Value.", "applied(_method_of_")
    if float_function:
        text = text.replace(f'scalar["{op.name}"]', f"_{op.name}")
    _run(f"<method of {op.name}>", text, names)
    method = names[f"_method_of_{op.name}"] = names[op.name]
    _run(f"<function {op.name}>", _free_function(op).replace("applied(Value.", "applied(_method_of_"), names)
    _run(f"<{op.name} on floats>", float_function, names)
    method.__qualname__ = f"Value.{op.name}"
    return method, names[op.name], names[f"_{op.name}"]


def _run(title: str, text: str, names: dict[str, Any]) -> None:
    """Execute generated source, which tracebacks and inspect then show."""
    text = f"from __future__ import annotations\n{text}"
    linecache.cache[title] = (len(text), None, text.splitlines(keepends=True), title)
    exec(compile(text, title, "exec"), names)


def main() -> int:
    """Write operations.py; with --check only say whether it is up to date (0) or not (1)."""
    text = source()
    if "--check" in sys.argv[1:]:
        fresh = TARGET.read_text(encoding="utf-8") == text
        print("operations.py is up to date" if fresh else "operations.py is old: run python -m engine.generate")
        return 0 if fresh else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(OPS)} operations, {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
